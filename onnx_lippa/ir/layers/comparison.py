"""The truth of a comparison, as the sign of a difference."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from onnx_lippa.ir.layers.addition import Addition
from onnx_lippa.ir.layers.meeting import met_together
from onnx_lippa.ir.layers.node import Converted, Known, NodeView


def compared(node: NodeView, sign: float, holds: bool) -> Converted:
    """``sign * (first - second)`` with what its sign stands for.

    Args:
        node: the comparison, of a computed tensor with a constant or of two computed ones.
        sign: 1 or -1.
        holds: whether the comparison is true where this is not negative, or where it is.
    """
    meeting = met_together(node)
    signs = (sign, -sign)
    constants = [
        signs[place] * meeting.constant(operand.weight)
        for place, operand in enumerate(node.operands)
        if isinstance(operand, Known)
    ]
    weights = [signs[place] for place in meeting.positions]
    constant = constants[0] if constants else None
    converted = meeting.converted(Addition(meeting.sources, weights, constant))
    if weights == [1.0] and not np.any(constants) and meeting.sources[0] == meeting.shape:
        converted = meeting.converted()  # x itself says how it compares with 0
    return replace(converted, holds=holds)
