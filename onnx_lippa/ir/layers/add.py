"""Add."""

from __future__ import annotations

from onnx_lippa.ir.layers.addition import added
from onnx_lippa.ir.layers.node import Converted, NodeView
from onnx_lippa.ir.layers.registry import converts
from onnx_lippa.ir.layers.scale_shift import ScaleShift, met


@converts("Add", since=7)
def convert(node: NodeView) -> Converted:
    """``x + c``, ``c + x`` or ``x + y``."""
    positions = node.only_computed()
    if len(positions) == 2:
        return added(node, (1.0, 1.0))
    (position,) = positions
    frame, shift = met(node.computed(position), node.known(1 - position, "summand"))
    return frame.converted(ScaleShift(frame.source, None, shift), position=position)
