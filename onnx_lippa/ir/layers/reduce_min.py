"""ReduceMin."""

from __future__ import annotations

from onnx_lippa.ir.layers.node import Converted, NodeView
from onnx_lippa.ir.layers.reduced import Reduction, by_attribute, by_input
from onnx_lippa.ir.layers.registry import converts


@converts("ReduceMin")
def convert_attribute(node: NodeView) -> Converted:
    """The smallest entry over the axes of an attribute."""
    return _smallest(by_attribute(node))


@converts("ReduceMin", since=18)
def convert(node: NodeView) -> Converted:
    """The smallest entry over constant axes."""
    return _smallest(by_input(node))


def _smallest(reduction: Reduction) -> Converted:
    return reduction.converted(*reduction.largest(sign=-1.0))
