"""Mean."""

from __future__ import annotations

from onnx_lippa.ir.layers.average import weighted
from onnx_lippa.ir.layers.node import Converted, NodeView
from onnx_lippa.ir.layers.registry import converts


@converts("Mean", since=6)
def convert(node: NodeView) -> Converted:
    """The mean of any number of tensors that broadcast, constants and computed ones."""
    return weighted(node, 1.0 / len(node.operands))
