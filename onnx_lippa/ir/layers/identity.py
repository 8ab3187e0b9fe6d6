"""Identity."""

from __future__ import annotations

from onnx_lippa.ir.layers.node import Converted, NodeView
from onnx_lippa.ir.layers.registry import converts


@converts("Identity")
def convert(node: NodeView) -> Converted:
    """Passes its input on."""
    node.computed()
    return Converted(())
