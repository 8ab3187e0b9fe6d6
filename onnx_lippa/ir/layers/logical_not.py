"""Not."""

from __future__ import annotations

from onnx_lippa.ir.layers.node import Converted, NodeView, Unsupported
from onnx_lippa.ir.layers.registry import converts


@converts("Not")
def convert(node: NodeView) -> Converted:
    """Of the truth of a comparison, as the condition of a Where."""
    holds = node.computed().holds
    if holds is None:
        raise Unsupported("its input is not the truth of a comparison")
    return Converted((), holds=not holds, takes_truth=True)
