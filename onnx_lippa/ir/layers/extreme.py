"""The largest or smallest of several tensors, behind Max and Min."""

from __future__ import annotations

from functools import reduce

import numpy as np

from onnx_lippa.ir.layers.base import Layer
from onnx_lippa.ir.layers.bounded import NotAbove, NotBelow
from onnx_lippa.ir.layers.max_last import MaxAlong
from onnx_lippa.ir.layers.meeting import met_together
from onnx_lippa.ir.layers.node import Converted, Known, NodeView
from onnx_lippa.ir.layers.scale_shift import ScaleShift
from onnx_lippa.ir.layers.stacked import Stacked


def extreme(node: NodeView, largest: bool) -> Converted:
    """The operands' maximum (or minimum): of the computed ones first, then with a constant."""
    meeting = met_together(node)
    constants = [o for o in node.operands if isinstance(o, Known)]
    layers: list[Layer] = []
    sign = 1.0 if largest else -1.0
    if len(meeting.positions) == 1:
        layers += meeting.broadened()
    else:
        node.limits.require_elements((len(meeting.positions), *meeting.shape), "what it compares")
        parts = [(index, sign) for index in range(len(meeting.positions))]
        stack = Stacked(meeting.sources, parts, meeting.shape)
        layers += [stack, MaxAlong(stack.shape, 0)]
        if not largest:
            layers.append(ScaleShift(meeting.shape, np.array(-1.0), None))
    if constants:
        choose = np.maximum if largest else np.minimum
        bound = reduce(choose, (meeting.constant(constant.weight) for constant in constants))
        kind = NotBelow if largest else NotAbove
        layers.append(kind(meeting.shape, bound))
    return meeting.converted(*layers)
