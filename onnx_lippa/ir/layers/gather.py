"""Gather."""

from __future__ import annotations

from onnx_lippa.ir.layers.frame import framed
from onnx_lippa.ir.layers.indices import gathered, within
from onnx_lippa.ir.layers.node import Converted, NodeView
from onnx_lippa.ir.layers.rearrange import Rearranged
from onnx_lippa.ir.layers.registry import converts
from onnx_lippa.ir.layers.taken import taken


@converts("Gather")
def convert(node: NodeView) -> Converted:
    """Entries of one axis at constant indices of any rank; a single index drops the axis."""
    x, indices = gathered(node)
    frame = framed(x, (node.axis("axis", 0, x.rank),))
    (axis,) = frame.axes
    front, behind = frame.source[:axis], frame.source[axis + 1 :]
    positions = within(indices, frame.source[axis]).ravel()
    return frame.converted(
        *taken(frame.source, {axis: positions}),
        Rearranged((*front, indices.size, *behind), (*front, *indices.shape, *behind)),
    )
