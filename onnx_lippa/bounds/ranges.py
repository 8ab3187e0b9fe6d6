"""What a piecewise-linear layer can give where its input lies between bounds, and what is open.

A maximum and a switch are exact in the interval algebra, and any other layer is sound there. A
kink is not exact: its input occurs twice, in the choice and in what is chosen.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from onnx_lippa.arrays import AnyArray, Float64
from onnx_lippa.bounds.interval import Interval, IntervalAlgebra
from onnx_lippa.bounds.rounding import EPSILON, TINY
from onnx_lippa.ir.layers import PiecewiseLayer
from onnx_lippa.ir.layers.activation import Activation
from onnx_lippa.ir.layers.reduce_max import ReduceMax
from onnx_lippa.ir.layers.select import Select

_ALGEBRA: Final = IntervalAlgebra()
_OPERATIONS: Final = 4.0
"""Operations in which a kink's function is evaluated, with room."""


def range_of(layer: PiecewiseLayer, x: Interval) -> Interval:
    """Bounds (n, *shape) of the output for bounds (n, *source) of the input."""
    if isinstance(layer, Activation):
        return _kinked(layer, x).known()
    return layer.forward(_ALGEBRA, x).known()


def states_within(layer: PiecewiseLayer, x: Interval) -> Interval:
    """The least and the largest state of every unit; equal where its piece is decided."""
    return layer.state(_ALGEBRA, x)


def undecided(layer: PiecewiseLayer, x: Interval) -> AnyArray:
    """Which entries (n, *source) of the input have bounds that leave the piece open.

    For a maximum these are the entries that may be the largest, where there are several; for a
    switch its condition, and both branches with it.
    """
    states = states_within(layer, x)
    open_ = np.asarray(states.lower != states.upper)
    if isinstance(layer, Activation):
        return np.asarray(open_ & (layer.below != layer.above))
    if isinstance(layer, ReduceMax):
        along = layer.axis + 1
        least = x.lower.max(axis=along, keepdims=True)
        return np.asarray((x.upper >= least) & np.expand_dims(open_, along))
    if isinstance(layer, Select):
        return np.repeat(open_[:, None], 3, axis=1)
    return np.ones(x.lower.shape, bool)


def kinked_at(layer: Activation, x: AnyArray) -> Float64:
    """The function at points (n, *shape), but for the rounding of :func:`kinked_rounding`."""
    if _is_relu(layer):
        return np.maximum(x, 0.0)
    slope = np.where(x >= layer.kink, layer.above, layer.below)
    return layer.value + slope * (x - layer.kink)


def kinked_rounding(layer: Activation, reach: AnyArray) -> Float64:
    """How much rounding may change the function at points no larger than ``reach``."""
    if _is_exact(layer):
        return np.zeros(1)
    steepest = np.maximum(np.abs(layer.below), np.abs(layer.above))
    sizes = np.abs(layer.value) + steepest * (np.abs(layer.kink) + reach)
    return _OPERATIONS * EPSILON * sizes + TINY


def _kinked(layer: Activation, x: Interval) -> Interval:
    """The ends, and the kink where it lies between them."""
    ends = x.mapped(lambda bound: kinked_at(layer, bound))
    z = Interval(ends.lower, ends.lower).hull(Interval(ends.upper, ends.upper))
    inside = (x.lower < layer.kink) & (x.upper > layer.kink)
    at_kink = np.where(inside, layer.value, ends.lower)
    z = z.hull(Interval(at_kink, at_kink))
    return z if _is_exact(layer) else z.widened(kinked_rounding(layer, x.size))


def _is_exact(layer: Activation) -> bool:
    """Whether the function is 0, x or -x on its pieces, so that nothing is rounded."""
    if np.any(layer.kink) or np.any(layer.value):
        return False
    return all(
        bool(np.all((slope == 0.0) | (np.abs(slope) == 1.0)))
        for slope in (layer.below, layer.above)
    )


def _is_relu(layer: Activation) -> bool:
    """Whether it is ``max(x, 0)``."""
    return _is_exact(layer) and not np.any(layer.below) and bool(np.all(layer.above == 1.0))
