"""The least value of linear functions over the inputs allowed, many functions at once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, final

import numpy as np
import scipy.sparse as sp

from onnx_lippa.arrays import Float64, Floats, Integers
from onnx_lippa.bounds.rounding import EPSILON, OUTWARD, UNDERFLOW
from onnx_lippa.lp.program import Rows
from onnx_lippa.spec import InputSet, Norm, StatedSet

_ROUNDS: Final = 60
"""Bound on the rounds in which the multiplier of an ℓ2 ball is found; a handful as a rule."""


@dataclass(frozen=True)
class Ball:
    """A ball that is no box.

    Attributes:
        norm: its norm, over all features.
        center: (all features,) its centre.
        eps: its radius.
    """

    norm: Norm
    center: Float64
    eps: float


@dataclass(frozen=True)
class _Room:
    """A ball in the coordinates e of a box: ``e = start + step δ`` with ``||δ|| <= eps``.

    Attributes:
        start: (d,) the ball's centre.
        step: (d,) what a displacement of 1 in the ball's norm is in e.
        below: (d,) how far δ may go down within the box.
        above: (d,) how far it may go up.
    """

    start: Floats
    step: Floats
    below: Floats
    above: Floats

    def astype(self, dtype: np.dtype[np.floating]) -> _Room:
        return _Room(*(part.astype(dtype) for part in vars(self).values()))


@final
@dataclass(frozen=True)
class Variables:
    """The inputs of a program: ``x = offset + matrix @ p`` for variables p.

    Attributes:
        offset: (d,).
        matrix: sparse (d, variables).
        lower: (variables,) lower bounds.
        upper: (variables,) upper bounds.
        constraints: rows over the variables.
        radius: of the ball around 0 that the first variables lie in; None where rows say all.
        round: number of these variables.
    """

    offset: Float64
    matrix: sp.csr_array
    lower: Float64
    upper: Float64
    constraints: Rows
    radius: float | None = None
    round: int = 0

    @property
    def count(self) -> int:
        """Number of variables."""
        return int(self.lower.size)

    def rows(self, on_x: Float64) -> Float64:
        """Linear functions (n, d) of x as functions (n, variables) of p, but for constants."""
        return np.asarray(on_x @ self.matrix)

    def at(self, p: Float64) -> Float64:
        """The x (d,) of variables p."""
        return np.asarray(self.offset + self.matrix @ p)


@final
@dataclass(frozen=True)
class InputDomain:
    """Ball and box of an input set, in the features that vary.

    For ℓ∞, scaled or not, the two are one box. For ℓ1 and ℓ2 least values are those over the
    intersection of both, by duality: for any λ >= 0

        r·e >= min over the box of  r·e + λ (||δ||_1 - eps)              (ℓ1)
        r·e >= min over the box of  r·e + λ/2 (||δ||_2² - eps²)          (ℓ2)

    wherever ``||δ|| <= eps``. The minimum over the box is a closed form, feature by feature, and
    at the best λ the bound is the least value itself.

    Attributes:
        base: (all features,) the clean input, from which features that do not vary are taken.
        free: the features that vary.
        lower: (d,) lower bounds of these, and of further features that are none of the input.
        upper: (d,) their upper bounds.
        ball: the ball, where the norm is not ℓ∞.
    """

    base: Float64
    free: Integers
    lower: Float64
    upper: Float64
    ball: Ball | None = None

    @classmethod
    def of(cls, inputs: StatedSet) -> InputDomain:
        """The domain of a set with bounds on all sides."""
        # A centre plus a radius that was rounded down would miss the ball's end: outward.
        far = inputs.radii * OUTWARD
        lower = np.maximum(np.nextafter(inputs.center - far, -np.inf), inputs.lower)
        upper = np.minimum(np.nextafter(inputs.center + far, np.inf), inputs.upper)
        free = np.flatnonzero((inputs.lower < inputs.upper) & (inputs.radii > 0))
        ball = None
        if inputs.norm.order != np.inf:
            ball = Ball(inputs.norm, inputs.center, inputs.eps * OUTWARD)
        return cls(inputs.center, free, lower[free], upper[free], ball)

    @classmethod
    def for_search(cls, inputs: InputSet) -> InputDomain:
        """The domain of what is searched: what is bounded over it guides and proves nothing."""
        return cls.of(StatedSet(inputs.center, inputs.norm, inputs.eps, inputs.lower, inputs.upper))

    @property
    def middle(self) -> Float64:
        """(d,) the centre of the box."""
        return self.lower / 2 + self.upper / 2

    @property
    def radius(self) -> Float64:
        """(d,) how far the box reaches from its middle, rounded up."""
        middle = self.middle
        return np.maximum(self.upper - middle, middle - self.lower) * OUTWARD

    def with_features(self, lower: Float64, upper: Float64) -> InputDomain:
        """The same with further features between these bounds."""
        lower = np.concatenate([self.lower, lower])
        return replace(self, lower=lower, upper=np.concatenate([self.upper, upper]))

    def only(self, features: Integers) -> InputDomain:
        """Some features of a box, to bound functions of these alone."""
        free = self.free[features[features < self.free.size]]
        return replace(self, free=free, lower=self.lower[features], upper=self.upper[features])

    def variables(self) -> Variables:
        """Ball and box for a program: linear rows where the norm has them, else a round ball."""
        d, count = self.lower.size, self.free.size
        if self.ball is None or count == 0:
            identity = sp.csr_array(sp.eye_array(d))
            return Variables(np.zeros(d), identity, self.lower, self.upper, Rows.none(d))
        low, high = self.base.copy(), self.base.copy()
        low[self.free], high[self.free] = self.lower[:count], self.upper[:count]
        whole = self.ball.norm.ball(self.ball.center, self.ball.eps, low, high)
        own = sp.csr_array(whole.matrix[self.free])
        # Those of features that do not vary have no part in anything.
        used = np.flatnonzero(abs(own).sum(axis=0))
        further = sp.eye_array(d - count)
        none = sp.csr_array((whole.rows.shape[0], d - count))
        return Variables(
            np.concatenate([whole.offset[self.free], np.zeros(d - count)]),
            sp.csr_array(sp.block_diag([own[:, used], further], format="csr")),
            np.concatenate([whole.lower[used], self.lower[count:]]),
            np.concatenate([whole.upper[used], self.upper[count:]]),
            Rows(
                sp.csr_array(sp.hstack([whole.rows[:, used], none], format="csr")),
                whole.row_lower,
                whole.row_upper,
            ),
            whole.radius,
            used.size,
        )

    def at(self, points: Floats) -> Float64:
        """The x (n, d) of points e (n, d), inside the box in spite of rounding."""
        x = self.middle + self.radius * points.astype(np.float64)
        return np.clip(x, self.lower, self.upper)

    def least(self, rows: Floats) -> Float64:
        """Proven lower bounds (n,) of ``rows @ e`` for ``x = middle + radius e``; rows (n, d).

        The rows are taken as they are, whatever their type; what follows is rounded down.
        """
        if self.ball is None or self.free.size == 0:
            value = -np.abs(rows).sum(axis=1, dtype=np.float64)
        else:
            value = self._optima(rows.astype(np.float64), self.ball)[0]
        return value - _slack(rows) - UNDERFLOW

    def minimisers(self, rows: Floats) -> Floats:
        """Points e (n, d) of ball and box at which ``rows @ e`` is least, but for rounding."""
        return self.optima(rows)[1]

    def optima(self, rows: Floats) -> tuple[Floats, Floats]:
        """Least values (n,) and where they are (n, d), but for rounding, in the type of rows."""
        if self.ball is None or self.free.size == 0:
            value: Floats = -(np.abs(rows) @ np.ones(rows.shape[1], rows.dtype))
            return value, np.copysign(rows.dtype.type(1), -rows)
        return self._optima(rows, self.ball)

    def _optima(self, rows: Floats, ball: Ball) -> tuple[Floats, Floats]:
        count, points = self.free.size, np.copysign(rows.dtype.type(1), -rows)
        own, further = rows[:, :count], np.abs(rows[:, count:]).sum(axis=1)
        least = _least_l1 if ball.norm.order == 1.0 else _least_l2
        room = self._rooms[0 if rows.dtype == np.float64 else 1]
        with np.errstate(under="ignore", over="ignore", invalid="ignore"):
            value, inside = least(own, room, ball.eps)
        points[:, :count] = inside
        # Not a number where it overflows: the box alone is a bound as well.
        return np.fmax(value, -np.abs(own).sum(axis=1)) - further, points

    @cached_property
    def _rooms(self) -> tuple[_Room, _Room]:
        """The ball within the box, in float64 and in float32."""
        if self.ball is None:
            raise ValueError("a domain without a ball")
        count, ball = self.free.size, self.ball
        center, widths = ball.center[self.free], ball.norm.unit_radii(ball.center.size)[self.free]
        lower, upper = self.lower[:count], self.upper[:count]
        middle, radius = self.middle[:count], self.radius[:count]
        radius = np.where(radius > 0, radius, 1.0)
        room = _Room(
            (center - middle) / radius,
            widths / radius,
            np.maximum(center - lower, 0.0) / widths,
            np.maximum(upper - center, 0.0) / widths,
        )
        return room, room.astype(np.dtype(np.float32))


def _least_l1(rows: Floats, room: _Room, eps: float) -> tuple[Floats, Floats]:
    """The budget goes to the features of the largest gain first; λ is the gain of the last one."""
    sizes = np.abs(rows)
    gain, most = sizes * room.step, np.where(rows > 0, room.below, room.above)
    order = np.argsort(-gain, axis=1, kind="stable")
    spent = np.cumsum(np.take_along_axis(most, order, 1), axis=1)
    last = np.minimum((spent < eps).sum(axis=1), rows.shape[1] - 1)[:, None]
    multiplier = np.take_along_axis(gain, np.take_along_axis(order, last, 1), 1)
    multiplier[spent[:, -1] <= eps] = 0
    value = rows @ room.start - multiplier[:, 0] * rows.dtype.type(eps)
    value -= (most * np.maximum(gain - multiplier, 0)).sum(axis=1)
    moved = np.diff(np.minimum(spent, rows.dtype.type(eps)), axis=1, prepend=0)
    shift = np.empty_like(rows)
    np.put_along_axis(shift, order, moved, axis=1)
    return value, _stepped(rows, room, shift)


def _least_l2(rows: Floats, room: _Room, eps: float) -> tuple[Floats, Floats]:
    """Every feature goes ``gain / λ`` far or to the end of its box; λ fits the sum of squares.

    λ falls from that of the ball alone: features that leave the box are stopped at its end, what
    is left of the radius is for the others, and so on until no further one leaves it.
    """
    sizes = np.abs(rows)
    gain, most = sizes * room.step, np.where(rows > 0, room.below, room.above)
    largest = gain.max(axis=1, keepdims=True, initial=0)
    share = gain / np.where(largest > 0, largest, 1)
    squares, ends = share * share, most * most
    total, radius = squares.sum(axis=1), rows.dtype.type(eps) ** 2
    multiplier = np.sqrt(total) / rows.dtype.type(eps)
    open_ = np.arange(len(rows))
    for _ in range(_ROUNDS):
        stopped = share[open_] > multiplier[open_, None] * most[open_]
        left = radius - np.einsum("nd,nd->n", stopped, ends[open_])
        others = np.einsum("nd,nd->n", ~stopped, squares[open_])
        new = np.sqrt(others / np.where(left > 0, left, np.inf))
        new = np.where((left > 0) | (others == 0), new, multiplier[open_])
        falls = new < multiplier[open_] * (1 - 8 * np.finfo(rows.dtype).eps)
        multiplier[open_] = new
        open_ = open_[falls]
        if open_.size == 0:
            break
    far = share / np.where(multiplier > 0, multiplier, 1)[:, None]
    most = np.where(gain > 0, most, 0)
    shift = np.where(multiplier[:, None] > 0, np.minimum(far, most), most)
    weight = (multiplier * largest[:, 0]).astype(rows.dtype)
    spent = np.einsum("nd,nd->n", shift, shift)
    value = rows @ room.start - np.einsum("nd,nd->n", gain, shift)
    penalty = weight / 2 * (spent - radius) - 4 * np.finfo(rows.dtype).eps * weight * radius
    value += np.where(weight > 0, penalty, 0)
    return value, _stepped(rows, room, shift)


def _stepped(rows: Floats, room: _Room, shift: Floats) -> Floats:
    """Points e that lie δ from the centre, downhill and inside the box in spite of rounding."""
    points: Floats = np.clip(room.start - np.sign(rows) * (room.step * shift), -1, 1)
    return points


def _slack(rows: Floats) -> Float64:
    """More than rounding can have added to a least value in float64; (n,).

    No term of its sums is more than twice its ``|r_j|``, each is off by at most 16 units of
    rounding of that, and the d of them by d more for each of three sums, whose terms together are
    at most 5 times the sum of the ``|r_j|``.
    """
    sizes = np.abs(rows).sum(axis=1, dtype=np.float64)
    slack: Float64 = (3 * rows.shape[1] + 32) * EPSILON * sizes
    return slack
