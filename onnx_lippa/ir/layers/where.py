"""Where."""

from __future__ import annotations

import numpy as np

from onnx_lippa.arrays import Float64
from onnx_lippa.ir.layers.addition import Addition
from onnx_lippa.ir.layers.choice import chosen
from onnx_lippa.ir.layers.meeting import met_together
from onnx_lippa.ir.layers.node import Computed, Converted, Known, NodeView
from onnx_lippa.ir.layers.registry import converts


@converts("Where", since=9)
def convert(node: NodeView) -> Converted:
    """By a constant mask, or by a comparison, of branches of which one may be a constant."""
    if isinstance(node.operand(0), Computed):
        return chosen(node)
    meeting = met_together(node)
    mask = meeting.constant(node.known(0, "condition").value) != 0
    shares = (mask.astype(np.float64), (~mask).astype(np.float64))
    weights: list[Float64] = []
    constant: Float64 | None = None
    for place, share in enumerate(shares, start=1):
        operand = node.operand(place)
        if isinstance(operand, Known):
            constant = share * meeting.constant(operand.weight)
        else:
            weights.append(share)
    return meeting.converted(Addition(meeting.sources, weights, constant))
