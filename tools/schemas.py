"""Writes docs/schemas/: JSON schemas of the files in a run's folder, from the classes themselves.

Run ``python tools/schemas.py`` after a field was added or its docstring changed. With ``--check``
it writes nothing and fails where a schema is out of date; a test calls it so.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from onnx_lippa.data import DataOptions
from onnx_lippa.onnx_io import Preprocess
from onnx_lippa.runs.files import CHECK
from onnx_lippa.runs.identity import Checksums, Identity
from onnx_lippa.runs.properties.answers import ANSWERS
from onnx_lippa.runs.properties.folder import ListFile
from onnx_lippa.runs.properties.instances import Instance, InstanceResult
from onnx_lippa.runs.record import LATER_COUNTS, LEFT_OUT, Record
from onnx_lippa.runs.summary import COUNTED, SCHEMA_VERSION, RunFacts, Summary
from onnx_lippa.spec.input_specification import JSON_FIELDS, LATER_FIELDS, InputSpecification
from onnx_lippa.spec.relations import Relations
from onnx_lippa.witness import Effort, FoundBy, ProvedBy

FOLDER: Final = Path(__file__).parents[1] / "docs" / "schemas"
_DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"
_PLAIN: Final = {int: "integer", float: "number", str: "string", bool: "boolean", NoneType: "null"}
_RANGE: Final = {
    "type": "object",
    "properties": {name: {"type": ["number", "null"]} for name in ("lower", "upper")},
    "required": ["lower", "upper"],
    "additionalProperties": False,
    "description": "the range of numbers that differ among features; null is an infinity",
}
_PATHS: Final = {
    "model": "absolute path of the model when the run began",
    "model_beside": "the same, relative to the folder",
    "data": "absolute path of the data when the run began; empty if they are in the folder",
    "data_beside": "the same, relative to the folder",
}
_BASE: Final = {
    "base": "absolute path of the folder that the paths of the list are relative to",
    "base_beside": "the same, relative to the folder of the list",
}

_NOT_COUNTED: Final = (FoundBy.NOTHING, FoundBy.CLEAN, ProvedBy.NOTHING)

Schema = dict[str, Any]


def of_type(kind: Any) -> Schema:  # noqa: PLR0911 - one for each kind of type
    """The schema of a type."""
    origin, inner = get_origin(kind), get_args(kind)
    if kind is object:
        return {}
    if kind in _PLAIN:
        return {"type": _PLAIN[kind]}
    if origin in (Union, UnionType):
        return {"anyOf": [of_type(one) for one in inner]}
    if origin is tuple:
        return {"type": "array", "items": of_type(inner[0])}
    if origin is Sequence:
        return {"type": "array", "items": of_type(inner[0])}
    if origin is Literal:
        return {"enum": list(inner)}
    if origin in (dict, Mapping) and inner[0] is str:
        return {"type": "object", "additionalProperties": of_type(inner[1])}
    if origin is Mapping:
        key, value = inner
        return of_object({one.value: of_type(value) for one in key if one not in _NOT_COUNTED})
    if isinstance(kind, type) and issubclass(kind, Enum):
        return {"enum": [one.value for one in kind]}
    if is_dataclass(kind):
        return of_object(of_fields(kind))
    raise TypeError(f"there is no schema of {kind}")


def of_fields(kind: Any, *without: str) -> dict[str, Schema]:
    """The schemas of the fields of a dataclass, described by its docstring."""
    hints, said = get_type_hints(kind), descriptions(kind)
    return {
        one.name: of_type(hints[one.name]) | said.get(one.name, {})
        for one in fields(kind)
        if one.name not in without
    }


def of_object(properties: dict[str, Schema], *optional: str) -> Schema:
    """The schema of an object that has these properties and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


def descriptions(kind: Any) -> dict[str, Schema]:
    """What the docstring of a class says of its attributes."""
    _, _, listed = (inspect.getdoc(kind) or "").partition("Attributes:\n")
    found = re.findall(r"^    (\w+): ((?:.|\n {8})+)", listed, flags=re.MULTILINE)
    return {name: {"description": " ".join(text.split())} for name, text in found}


def record() -> Schema:
    """A line of ``results.jsonl``."""
    return of_object(of_fields(Record, "effort") | of_fields(Effort), *LEFT_OUT, *LATER_COUNTS)


def summary() -> Schema:
    """The content of ``summary.json``."""
    said = descriptions(InputSpecification) | descriptions(Relations)
    features: dict[str, Schema] = {
        name: {"anyOf": [{"type": "number"}, {"type": "null"}, _RANGE]} | said.get(name, {})
        for name in JSON_FIELDS
    }
    features |= {
        name: {"type": "integer", "description": f"number of {said[name]['description']}"}
        for name in sorted(COUNTED)
    }
    properties = (
        {"schema_version": {"const": SCHEMA_VERSION}}
        | of_fields(RunFacts, "features")
        | features
        | of_fields(Effort)
        | of_fields(Summary, "facts", "effort")
    )
    later = (*LATER_FIELDS, *(one.name for one in fields(Relations)))
    return of_object(properties, *LATER_COUNTS, *later, "preprocess", "broken_by")


def run() -> Schema:
    """The content of ``run.json``."""
    features = {
        name: value for name, value in of_fields(InputSpecification).items() if name in JSON_FIELDS
    }
    # A ball of radius 1 is written as an eps for each feature.
    features["eps"]["anyOf"].append({"type": "array", "items": {"type": "number"}})
    return of_object(
        of_fields(Identity, "features", "preprocess")
        | features
        | of_fields(Relations)
        | {
            "preprocess": _given(Preprocess),
            "reading": _given(DataOptions, "first", "indices"),
            "sealed": {"anyOf": [_sealed(), {"type": "null"}]},
            CHECK: {"type": "integer", "description": "checksum of all but the paths"},
        }
        | {name: {"type": "string", "description": text} for name, text in _PATHS.items()},
        *LATER_FIELDS,
        *(one.name for one in fields(Relations)),
        "preprocess",
        "reading",
    )


def listing() -> Schema:
    """The content of ``list.json``."""
    timeout = {"anyOf": [{"type": "number"}, {"type": "null"}]}
    instance: Schema = {
        "type": "array",
        "prefixItems": [{"type": "string"}, {"type": "string"}, timeout],
        "minItems": 3,
        "maxItems": 3,
        "description": "paths of model and property, and seconds, of which null is no limit",
    }
    said = descriptions(ListFile)["instances"]
    properties = of_fields(ListFile, "instances", "base", "preprocess")
    return of_object(
        {"instances": {"type": "array", "items": instance} | said}
        | properties
        | {"preprocess": _given(Preprocess)}
        | {name: {"type": "string", "description": text} for name, text in _BASE.items()}
        | {CHECK: {"type": "integer", "description": "checksum of all but the paths"}},
        *("output", "preprocess", "case_limit", "versions"),
    )


def answer() -> Schema:
    """A line of ``answers.jsonl``."""
    fields_ = of_fields(Instance) | of_fields(InstanceResult, "instance")
    fields_["timeout"] |= {"type": ["number", "null"]}
    fields_["answer"] |= {"enum": list(ANSWERS)}
    stated = descriptions(ListFile)
    return of_object(
        {"instance": {"type": "null", "description": "it marks such a line"}}
        | fields_
        | {name: {"type": "string"} | stated[name] for name in ("options", "version")}
        | {CHECK: {"type": "integer", "description": "checksum of the line without it"}}
    )


def _given(kind: Any, *without: str) -> Schema:
    """A value of which only the fields that are not defaults are written."""
    properties = of_fields(kind, *without)
    said = (inspect.getdoc(kind) or "").partition("\n")[0]
    return of_object(properties, *properties) | {"description": said}


def _sealed() -> Schema:
    """The checksums of a folder's files, in hexadecimal digits."""
    said = descriptions(Checksums)
    return of_object({name: {"type": "string"} | text for name, text in said.items()})


SCHEMAS: Final = {
    "summary": summary,
    "record": record,
    "run": run,
    "list": listing,
    "answer": answer,
}


def main() -> None:
    """Writes the schemas, or checks them."""
    FOLDER.mkdir(exist_ok=True)
    for name, build in SCHEMAS.items():
        head = {"$schema": _DRAFT, "title": name, "description": inspect.getdoc(build)}
        text = json.dumps(head | build(), indent=1, ensure_ascii=False) + "\n"
        path = FOLDER / f"{name}.schema.json"
        if "--check" not in sys.argv:
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            sys.exit(f"{path} is out of date: run python tools/schemas.py")


if __name__ == "__main__":
    main()
