"""A choice between two tensors by the truth of a comparison: behind Where and masks."""

from __future__ import annotations

import numpy as np

from onnx_lippa.arrays import Float64
from onnx_lippa.ir.layers.meeting import Meeting, met_together
from onnx_lippa.ir.layers.node import Computed, Converted, Known, NodeView, Unsupported
from onnx_lippa.ir.layers.stacked import Part, Stacked
from onnx_lippa.ir.layers.switch import Switch


def chosen(node: NodeView) -> Converted:
    """Input 1 where the computed condition, input 0, is true, and input 2 elsewhere."""
    meeting = met_together(node)
    return _switch(meeting, node.computed(0), _part(node, meeting, 1), _part(node, meeting, 2))


def product_with_truth(node: NodeView) -> Converted | None:
    """The product of a truth, cast to a number, and another tensor; None for other products."""
    for place in (0, 1):
        condition, other = node.computed(place), node.computed(1 - place)
        if condition.holds is not None and other.holds is None:
            meeting = met_together(node)
            index = meeting.positions.index(1 - place)
            return _switch(meeting, condition, (index, 1.0), np.array(0.0), place)
    return None


def _part(node: NodeView, meeting: Meeting, place: int) -> Part:
    operand = node.operand(place)
    if isinstance(operand, Known):
        constant: Float64 = meeting.constant(operand.weight)
        return constant
    if node.computed(place).holds is not None:
        raise Unsupported("one of its branches is the truth of a comparison")
    return meeting.positions.index(place), 1.0


def _switch(
    meeting: Meeting, condition: Computed, if_true: Part, if_false: Part, place: int = 0
) -> Converted:
    if condition.holds is None:
        raise Unsupported("its condition is not the truth of a comparison")
    if isinstance(if_true, np.ndarray) and isinstance(if_false, np.ndarray):
        raise Unsupported("both its branches are constants, which makes the model jump")
    branches = (if_true, if_false) if condition.holds else (if_false, if_true)
    difference = (meeting.positions.index(place), 1.0)
    stack = Stacked(meeting.sources, [difference, *branches], meeting.shape)
    return Converted(
        (stack, Switch(meeting.shape)), meeting.positions, meeting.batched, takes_truth=True
    )
