"""Comparisons, and the selections by their truth values: Where, and factors of Mul."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from onnx_lippa.errors import Unsupported
from onnx_lippa.ir.layers.concat import Part, Stack
from onnx_lippa.ir.layers.elementwise import WeightedSum
from onnx_lippa.ir.layers.select import Select
from onnx_lippa.onnx_io.frame import Broadcast, broadcast_operands
from onnx_lippa.onnx_io.node import Computed, Conversion, NodeView
from onnx_lippa.onnx_io.operators.registry import converts

_COMPARISONS: Final = {
    "Greater": (-1.0, False),
    "GreaterOrEqual": (1.0, True),
    "Less": (1.0, False),
    "LessOrEqual": (-1.0, True),
}
"""The sign of ``d = sign * (x - y)``, and whether it is true where ``d >= 0`` or ``d < 0``."""


@converts("Greater", since=7)
@converts("GreaterOrEqual", since=12)
@converts("Less", since=7)
@converts("LessOrEqual", since=12)
def convert_comparison(node: NodeView) -> Conversion:
    """At most one of the two tensors constant, as the condition of a Where."""
    operands = broadcast_operands(node)
    sign, holds = _COMPARISONS[node.op]
    weights = [sign, -sign]
    constants = [weights[place] * value for place, value in operands.constants.items()]
    weights = [weights[place] for place in operands.positions]
    if weights == [1.0] and not np.any(constants) and operands.sources[0] == operands.shape:
        return replace(operands.convert(), holds=holds)  # x itself is the difference
    constant = constants[0] if constants else None
    difference = WeightedSum(operands.sources, weights, constant)
    return replace(operands.convert(difference), holds=holds)


@converts("Not")
def convert_not(node: NodeView) -> Conversion:
    """The negation of a comparison, as the condition of a Where."""
    holds = node.computed().holds
    if holds is None:
        raise Unsupported("its input is not the truth of a comparison")
    return Conversion((), holds=not holds, takes_truth=True)


def multiply_by_truth(node: NodeView) -> Conversion | None:
    """A tensor times a truth value cast to a number; None for other products."""
    if len(node.only_computed()) < 2:
        return None
    for place in (0, 1):
        condition, other = node.computed(place), node.computed(1 - place)
        if condition.holds is not None and other.holds is None:
            operands = broadcast_operands(node)
            return _select_by_sign(operands, condition, (1 - place, 1.0), np.array(0.0), place)
    return None


def _part(node: NodeView, operands: Broadcast, place: int) -> Part:
    if place in operands.constants:
        return operands.constants[place]
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
    operands = broadcast_operands(node)
    if 0 in operands.positions:
        if_true, if_false = _part(node, operands, 1), _part(node, operands, 2)
        return _select_by_sign(operands, node.computed(0), if_true, if_false)
    mask = operands.constants[0] != 0
    shares = {1: mask.astype(np.float64), 2: (~mask).astype(np.float64)}
    weights = [shares[place] for place in operands.positions]
    constants = [shares[place] * value for place, value in operands.constants.items() if place]
    constant = constants[0] if constants else None
    return operands.convert(WeightedSum(operands.sources, weights, constant))
