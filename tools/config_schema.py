"""Writes docs/schemas/config.schema.json, the JSON schema of ``--config``, from the options.

Run ``python tools/config_schema.py`` after an option was added or changed. With ``--check`` it
writes nothing and fails where the file is out of date; a test calls it so.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from onnx_lippa.cli.arguments.config import schema

TARGET = Path(__file__).parents[1] / "docs" / "schemas" / "config.schema.json"


def main() -> None:
    text = json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"
    if "--check" not in sys.argv[1:]:
        TARGET.write_text(text, encoding="utf-8")
    elif not TARGET.exists() or TARGET.read_text(encoding="utf-8") != text:
        sys.exit(f"{TARGET.name} is out of date: run python tools/config_schema.py")


if __name__ == "__main__":
    main()
