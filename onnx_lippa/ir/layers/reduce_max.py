"""ReduceMax."""

from __future__ import annotations

from onnx_lippa.ir.layers.node import Converted, NodeView
from onnx_lippa.ir.layers.reduced import Reduction, by_attribute, by_input
from onnx_lippa.ir.layers.registry import converts


@converts("ReduceMax")
def convert_attribute(node: NodeView) -> Converted:
    """The largest entry over the axes of an attribute."""
    return _largest(by_attribute(node))


@converts("ReduceMax", since=18)
def convert(node: NodeView) -> Converted:
    """The largest entry over constant axes."""
    return _largest(by_input(node))


def _largest(reduction: Reduction) -> Converted:
    return reduction.converted(*reduction.largest())
