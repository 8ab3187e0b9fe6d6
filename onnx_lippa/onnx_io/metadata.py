"""Names that a model states: of its classes and of its features."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Iterator
from typing import Final

import onnx

from onnx_lippa.onnx_io.reader import ModelFile

_CLASS_KEYS: Final = ("classes", "class_names", "names", "labels")
"""Metadata properties with the names of classes, the best first."""
_FEATURE_KEYS: Final = ("features", "feature_names")
_CLASS_ATTRIBUTES: Final = ("classlabels_strings", "classlabels_int64s", "classlabels_ints")


def read_classes(file: ModelFile, count: int) -> tuple[str, ...] | None:
    """The names of a model's classes, in the order of its outputs; None where it states none.

    They are an attribute of a node that labels its scores, as scikit-learn's exporters write it,
    or a metadata property: a list, or a mapping of numbers to names.

    Args:
        file: the model.
        count: number of its outputs.
    """
    for node in file.proto.graph.node:
        for attribute in node.attribute:
            if attribute.name in _CLASS_ATTRIBUTES:
                texts = [text.decode("utf-8", errors="replace") for text in attribute.strings]
                names = tuple(texts or map(str, attribute.ints))
                if len(names) == count and len(set(names)) == count:
                    return names
    return _stated(file.proto, _CLASS_KEYS, count)


def read_feature_names(file: ModelFile, count: int) -> tuple[str, ...]:
    """The names of a model's features, from its metadata; empty where it states none.

    Args:
        file: the model.
        count: number of its features.
    """
    return _stated(file.proto, _FEATURE_KEYS, count) or ()


def _stated(proto: onnx.ModelProto, keys: tuple[str, ...], count: int) -> tuple[str, ...] | None:
    properties = {entry.key.lower(): entry.value for entry in proto.metadata_props}
    for key in keys:
        for names in _readings(properties.get(key, "")):
            if len(names) == count and len(set(names)) == count:
                return names
    return None


def _readings(text: str) -> Iterator[tuple[str, ...]]:
    """The names in a text: a list, a mapping of numbers, or words with commas between them."""
    parsers: tuple[Callable[[str], object], ...] = (json.loads, ast.literal_eval)
    for parse in parsers:
        try:
            value = parse(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            continue
        if isinstance(value, list | tuple):
            yield tuple(map(str, value))
        if isinstance(value, dict):
            numbered = {str(key): str(name) for key, name in value.items()}
            yield tuple(numbered[str(i)] for i in range(len(numbered)) if str(i) in numbered)
    yield tuple(part.strip() for part in text.split(","))
