"""ReduceL1."""

from __future__ import annotations

from onnx_lippa.ir.layers.absolute import Absolute
from onnx_lippa.ir.layers.node import Converted, NodeView
from onnx_lippa.ir.layers.reduced import Reduction, by_attribute, by_input
from onnx_lippa.ir.layers.registry import converts


@converts("ReduceL1")
def convert_attribute(node: NodeView) -> Converted:
    """The sum of the absolute values over the axes of an attribute."""
    return _l1(by_attribute(node))


@converts("ReduceL1", since=18)
def convert(node: NodeView) -> Converted:
    """The sum of the absolute values over constant axes."""
    return _l1(by_input(node))


def _l1(reduction: Reduction) -> Converted:
    return reduction.converted(Absolute(reduction.frame.source), *reduction.summed())
