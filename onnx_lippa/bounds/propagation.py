"""Interval propagation through a network, for several input sets at once.

The box around each input set is propagated layer by layer. Least values of linear functions over
an input set, which back-substitution (``crown.py``) ends in, are given here too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, final

import numpy as np

from onnx_lippa.arrays import Float64, Floats
from onnx_lippa.bounds.interval import Interval, IntervalAlgebra, bound_output
from onnx_lippa.bounds.proven import EPSILON, OUTWARD, TINY
from onnx_lippa.clock import NEVER, require_time
from onnx_lippa.ir.layers import AffineLayer, PiecewiseLayer
from onnx_lippa.ir.network import Network
from onnx_lippa.ir.passes import Step
from onnx_lippa.spec import StatedSet

_UNDERFLOW: Final = 1e-150
"""Distances and dual norms whose squares underflow are smaller."""


@final
@dataclass(frozen=True)
class InputSets:
    """Several input sets, each with its bounding box, rounded outward.

    For ℓ∞, weighted or not, a set is its box and least values are exact. For other norms a least
    value is the larger of two valid bounds: that over the box, and that over the ball, by the dual
    norm.

    Attributes:
        sets: the n sets.
        lower: (n, d) lower bounds of the boxes.
        upper: (n, d) upper bounds.
    """

    sets: tuple[StatedSet, ...]
    lower: Float64
    upper: Float64

    @classmethod
    def of(cls, sets: Sequence[StatedSet]) -> InputSets:
        """From sets; those of infinite radius have infinite bounds."""
        center = np.array([one.center for one in sets])
        radii = np.array([one.radii for one in sets]) * OUTWARD
        moves = radii > 0
        low = np.where(moves, np.nextafter(center - radii, -np.inf), center)
        high = np.where(moves, np.nextafter(center + radii, np.inf), center)
        lower = np.maximum(low, np.array([one.lower for one in sets]))
        return cls(tuple(sets), lower, np.minimum(high, np.array([one.upper for one in sets])))

    @property
    def count(self) -> int:
        """Number n of sets."""
        return len(self.sets)

    @property
    def are_boxes(self) -> bool:
        """Whether every set equals its box."""
        return all(one.norm.order == np.inf for one in self.sets)

    def interval(self, shape: tuple[int, ...]) -> Interval:
        """The boxes as bounds of inputs of this sample shape."""
        return Interval(self.lower.reshape(-1, *shape), self.upper.reshape(-1, *shape))

    @cached_property
    def _columns(self) -> Float64:
        """The boxes as :func:`box_columns` gives them."""
        return box_columns(self.lower, self.upper)

    def least(self, row: int, rows: Float64) -> Float64:
        """Lower bounds (r,) of ``rows @ x`` over one of the sets; rows (r, d)."""
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
    """Middle, radius and largest absolute value of boxes (n, d), as columns (n, d, 3)."""
    middle = lower / 2 + upper / 2
    radius = np.maximum(upper - middle, middle - lower)
    return np.stack([middle, radius, np.abs(middle) + radius], axis=2)


def least_over_box(rows: Float64, sizes: Float64, columns: Float64) -> Float64:
    """Lower bounds (r,) of ``rows @ x`` over one box.

    Args:
        rows: (r, d) coefficients.
        sizes: (r, d) their absolute values.
        columns: (d, 3) the box, as :func:`box_columns` gives it.
    """
    share = (rows.shape[1] + 8) * EPSILON
    spread = sizes @ columns[:, 1:]
    least: Float64 = rows @ columns[:, 0] - spread[:, 0] - (share * spread[:, 1] + TINY)
    return least


_ALGEBRA: Final = IntervalAlgebra()


@final
class IntervalPropagation:
    """Intervals of the values of a network over several input sets, one step after another.

    Beside each value v its size is propagated: ``|A| |x| + |c|`` where v = A x + c. No linear
    function of v has terms whose absolute values sum to more than its coefficients times the size,
    which rounding is relative to.

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
        """Bounds of the operand of a piecewise-linear step."""
        return self._values[step.inputs[0]].bounded()

    def sizes(self, index: int) -> Float64:
        """Sizes (n, units) of a value with steps to come that take it."""
        return self._sizes[index].reshape(self.sets.count, -1)

    def propagate_affine(self, place: int) -> None:
        """Propagates through an affine step.

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

    def propagate_piecewise(self, place: int, x: Interval) -> None:
        """Propagates through a piecewise-linear step, given bounds of its operand.

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
