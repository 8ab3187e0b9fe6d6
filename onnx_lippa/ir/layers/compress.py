"""Compress."""

from __future__ import annotations

import numpy as np

from onnx_lippa.arrays import size
from onnx_lippa.ir.layers.base import Layer
from onnx_lippa.ir.layers.frame import framed, whole
from onnx_lippa.ir.layers.node import Computed, Converted, NodeView, Unsupported
from onnx_lippa.ir.layers.rearrange import Rearranged
from onnx_lippa.ir.layers.registry import converts
from onnx_lippa.ir.layers.taken import taken


@converts("Compress", since=9)
def convert(node: NodeView) -> Converted:
    """The entries of an axis, or of the flattened tensor, that a constant condition names."""
    if isinstance(node.operand(1), Computed):
        raise Unsupported("its condition depends on the input, so its result jumps")
    x = node.computed()
    positions = np.flatnonzero(node.known(1, "condition").value)
    before: tuple[Layer, ...] = ()
    if "axis" in node.attributes:
        frame = framed(x, (node.axis("axis", 0, x.rank),))
        source, (axis,) = frame.source, frame.axes
    else:
        frame, source, axis = whole(x), (size(x.shape),), 0
        before = (Rearranged(frame.source, source),)
    if positions.size == 0 or positions[-1] >= source[axis]:
        raise Unsupported(
            f"its condition does not name some of the {source[axis]} entries of its axis"
        )
    return frame.converted(*before, *taken(source, {axis: positions}))
