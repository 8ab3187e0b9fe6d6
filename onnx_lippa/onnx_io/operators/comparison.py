"""Comparisons, and the selections that they are conditions of: Where, and Mul with a truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from onnx_lippa.arrays import Float64
from onnx_lippa.errors import Unsupported
from onnx_lippa.ir.layers.concat import Part, Stack
from onnx_lippa.ir.layers.elementwise import WeightedSum
from onnx_lippa.ir.layers.select import Select
from onnx_lippa.onnx_io.frame import Broadcast, broadcast_operands
from onnx_lippa.onnx_io.node import Computed, Constant, Conversion, NodeView
from onnx_lippa.onnx_io.operators.registry import converts


def _compare(node: NodeView, sign: float, holds: bool) -> Conversion:
    """``sign * (first - second)`` with what its sign stands for.

    Args:
        node: the comparison, of a computed tensor with a constant or of two computed ones.
        sign: 1 or -1.
        holds: whether the comparison is true where this is not negative, or where it is.
    """
    meeting = broadcast_operands(node)
    signs = (sign, -sign)
    constants = [
        signs[place] * meeting.constant(operand.weight)
        for place, operand in enumerate(node.operands)
        if isinstance(operand, Constant)
    ]
    weights = [signs[place] for place in meeting.positions]
    constant = constants[0] if constants else None
    converted = meeting.convert(WeightedSum(meeting.sources, weights, constant))
    if weights == [1.0] and not np.any(constants) and meeting.sources[0] == meeting.shape:
        converted = meeting.convert()  # x itself says how it compares with 0
    return replace(converted, holds=holds)


@converts("Greater", since=7)
def convert_greater(node: NodeView) -> Conversion:
    """``x > y``, one of them constant or none, as the condition of a Where."""
    return _compare(node, sign=-1.0, holds=False)


@converts("GreaterOrEqual", since=12)
def convert_greater_or_equal(node: NodeView) -> Conversion:
    """``x >= y``, one of them constant or none, as the condition of a Where."""
    return _compare(node, sign=1.0, holds=True)


@converts("Less", since=7)
def convert_less(node: NodeView) -> Conversion:
    """``x < y``, one of them constant or none, as the condition of a Where."""
    return _compare(node, sign=1.0, holds=False)


@converts("LessOrEqual", since=12)
def convert_less_or_equal(node: NodeView) -> Conversion:
    """``x <= y``, one of them constant or none, as the condition of a Where."""
    return _compare(node, sign=-1.0, holds=True)


@converts("Not")
def convert_not(node: NodeView) -> Conversion:
    """Of the truth of a comparison, as the condition of a Where."""
    holds = node.computed().holds
    if holds is None:
        raise Unsupported("its input is not the truth of a comparison")
    return Conversion((), holds=not holds, takes_truth=True)


def _select(node: NodeView) -> Conversion:
    """Input 1 where the computed condition, input 0, is true, and input 2 elsewhere."""
    meeting = broadcast_operands(node)
    return _switch(meeting, node.computed(0), _part(node, meeting, 1), _part(node, meeting, 2))


def product_with_truth(node: NodeView) -> Conversion | None:
    """The product of a truth, cast to a number, and another tensor; None for other products."""
    for place in (0, 1):
        condition, other = node.computed(place), node.computed(1 - place)
        if condition.holds is not None and other.holds is None:
            meeting = broadcast_operands(node)
            index = meeting.positions.index(1 - place)
            return _switch(meeting, condition, (index, 1.0), np.array(0.0), place)
    return None


def _part(node: NodeView, meeting: Broadcast, place: int) -> Part:
    operand = node.operand(place)
    if isinstance(operand, Constant):
        constant: Float64 = meeting.constant(operand.weight)
        return constant
    if node.computed(place).holds is not None:
        raise Unsupported("one of its branches is the truth of a comparison")
    return meeting.positions.index(place), 1.0


def _switch(
    meeting: Broadcast, condition: Computed, if_true: Part, if_false: Part, place: int = 0
) -> Conversion:
    if condition.holds is None:
        raise Unsupported("its condition is not the truth of a comparison")
    if isinstance(if_true, np.ndarray) and isinstance(if_false, np.ndarray):
        raise Unsupported("both its branches are constants, which makes the model jump")
    branches = (if_true, if_false) if condition.holds else (if_false, if_true)
    difference = (meeting.positions.index(place), 1.0)
    stack = Stack(meeting.sources, [difference, *branches], meeting.shape)
    return Conversion(
        (stack, Select(meeting.shape)), meeting.positions, meeting.batched, takes_truth=True
    )


@converts("Where", since=9)
def convert_where(node: NodeView) -> Conversion:
    """By a constant mask, or by a comparison, of branches of which one may be a constant."""
    if isinstance(node.operand(0), Computed):
        return _select(node)
    meeting = broadcast_operands(node)
    mask = meeting.constant(node.constant(0, "condition").value) != 0
    shares = (mask.astype(np.float64), (~mask).astype(np.float64))
    weights: list[Float64] = []
    constant: Float64 | None = None
    for place, share in enumerate(shares, start=1):
        operand = node.operand(place)
        if isinstance(operand, Constant):
            constant = share * meeting.constant(operand.weight)
        else:
            weights.append(share)
    return meeting.convert(WeightedSum(meeting.sources, weights, constant))
