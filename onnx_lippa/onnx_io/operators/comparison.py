"""Comparisons, and the selections by their truth values: Where, and factors of Mul."""

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
    """``d = sign * (first - second)``; the comparison is true where ``d >= 0``.

    Args:
        node: the comparison, of a computed tensor with a constant or of two computed ones.
        sign: 1 or -1.
        holds: False where the comparison is true for ``d < 0`` instead.
    """
    operands = broadcast_operands(node)
    signs = (sign, -sign)
    constants = [
        signs[place] * operands.constant(operand.weight)
        for place, operand in enumerate(node.operands)
        if isinstance(operand, Constant)
    ]
    weights = [signs[place] for place in operands.positions]
    constant = constants[0] if constants else None
    converted = operands.convert(WeightedSum(operands.sources, weights, constant))
    if weights == [1.0] and not np.any(constants) and operands.sources[0] == operands.shape:
        converted = operands.convert()  # x itself is the difference
    return replace(converted, holds=holds)


@converts("Greater", since=7)
def convert_greater(node: NodeView) -> Conversion:
    """``x > y``, at most one of them constant, as the condition of a Where."""
    return _compare(node, sign=-1.0, holds=False)


@converts("GreaterOrEqual", since=12)
def convert_greater_or_equal(node: NodeView) -> Conversion:
    """``x >= y``, at most one of them constant, as the condition of a Where."""
    return _compare(node, sign=1.0, holds=True)


@converts("Less", since=7)
def convert_less(node: NodeView) -> Conversion:
    """``x < y``, at most one of them constant, as the condition of a Where."""
    return _compare(node, sign=1.0, holds=False)


@converts("LessOrEqual", since=12)
def convert_less_or_equal(node: NodeView) -> Conversion:
    """``x <= y``, at most one of them constant, as the condition of a Where."""
    return _compare(node, sign=-1.0, holds=True)


@converts("Not")
def convert_not(node: NodeView) -> Conversion:
    """The negation of a comparison, as the condition of a Where."""
    holds = node.computed().holds
    if holds is None:
        raise Unsupported("its input is not the truth of a comparison")
    return Conversion((), holds=not holds, takes_truth=True)


def _select(node: NodeView) -> Conversion:
    """Input 1 where the computed condition, input 0, is true, and input 2 elsewhere."""
    operands = broadcast_operands(node)
    return _select_by_sign(
        operands, node.computed(0), _part(node, operands, 1), _part(node, operands, 2)
    )


def multiply_by_truth(node: NodeView) -> Conversion | None:
    """A tensor times a truth value cast to a number; None for other products."""
    for place in (0, 1):
        condition, other = node.computed(place), node.computed(1 - place)
        if condition.holds is not None and other.holds is None:
            operands = broadcast_operands(node)
            index = operands.positions.index(1 - place)
            return _select_by_sign(operands, condition, (index, 1.0), np.array(0.0), place)
    return None


def _part(node: NodeView, operands: Broadcast, place: int) -> Part:
    operand = node.operand(place)
    if isinstance(operand, Constant):
        constant: Float64 = operands.constant(operand.weight)
        return constant
    if node.computed(place).holds is not None:
        raise Unsupported("one of its branches is the truth of a comparison")
    return operands.positions.index(place), 1.0


def _select_by_sign(
    operands: Broadcast, condition: Computed, if_true: Part, if_false: Part, place: int = 0
) -> Conversion:
    if condition.holds is None:
        raise Unsupported("its condition is not the truth of a comparison")
    if isinstance(if_true, np.ndarray) and isinstance(if_false, np.ndarray):
        raise Unsupported("both its branches are constants, which makes the model jump")
    branches = (if_true, if_false) if condition.holds else (if_false, if_true)
    difference = (operands.positions.index(place), 1.0)
    stack = Stack(operands.sources, [difference, *branches], operands.shape)
    return Conversion(
        (stack, Select(operands.shape)), operands.positions, operands.batched, takes_truth=True
    )


@converts("Where", since=9)
def convert_where(node: NodeView) -> Conversion:
    """By a constant mask or by a comparison; at most one branch constant."""
    if isinstance(node.operand(0), Computed):
        return _select(node)
    operands = broadcast_operands(node)
    mask = operands.constant(node.constant(0, "condition").value) != 0
    shares = (mask.astype(np.float64), (~mask).astype(np.float64))
    weights: list[Float64] = []
    constant: Float64 | None = None
    for place, share in enumerate(shares, start=1):
        operand = node.operand(place)
        if isinstance(operand, Constant):
            constant = share * operands.constant(operand.weight)
        else:
            weights.append(share)
    return operands.convert(WeightedSum(operands.sources, weights, constant))
