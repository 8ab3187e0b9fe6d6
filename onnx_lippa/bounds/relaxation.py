"""Linear relaxations of piecewise-linear layers: linear functions below and above, between bounds.

- A kink is convex or concave, whatever its slopes. The chord bounds it on one side, and on the
  other any line through the kink whose slope lies between the two: ``below + α (above - below)``
  for α in [0, 1]. The default is the piece that spans more, for the smaller area (DeepPoly: Singh
  et al., POPL 2019).
- A maximum is at least each of its entries; that with the largest midpoint is taken. With B the
  second largest upper bound, it is at most ``max(x_i, B)`` for the entry i with the largest, which
  is a kink again (MaxLin: Xiao et al., 2024). Where one entry dominates, both lines are that entry.
- A select whose condition is stable is one of its branches.
- Any other layer lies between constants, the bounds of its output.

Intercepts are rounded outward, so the relaxation is sound in real arithmetic for the slopes as they
are stored.
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
    evaluate_kink,
    round_kink,
)
from onnx_lippa.bounds.proven import EPSILON, TINY
from onnx_lippa.ir.layers import PiecewiseLayer
from onnx_lippa.ir.layers.activation import Activation
from onnx_lippa.ir.layers.reduce_max import ReduceMax
from onnx_lippa.ir.layers.select import Select

_ROOM: Final = 16 * EPSILON
"""Rounding of an intercept, relative to the absolute values of its terms."""


@final
@dataclass(frozen=True)
class LinearRelaxation:
    """``Σ_j lower_slope_j x_j + lower_intercept <= z <= Σ_j upper_slope_j x_j + upper_intercept``.

    The sum runs over an axis of the input that the output lacks, or over one entry, that of the
    unit itself.

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
        """Lower and upper intercepts beside their absolute values, (n, units, 2) each."""
        lower, upper = (
            np.stack([flat, np.abs(flat)], axis=2)
            for flat in (
                self.lower_intercept.reshape(len(self.lower_intercept), -1),
                self.upper_intercept.reshape(len(self.upper_intercept), -1),
            )
        )
        return lower, upper

    def substitute(self, row: int, a: Float64) -> tuple[Float64 | None, Float64]:
        """Bounds ``a @ z`` from below: the lower line where a is positive, the upper one elsewhere.

        Args:
            row: which of the n rows the coefficients belong to.
            a: (rows, *shape) coefficients of z.

        Returns:
            The coefficients of x (rows, *source), None for 0, and (rows, 2) the constants beside
            the sums of the absolute values of their terms.
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
    """The relaxation of a layer for bounds (n, *source) of its input.

    Args:
        layer: the layer.
        x: the bounds.
        alpha: (n, *shape) in [0, 1], the free slope of each kink; None for the default.
    """
    if isinstance(layer, Activation):
        return _relax_kink(layer, x, alpha)
    if isinstance(layer, ReduceMax):
        return _relax_maximum(layer, x)
    if isinstance(layer, Select):
        return _relax_select(layer, x)
    return relax_to_constants(layer, x)


def relax_to_constants(layer: PiecewiseLayer, x: Interval) -> LinearRelaxation:
    """The constant relaxation: bounds (n, *shape) of the output."""
    z = bound_output(layer, x)
    return LinearRelaxation(None, z.lower, None, z.upper)


def _relax_kink(layer: Activation, x: Interval, alpha: Float64 | None) -> LinearRelaxation:
    l, u = x.lower, x.upper  # noqa: E741  # the letters of the formulas
    kink, below, above = layer.kink, layer.below, layer.above
    active, inactive = l >= kink, u <= kink
    decided = active | inactive
    if alpha is None:
        alpha = np.asarray(u - kink >= kink - l)
    between = np.clip(below + alpha * (above - below), *_ordered(below, above))
    free = np.where(active, above, np.where(inactive, below, between))
    free_intercept = kink - free * kink
    at_l = evaluate_kink(layer, l)
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        width = u - l
        slope = (evaluate_kink(layer, u) - at_l) / np.where(width > 0, width, 1.0)
        # NaN where the width is infinite, so that no bound is derived from it.
        chord = np.where(decided, free, np.where(np.isfinite(width), slope, np.nan))
        chord_intercept = np.where(decided, free_intercept, at_l - chord * l)
    steepest = np.maximum(np.abs(below), np.abs(above))
    at_kink = _ROOM * (np.abs(kink) + steepest * np.abs(kink))
    # Products with a kink at 0 are exact.
    at_kink = at_kink + np.where(np.any(kink), TINY, 0.0)
    at_ends = at_kink + np.where(decided, 0.0, _ROOM * steepest * x.size + TINY)
    at_ends = at_ends + round_kink(layer, x.size)
    convex = np.asarray(above >= below)
    free_below, free_above = free_intercept - at_kink, free_intercept + at_kink
    return LinearRelaxation(
        np.where(convex, free, chord),
        np.where(convex, free_below, chord_intercept - at_ends),
        np.where(convex, chord, free),
        np.where(convex, chord_intercept + at_ends, free_above),
    )


def _relax_maximum(layer: ReduceMax, x: Interval) -> LinearRelaxation:
    l, u = x.lower, x.upper  # noqa: E741
    along = layer.axis + 1
    positions = np.arange(layer.entries).reshape(-1, *(1,) * (l.ndim - along - 1))
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        middle = np.nan_to_num(l / 2 + u / 2, nan=-np.inf)
        chosen = positions == middle.argmax(axis=along, keepdims=True)
        top = positions == u.argmax(axis=along, keepdims=True)
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


def _relax_select(layer: Select, x: Interval) -> LinearRelaxation:
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
    """Elementwise minimum and maximum."""
    return np.minimum(left, right), np.maximum(left, right)
