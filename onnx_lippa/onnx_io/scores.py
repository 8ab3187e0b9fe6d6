"""Which tensor of a graph holds the scores, where it has several outputs or odd ones."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import onnx

from onnx_lippa.errors import ModelError
from onnx_lippa.text import listed

_SCORE_TYPES: Final = frozenset({onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE})
_FORMS: Final = frozenset({"ZipMap"})
"""Operators that only wrap scores into another container, as scikit-learn's exporter adds."""


def score_output(
    graph: onnx.GraphProto, wanted: str | None, path: Path
) -> tuple[str, tuple[str, ...]]:
    """The tensor that holds the scores, and the operators behind it that are left out.

    Args:
        graph: the graph.
        wanted: name of the tensor, None to choose the one output that can hold scores.
        path: the file, for messages.

    Raises:
        ModelError: there is no such tensor, or none or several outputs could be meant.
    """
    makers = {name: node for node in graph.node for name in node.output}
    names = {value.name for value in graph.output}
    if wanted is not None:
        if wanted not in makers:
            raise ModelError(
                f"{path} computes no tensor '{wanted}': its outputs are {listed(sorted(names))}"
            )
        return _inside(wanted, makers)
    candidates = [value for value in graph.output if len(graph.output) == 1 or _may_score(value)]
    if len(candidates) != 1:
        raise ModelError(
            f"{path} has {len(graph.output)} outputs ({listed([v.name for v in graph.output])}) "
            "where one that holds scores is needed: name the one to attack (--output), or export "
            "the model with a single output"
        )
    return _inside(candidates[0].name, makers)


def _inside(name: str, makers: dict[str, onnx.NodeProto]) -> tuple[str, tuple[str, ...]]:
    stripped = []
    while name in makers and makers[name].op_type in _FORMS and makers[name].input:
        stripped.append(makers[name].op_type)
        name = makers[name].input[0]
        if len(stripped) > len(makers):
            raise ModelError(
                f"the node that computes '{name}' takes its own result: export the model again"
            )
    return name, tuple(stripped)


def _may_score(value: onnx.ValueInfoProto) -> bool:
    """Floating-point tensors, and the containers they may be wrapped in."""
    if value.type.HasField("tensor_type"):
        return value.type.tensor_type.elem_type in _SCORE_TYPES
    return value.type.HasField("sequence_type")
