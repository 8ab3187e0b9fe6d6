"""The equally weighted sum of several tensors, behind Sum and Mean."""

from __future__ import annotations

from functools import reduce

import numpy as np

from onnx_lippa.ir.layers.addition import Addition
from onnx_lippa.ir.layers.meeting import met_together
from onnx_lippa.ir.layers.node import Converted, Known, NodeView


def weighted(node: NodeView, weight: float) -> Converted:
    """The sum of all operands, each times the weight."""
    meeting = met_together(node)
    constants = [
        weight * meeting.constant(operand.weight)
        for operand in node.operands
        if isinstance(operand, Known)
    ]
    total = reduce(np.add, constants) if constants else None
    if total is None and len(node.operands) == 1:
        return Converted(())
    weights = [weight] * len(meeting.positions)
    return meeting.converted(Addition(meeting.sources, weights, total))
