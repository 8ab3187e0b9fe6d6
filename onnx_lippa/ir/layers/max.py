"""Max."""

from __future__ import annotations

from onnx_lippa.ir.layers.extreme import extreme
from onnx_lippa.ir.layers.node import Converted, NodeView
from onnx_lippa.ir.layers.registry import converts


@converts("Max", since=6)
def convert(node: NodeView) -> Converted:
    """The maximum of any number of tensors that broadcast, constants and computed ones."""
    return extreme(node, largest=True)
