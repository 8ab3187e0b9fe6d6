"""Mul."""

from __future__ import annotations

from onnx_lippa.ir.layers.choice import product_with_truth
from onnx_lippa.ir.layers.node import Converted, NodeView, Unsupported
from onnx_lippa.ir.layers.registry import converts
from onnx_lippa.ir.layers.scale_shift import ScaleShift, met


@converts("Mul", since=7)
def convert(node: NodeView) -> Converted:
    """``x * c`` or ``c * x``; ``x * (y >= z)`` with the truth of a comparison."""
    positions = node.only_computed()
    if len(positions) == 2:
        masked = product_with_truth(node)
        if masked is not None:
            return masked
        raise Unsupported("the product of two computed tensors is not piecewise linear")
    (position,) = positions
    frame, scale = met(node.computed(position), node.known(1 - position, "factor"))
    return frame.converted(ScaleShift(frame.source, scale, None), position=position)
