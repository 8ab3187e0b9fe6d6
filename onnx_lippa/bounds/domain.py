"""The input domain of one input set, and least values of linear functions over it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, final

import numpy as np
import scipy.sparse as sp

from onnx_lippa.arrays import Float64, Floats, Integers
from onnx_lippa.bounds.proven import EPSILON, OUTWARD, TINY, UNDERFLOW
from onnx_lippa.spec import Embedding, InputSet, Norm, Rows, StatedSet

_ROUNDS: Final = 60
"""Most rounds in search of the multiplier of an ℓ2 ball; a handful suffice as a rule."""


@dataclass(frozen=True)
class Ball:
    """A ball of the norm ℓ1 or ℓ2, weighted or not.

    Attributes:
        norm: its norm, over all features.
        center: (all features,) its centre.
        eps: its radius.
    """

    norm: Norm
    center: Float64
    eps: float


@dataclass(frozen=True)
class _BallInBox:
    """A ball in the coordinates e of a box: ``e = start + step δ`` with ``||δ|| <= eps``.

    Attributes:
        start: (d,) the ball's centre.
        step: (d,) the displacement in e for one of 1 in δ.
        below: (d,) the largest decrease of δ within the box.
        above: (d,) its largest increase.
    """

    start: Floats
    step: Floats
    below: Floats
    above: Floats

    def astype(self, dtype: np.dtype[np.floating]) -> _BallInBox:
        return _BallInBox(*(part.astype(dtype) for part in vars(self).values()))


@final
@dataclass(frozen=True)
class InputDomain:
    """The intersection of ball and box of an input set, in the features that vary.

    For ℓ∞, weighted or not, it is a box. For ℓ1 and ℓ2 least values follow by duality: for any
    λ >= 0

        r·e >= min over the box of  r·e + λ (||δ||_1 - eps)              (ℓ1)
        r·e >= min over the box of  r·e + λ/2 (||δ||_2² - eps²)          (ℓ2)

    wherever ``||δ|| <= eps``. The minimum over the box has a closed form for each feature, and at
    the best λ the bound is tight.

    Attributes:
        base: (all features,) the clean input, which gives the features that do not vary.
        free: the features that vary.
        lower: (d,) lower bounds of these, and of further features that are not of the input.
        upper: (d,) their upper bounds.
        ball: the ball, where the norm is not ℓ∞.
        rows: affine rows over the features that vary, or None. Programs keep to them; least
            values are those over ball and box.
    """

    base: Float64
    free: Integers
    lower: Float64
    upper: Float64
    ball: Ball | None = None
    rows: Rows | None = None

    @classmethod
    def of(cls, inputs: StatedSet) -> InputDomain:
        """The domain of a bounded input set."""
        # Outward, since center + radius may be rounded toward the centre.
        far = inputs.radii * OUTWARD
        lower = np.maximum(np.nextafter(inputs.center - far, -np.inf), inputs.lower)
        upper = np.minimum(np.nextafter(inputs.center + far, np.inf), inputs.upper)
        free = np.flatnonzero((inputs.lower < inputs.upper) & (inputs.radii > 0))
        ball = None
        if inputs.norm.order != np.inf:
            ball = Ball(inputs.norm, inputs.center, inputs.eps * OUTWARD)
        rows = None if inputs.rows is None else _over_free(inputs.rows, inputs.center, free)
        return cls(inputs.center, free, lower[free], upper[free], ball, rows)

    @classmethod
    def for_search(cls, inputs: InputSet) -> InputDomain:
        """The domain of an attack; bounds over it guide and prove nothing."""
        one = inputs
        return cls.of(StatedSet(one.center, one.norm, one.eps, one.lower, one.upper, rows=one.rows))

    @property
    def middle(self) -> Float64:
        """(d,) the centre of the box."""
        return self.lower / 2 + self.upper / 2

    @property
    def radius(self) -> Float64:
        """(d,) half the widths of the box, rounded up."""
        middle = self.middle
        return np.maximum(self.upper - middle, middle - self.lower) * OUTWARD

    def with_features(self, lower: Float64, upper: Float64) -> InputDomain:
        """The same with further features between these bounds."""
        lower = np.concatenate([self.lower, lower])
        return replace(self, lower=lower, upper=np.concatenate([self.upper, upper]))

    def only(self, features: Integers) -> InputDomain:
        """The projection of a box on some features."""
        free = self.free[features[features < self.free.size]]
        lower, upper = self.lower[features], self.upper[features]
        return replace(self, free=free, lower=lower, upper=upper, rows=None)

    @property
    def box(self) -> tuple[Float64, Float64]:
        """Bounds of all features of the input, those that do not vary included."""
        low, high, count = self.base.copy(), self.base.copy(), self.free.size
        low[self.free], high[self.free] = self.lower[:count], self.upper[:count]
        return low, high

    def restrict(self, embedding: Embedding) -> Embedding:
        """The embedding of all features of the input as one of the features of the domain."""
        count = self.free.size
        own = embedding.restrict(self.free)
        own = own if self.rows is None else own.require(self.rows)
        return own.add_features(self.lower[count:], self.upper[count:])

    def embedding(self) -> Embedding:
        """Ball and box for a program: linear rows for ℓ1, a ball constraint for ℓ2."""
        if self.ball is None or self.free.size == 0:
            box = Embedding.of_box(np.zeros(self.lower.size), self.lower, self.upper)
            return box if (rows := self.all_rows) is None else box.require(rows)
        ball = self.ball
        return self.restrict(ball.norm.ball(ball.center, ball.eps, *self.box)).drop_unused()

    @property
    def all_rows(self) -> Rows | None:
        """The affine rows over all features of the domain, or None."""
        further = self.lower.size - self.free.size
        return None if self.rows is None else self.rows.pad(further)

    def at(self, points: Floats) -> Float64:
        """The x (n, d) of points e (n, d), clipped to the box."""
        x = self.middle + self.radius * points.astype(np.float64)
        return np.clip(x, self.lower, self.upper)

    def least(self, rows: Floats) -> Float64:
        """Proven lower bounds (n,) of ``rows @ e`` for ``x = middle + radius e``; rows (n, d).

        Rows of any type count as exact; the bounds are rounded down.
        """
        if self.ball is None or self.free.size == 0:
            value = -np.abs(rows).sum(axis=1, dtype=np.float64)
        else:
            value = self._least_in_ball(rows.astype(np.float64), self.ball)[0]
        return value - _bound_rounding(rows) - UNDERFLOW

    def least_over_inputs(self, on_x: Float64) -> Float64:
        """Proven lower bounds (n,) of ``on_x @ x`` over the inputs x; on_x (n, all features).

        Coefficients count as exact; the bounds are rounded down.
        """
        spread = np.abs(on_x) @ self._columns[:, 1:]
        least = -spread[:, 0]
        if self.ball is not None:
            least = self.least(on_x[:, self.free] * self.radius)
        share = (on_x.shape[1] + 8) * EPSILON
        bounds: Float64 = on_x @ self._columns[:, 0] + least - (share * spread[:, 1] + TINY)
        return bounds

    @cached_property
    def _columns(self) -> Float64:
        """(all features, 3) middle, radius and largest absolute value of each."""
        lower, upper = self.box
        middle = lower / 2 + upper / 2
        radius = np.maximum(upper - middle, middle - lower)
        return np.stack([middle, radius, np.abs(middle) + radius], axis=1)

    def minimisers(self, rows: Floats) -> Floats:
        """Points e (n, d) of the domain that minimise ``rows @ e``, up to rounding."""
        return self.optima(rows)[1]

    def optima(self, rows: Floats) -> tuple[Floats, Floats]:
        """Least values (n,) and minimisers (n, d), up to rounding, in the type of rows."""
        if self.ball is None or self.free.size == 0:
            value: Floats = -(np.abs(rows) @ np.ones(rows.shape[1], rows.dtype))
            return value, np.copysign(rows.dtype.type(1), -rows)
        value, shift = self._least_in_ball(rows, self.ball)
        points, count, room = (
            np.copysign(rows.dtype.type(1), -rows),
            self.free.size,
            self._room(rows),
        )
        with np.errstate(under="ignore", over="ignore", invalid="ignore"):
            downhill = np.sign(rows[:, :count]) * (room.step * shift)
            points[:, :count] = np.clip(room.start - downhill, -1, 1)
        return value, points

    def _least_in_ball(self, rows: Floats, ball: Ball) -> tuple[Floats, Floats]:
        """Least values (n,), and the sizes (n, free features) of δ at the minimisers."""
        count = self.free.size
        own, further = rows[:, :count], np.abs(rows[:, count:]).sum(axis=1)
        least = _minimise_l1 if ball.norm.order == 1.0 else _minimise_l2
        with np.errstate(under="ignore", over="ignore", invalid="ignore"):
            value, shift = least(own, self._room(rows), ball.eps)
        # NaN where it overflows; the box alone is a bound too.
        return np.fmax(value, -np.abs(own).sum(axis=1)) - further, shift

    def _room(self, rows: Floats) -> _BallInBox:
        return self._in_box[0 if rows.dtype == np.float64 else 1]

    @cached_property
    def _in_box(self) -> tuple[_BallInBox, _BallInBox]:
        """The ball within the box, in float64 and in float32."""
        if self.ball is None:
            raise ValueError("a domain without a ball")
        count, ball = self.free.size, self.ball
        center, widths = ball.center[self.free], ball.norm.unit_radii(ball.center.size)[self.free]
        lower, upper = self.lower[:count], self.upper[:count]
        middle, radius = self.middle[:count], self.radius[:count]
        radius = np.where(radius > 0, radius, 1.0)
        room = _BallInBox(
            (center - middle) / radius,
            widths / radius,
            np.maximum(center - lower, 0.0) / widths,
            np.maximum(upper - center, 0.0) / widths,
        )
        return room, room.astype(np.dtype(np.float32))


def _over_free(rows: Rows, base: Float64, free: Integers) -> Rows | None:
    """Rows over the features that vary, the others at their values; sides are rounded outward."""
    held = base.copy()
    held[free] = 0.0
    shift, sizes = rows.matrix @ held, abs(rows.matrix) @ np.abs(held)
    lower, upper = rows.lower - shift, rows.upper - shift
    room = (base.size + 8) * EPSILON * (sizes + np.abs(rows.lower) + np.abs(rows.upper)) + TINY
    matrix = sp.csr_array(rows.matrix[:, free])
    kept = np.diff(matrix.indptr) > 0
    if not kept.any():
        return None
    return Rows(sp.csr_array(matrix[kept]), (lower - room)[kept], (upper + room)[kept])


def _minimise_l1(rows: Floats, room: _BallInBox, eps: float) -> tuple[Floats, Floats]:
    """Least values (n,) and the sizes (n, d) of δ there.

    Fractional knapsack: features in the order of their gain; λ is the gain of the last one.
    """
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
    return value, shift


def _minimise_l2(rows: Floats, room: _BallInBox, eps: float) -> tuple[Floats, Floats]:
    """Least values (n,) and the sizes (n, d) of δ there.

    Each feature moves by ``min(gain / λ, end of its box)``; λ solves ``||δ||_2 = eps``.

    λ falls from its value for the ball alone. Features that leave the box are stopped at its end,
    and the rest of the radius goes to the others, until no further feature leaves the box.
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
    return value, shift


def _bound_rounding(rows: Floats) -> Float64:
    """Upper bounds (n,) of the rounding of a least value in float64.

    No term of its sums exceeds ``2 |r_j|``, and each is off by at most 16 unit roundoffs of that.
    Summing d of them adds d unit roundoffs for each of three sums, whose terms add up to at most
    ``5 Σ |r_j|``.
    """
    sizes = np.abs(rows).sum(axis=1, dtype=np.float64)
    slack: Float64 = (3 * rows.shape[1] + 32) * EPSILON * sizes
    return slack
