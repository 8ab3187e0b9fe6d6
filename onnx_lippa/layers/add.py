"""Add."""

from __future__ import annotations

from onnx_lippa.layers.addition import Addition
from onnx_lippa.layers.node import Computed, Converted, NodeView
from onnx_lippa.layers.registry import converts
from onnx_lippa.layers.scale_shift import ScaleShift, aligned_constant


@converts("Add", since=7)
def convert(node: NodeView) -> Converted:
    """``x + c``, ``c + x`` or ``x + y``."""
    positions = node.only_computed()
    if len(positions) == 2:
        return Converted(Addition(node.computed(0), node.computed(1)), (0, 1))
    (position,) = positions
    x: Computed = node.computed(position)
    shift = aligned_constant(node.known(1 - position, "summand"), x)
    return Converted(ScaleShift(x.shape, None, shift), (position,))
