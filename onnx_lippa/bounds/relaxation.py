"""Linear lines below and above each kind of piecewise-linear layer, valid between bounds.

- A kink is convex or concave, whatever its slopes. The chord through both ends bounds it on one
  side, and any line through the kink with a slope between the two on the other; which of them is
  free (α in [0, 1], 0 the slope below and 1 the one above). By default it is the one of the two
  pieces that spans more, which leaves the smaller area (DeepPoly: Singh et al., POPL 2019).
- A maximum is above each of its entries; the one with the largest middle is taken. With B the
  second largest upper bound, ``z <= max(x_i, B)`` for the entry i with the largest, and that is a
  kink again (MaxLin: Xiao et al., 2024). Where one entry is above all others both lines are it.
- A switch is the branch that its condition names, where that is decided.
- Anything else lies between constants, the bounds of its output.

Offsets are rounded outward, so a line is on its side in real arithmetic, with the slopes that it
is stored with.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final, final

import numpy as np

from onnx_lippa.arrays import AnyArray, Float64
from onnx_lippa.bounds.interval import (
    Interval,
    bound_output,
    bound_states,
    kinked_at,
    kinked_rounding,
)
from onnx_lippa.bounds.rounding import EPSILON, TINY
from onnx_lippa.ir.layers import PiecewiseLayer
from onnx_lippa.ir.layers.activation import Activation
from onnx_lippa.ir.layers.reduce_max import ReduceMax
from onnx_lippa.ir.layers.select import Select

_ROOM: Final = 16 * EPSILON
"""Rounding of a line's offset, relative to the sizes it is made of."""


@final
@dataclass(frozen=True)
class LinearRelaxation:
    """``sum_j lower_slope_j x_j + lower_offset <= z <= sum_j upper_slope_j x_j + upper_offset``.

    The sum runs over an axis of the input that the output does not have, or over the one entry
    in the same place.

    Attributes:
        lower_slope: (n, *source), or None for 0.
        lower_offset: (n, *shape).
        upper_slope: (n, *source), or None for 0.
        upper_offset: (n, *shape).
        axis: the axis of a sample that is summed over, or None.
    """

    lower_slope: Float64 | None
    lower_intercept: Float64
    upper_slope: Float64 | None
    upper_intercept: Float64
    axis: int | None = None

    @cached_property
    def columns(self) -> tuple[Float64, Float64]:
        """Lower and upper offsets with their sizes beside them, (n, units, 2) each."""
        lower, upper = (
            np.stack([flat, np.abs(flat)], axis=2)
            for flat in (
                self.lower_intercept.reshape(len(self.lower_intercept), -1),
                self.upper_intercept.reshape(len(self.upper_intercept), -1),
            )
        )
        return lower, upper

    def substitute(self, row: int, a: Float64) -> tuple[Float64 | None, Float64]:
        """Least values of ``a @ z`` as linear functions of x: the lines that a's signs choose.

        Args:
            row: which of the n rows the coefficients belong to.
            a: (rows, *shape) coefficients of z.

        Returns:
            The coefficients of x (rows, *source), None for none, and (rows, 2) the constants
            with the sum of the sizes of their terms.
        """
        above = np.maximum(a, 0.0)
        below = a - above
        lower, upper = self.columns
        constants = above.reshape(len(a), -1) @ lower[row]
        beneath = below.reshape(len(a), -1) @ upper[row]
        constants[:, 0] += beneath[:, 0]
        constants[:, 1] -= beneath[:, 1]
        if self.lower_slope is None or self.upper_slope is None:
            return None, constants
        if self.axis is not None:
            above, below = (np.expand_dims(part, self.axis + 1) for part in (above, below))
            return above * self.lower_slope[row] + below * self.upper_slope[row], constants
        above *= self.lower_slope[row]
        below *= self.upper_slope[row]
        above += below
        return above, constants


def relax(layer: PiecewiseLayer, x: Interval, alpha: Float64 | None = None) -> LinearRelaxation:
    """Lines of a layer for bounds (n, *source) of its input.

    Args:
        layer: the layer.
        x: the bounds.
        alpha: (n, *shape) in [0, 1], where the free line of a kink lies between its two slopes;
            None for the adaptive choice. Other kinds have no free line.
    """
    if isinstance(layer, Activation):
        return _kinked(layer, x, alpha)
    if isinstance(layer, ReduceMax):
        return _largest(layer, x)
    if isinstance(layer, Select):
        return _switched(layer, x)
    return relax_to_constants(layer, x)


def relax_to_constants(layer: PiecewiseLayer, x: Interval) -> LinearRelaxation:
    """The bounds (n, *shape) of a layer's output as lines."""
    z = bound_output(layer, x)
    return LinearRelaxation(None, z.lower, None, z.upper)


def _kinked(layer: Activation, x: Interval, alpha: Float64 | None) -> LinearRelaxation:
    l, u = x.lower, x.upper  # noqa: E741  # the letters of the formulas
    kink, value, below, above = layer.kink, layer.value, layer.below, layer.above
    active, inactive = l >= kink, u <= kink
    decided = active | inactive
    if alpha is None:
        alpha = np.asarray(u - kink >= kink - l)
    between = np.clip(below + alpha * (above - below), *_ordered(below, above))
    free = np.where(active, above, np.where(inactive, below, between))
    free_offset = value - free * kink
    at_l = kinked_at(layer, l)
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        width = u - l
        slope = (kinked_at(layer, u) - at_l) / np.where(width > 0, width, 1.0)
        # An infinite width gives no line: not a number, which no bound survives.
        chord = np.where(decided, free, np.where(np.isfinite(width), slope, np.nan))
        chord_offset = np.where(decided, free_offset, at_l - chord * l)
    steepest = np.maximum(np.abs(below), np.abs(above))
    at_kink = _ROOM * (np.abs(value) + steepest * np.abs(kink))
    # Products with a kink at 0 lose nothing, whatever their size.
    at_kink = at_kink + np.where(np.any(kink) | np.any(value), TINY, 0.0)
    at_ends = at_kink + np.where(decided, 0.0, _ROOM * steepest * x.size + TINY)
    at_ends = at_ends + kinked_rounding(layer, x.size)
    convex = np.asarray(above >= below)
    free_below, free_above = free_offset - at_kink, free_offset + at_kink
    return LinearRelaxation(
        np.where(convex, free, chord),
        np.where(convex, free_below, chord_offset - at_ends),
        np.where(convex, chord, free),
        np.where(convex, chord_offset + at_ends, free_above),
    )


def _largest(layer: ReduceMax, x: Interval) -> LinearRelaxation:
    l, u = x.lower, x.upper  # noqa: E741
    along = layer.axis + 1
    places = np.arange(layer.entries).reshape(-1, *(1,) * (l.ndim - along - 1))
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        middle = np.nan_to_num(l / 2 + u / 2, nan=-np.inf)
        chosen = places == middle.argmax(axis=along, keepdims=True)
        top = places == u.argmax(axis=along, keepdims=True)
        second = np.where(top, -np.inf, u).max(axis=along)
        base = np.maximum(second, l.max(axis=along))
        top_l, top_u = np.where(top, l, -np.inf).max(axis=along), u.max(axis=along)
        width = top_u - top_l
        slope = (top_u - base) / np.where(width > 0, width, 1.0)
        slope = np.where(np.isfinite(width), slope, np.nan)
        offset = base - slope * top_l
        offset = offset + _ROOM * (np.abs(base) + np.abs(top_l) + np.abs(top_u)) + TINY
    states = bound_states(layer, x)
    decided = states.lower == states.upper
    slope, offset = np.where(decided, 1.0, slope), np.where(decided, 0.0, offset)
    upper_slope = np.where(top, np.expand_dims(slope, along), 0.0)
    return LinearRelaxation(
        chosen.astype(np.float64), np.zeros(offset.shape), upper_slope, offset, layer.axis
    )


def _switched(layer: Select, x: Interval) -> LinearRelaxation:
    states, z = bound_states(layer, x), bound_output(layer, x)
    surely, possibly = states.lower, states.upper
    open_ = possibly & ~surely
    branches = np.stack([np.zeros(surely.shape), surely, ~possibly], axis=1)
    return LinearRelaxation(
        branches,
        np.where(open_, z.lower, 0.0),
        branches,
        np.where(open_, z.upper, 0.0),
        axis=0,
    )


def _ordered(left: AnyArray, right: AnyArray) -> tuple[AnyArray, AnyArray]:
    """The smaller and the larger of two."""
    return np.minimum(left, right), np.maximum(left, right)
