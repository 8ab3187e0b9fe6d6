"""GatherElements."""

from __future__ import annotations

from onnx_lippa.ir.layers.frame import whole
from onnx_lippa.ir.layers.indices import elements, gathered, picked
from onnx_lippa.ir.layers.node import Converted, NodeView
from onnx_lippa.ir.layers.registry import converts


@converts("GatherElements", since=11)
def convert(node: NodeView) -> Converted:
    """Single entries, of which constant indices name the place along one axis."""
    x, indices = gathered(node)
    axis = node.axis("axis", 0, x.rank)
    frame = whole(x)
    return frame.converted(
        *picked(frame.source, len(frame.source), elements(frame.source, indices, axis))
    )
