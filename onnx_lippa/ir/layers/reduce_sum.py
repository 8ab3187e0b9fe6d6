"""ReduceSum."""

from __future__ import annotations

from onnx_lippa.ir.layers.node import Converted, NodeView
from onnx_lippa.ir.layers.reduced import Reduction, by_attribute, by_input
from onnx_lippa.ir.layers.registry import converts


@converts("ReduceSum")
def convert_attribute(node: NodeView) -> Converted:
    """The sum over the axes of an attribute."""
    return _summed(by_attribute(node))


@converts("ReduceSum", since=13)
def convert(node: NodeView) -> Converted:
    """The sum over constant axes."""
    return _summed(by_input(node))


def _summed(reduction: Reduction) -> Converted:
    return reduction.converted(*reduction.summed())
