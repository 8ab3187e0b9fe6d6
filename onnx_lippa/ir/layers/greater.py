"""Greater."""

from __future__ import annotations

from onnx_lippa.ir.layers.comparison import compared
from onnx_lippa.ir.layers.node import Converted, NodeView
from onnx_lippa.ir.layers.registry import converts


@converts("Greater", since=7)
def convert(node: NodeView) -> Converted:
    """``x > y``, one of them constant or none, as the condition of a Where."""
    return compared(node, sign=-1.0, holds=False)
