"""Mul."""

from __future__ import annotations

from onnx_lippa.layers.node import Converted, NodeView, Unsupported
from onnx_lippa.layers.registry import converts
from onnx_lippa.layers.scale_shift import ScaleShift, aligned_constant


@converts("Mul", since=7)
def convert(node: NodeView) -> Converted:
    """``x * c`` or ``c * x``."""
    positions = node.only_computed()
    if len(positions) == 2:
        raise Unsupported("the product of two computed tensors is not piecewise linear")
    (position,) = positions
    x = node.computed(position)
    scale = aligned_constant(node.known(1 - position, "factor"), x)
    return Converted(ScaleShift(x.shape, scale, None), (position,))
