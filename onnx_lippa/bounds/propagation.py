"""Several input sets at once: the box around each, and least values of linear functions over it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, final

import numpy as np

from onnx_lippa.arrays import Float64, Floats
from onnx_lippa.bounds.interval import Interval, IntervalAlgebra, bound_output
from onnx_lippa.bounds.rounding import EPSILON, OUTWARD, TINY
from onnx_lippa.clock import NEVER, require_time
from onnx_lippa.ir.layers import AffineLayer, PiecewiseLayer
from onnx_lippa.ir.network import Network, Step
from onnx_lippa.spec import StatedSet

_UNDERFLOW: Final = 1e-150
"""A distance whose squares underflow is smaller, and so is a dual norm."""


@final
@dataclass(frozen=True)
class InputSets:
    """The sets, and the box of each: where a feature of it may be by itself, rounded outward.

    For ℓ∞, scaled or not, a set is its box and least values are exact. For other norms a least
    value is the better of two valid bounds: over the box alone, and over the ball alone (the dual
    norm).

    Attributes:
        sets: the n sets.
        lower: (n, d) lower ends of the boxes.
        upper: (n, d) upper ends.
    """

    sets: tuple[StatedSet, ...]
    lower: Float64
    upper: Float64

    @classmethod
    def of(cls, sets: Sequence[StatedSet]) -> InputSets:
        """From sets with a finite radius; those without one have infinite bounds."""
        center = np.array([one.center for one in sets])
        reach = np.array([one.radii for one in sets]) * OUTWARD
        moves = reach > 0
        low = np.where(moves, np.nextafter(center - reach, -np.inf), center)
        high = np.where(moves, np.nextafter(center + reach, np.inf), center)
        lower = np.maximum(low, np.array([one.lower for one in sets]))
        return cls(tuple(sets), lower, np.minimum(high, np.array([one.upper for one in sets])))

    @property
    def count(self) -> int:
        """Number n of sets."""
        return len(self.sets)

    @property
    def are_boxes(self) -> bool:
        """Whether every set is its box."""
        return all(one.norm.order == np.inf for one in self.sets)

    def interval(self, shape: tuple[int, ...]) -> Interval:
        """The boxes as bounds of inputs of this sample shape."""
        return Interval(self.lower.reshape(-1, *shape), self.upper.reshape(-1, *shape))

    @cached_property
    def _columns(self) -> Float64:
        """The boxes as :func:`box_columns` gives them."""
        return box_columns(self.lower, self.upper)

    def least(self, row: int, rows: Float64) -> Float64:
        """Lower bounds (r,) of ``rows @ x`` over one of the sets, rounded down; rows (r, d)."""
        sizes = np.abs(rows)
        value = least_over_box(rows, sizes, self._columns[row])
        one = self.sets[row]
        if one.norm.order == np.inf:
            return value
        share = (rows.shape[1] + 8) * EPSILON
        radius = one.eps * OUTWARD + _UNDERFLOW
        drop = radius * one.norm.dual(rows)
        over_ball = rows @ one.center - drop
        over_ball = over_ball - share * (sizes @ np.abs(one.center) + drop)
        over_ball = over_ball - _UNDERFLOW * rows.shape[1] * (
            1 + radius * one.norm.unit_radii(one.size).max()
        )
        return np.fmax(value, over_ball)


def box_columns(lower: Floats, upper: Floats) -> Float64:
    """Middle, radius and largest size of boxes (n, d), as columns (n, d, 3)."""
    middle = lower / 2 + upper / 2
    radius = np.maximum(upper - middle, middle - lower)
    return np.stack([middle, radius, np.abs(middle) + radius], axis=2)


def least_over_box(rows: Float64, sizes: Float64, columns: Float64) -> Float64:
    """Least values (r,) of ``rows @ x`` over one box, rounded down.

    Args:
        rows: (r, d) coefficients.
        sizes: (r, d) their sizes.
        columns: (d, 3) the box, as :func:`box_columns` gives it.
    """
    share = (rows.shape[1] + 8) * EPSILON
    reached = sizes @ columns[:, 1:]
    least: Float64 = rows @ columns[:, 0] - reached[:, 0] - (share * reached[:, 1] + TINY)
    return least


_ALGEBRA: Final = IntervalAlgebra()


@final
class IntervalPropagation:
    """Bounds of the values of a network for several input sets, from the first to the last.

    The sizes of an affine value are |A| |x| + |c| for the values x that it is affine in: what the
    terms of any linear function of it sum up to, which rounding is relative to.

    Args:
        network: the network.
        sets: the n input sets.
        deadline: ``time.monotonic()`` from which on no step is taken.
    """

    def __init__(self, network: Network, sets: InputSets, deadline: float = NEVER) -> None:
        self.network, self.sets, self._deadline = network, sets, deadline
        first = sets.interval(network.input_shape)
        self._values: dict[int, Interval] = {0: first}
        self._sizes: dict[int, Float64] = {0: first.size}
        self._last_use = {i: place for place, step in enumerate(network.steps) for i in step.inputs}

    def operand(self, step: Step) -> Interval:
        """Bounds of what a piecewise step takes."""
        return self._values[step.inputs[0]].known()

    def value(self, index: int) -> Interval:
        """Bounds of a value that is still needed."""
        return self._values[index]

    def sizes(self, index: int) -> Float64:
        """Sizes (n, units) of a value that is still needed."""
        return self._sizes[index].reshape(self.sets.count, -1)

    def pass_affine(self, place: int) -> None:
        """Takes an affine step.

        Raises:
            OutOfTimeError: the deadline has passed.
        """
        require_time(self._deadline)
        step = self.network.steps[place]
        if not isinstance(step.layer, AffineLayer):
            raise TypeError(f"{type(step.layer).__name__} is not affine")
        operands = [self._values[i] for i in step.inputs]
        around = [Interval(-self._sizes[i], self._sizes[i]) for i in step.inputs]
        self._values[place + 1] = step.layer.forward(_ALGEBRA, *operands)
        self._sizes[place + 1] = step.layer.forward(_ALGEBRA, *around).size
        self._forget(place)

    def pass_piecewise(self, place: int, x: Interval) -> None:
        """Takes a piecewise step, with these bounds of its operand.

        Raises:
            OutOfTimeError: the deadline has passed.
        """
        require_time(self._deadline)
        step = self.network.steps[place]
        if not isinstance(step.layer, PiecewiseLayer):
            raise TypeError(f"{type(step.layer).__name__} is not piecewise linear")
        z = bound_output(step.layer, x)
        self._values[place + 1], self._sizes[place + 1] = z, z.size
        self._forget(place)

    def _forget(self, place: int) -> None:
        for index in set(self.network.steps[place].inputs):
            if self._last_use[index] == place:
                del self._values[index], self._sizes[index]
