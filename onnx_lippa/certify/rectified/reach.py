"""The least value of linear functions over the inputs allowed, many functions at once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import final

import numpy as np

from onnx_lippa.arrays import Float64, Floats, Integers
from onnx_lippa.question import InputSet, Norm, StatedSet


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


@final
@dataclass(frozen=True)
class Reach:
    """Ball and box of an input set, in the features that vary.

    For ℓ∞, scaled or not, the two are one box and minima over it are exact. For other norms a
    minimum is the better of two valid bounds: over the box alone, and over the ball alone.

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
    def of(cls, inputs: StatedSet) -> Reach:
        """The reach of a set with bounds on all sides."""
        # A centre plus a radius that was rounded down would miss the ball's end: outward.
        lower = np.maximum(np.nextafter(inputs.center - inputs.reach, -np.inf), inputs.lower)
        upper = np.minimum(np.nextafter(inputs.center + inputs.reach, np.inf), inputs.upper)
        free = np.flatnonzero((inputs.lower < inputs.upper) & (inputs.reach > 0))
        ball = None
        if inputs.norm.order != np.inf:
            ball = Ball(inputs.norm, inputs.center, inputs.eps)
        return cls(inputs.center, free, lower[free], upper[free], ball)

    @classmethod
    def searched(cls, inputs: InputSet) -> Reach:
        """The reach of what is searched: what is bounded over it guides and proves nothing."""
        return cls.of(StatedSet(inputs.center, inputs.norm, inputs.eps, inputs.lower, inputs.upper))

    @property
    def middle(self) -> Float64:
        """(d,) the centre of the box."""
        return self.lower / 2 + self.upper / 2

    @property
    def radius(self) -> Float64:
        """(d,) half the width of the box."""
        return self.upper / 2 - self.lower / 2

    def with_features(self, lower: Float64, upper: Float64) -> Reach:
        """The same with further features between these bounds."""
        lower = np.concatenate([self.lower, lower])
        return replace(self, lower=lower, upper=np.concatenate([self.upper, upper]))

    def only(self, features: Integers) -> Reach:
        """Some features of a box, to bound functions of these alone."""
        free = self.free[features[features < self.free.size]]
        return replace(self, free=free, lower=self.lower[features], upper=self.upper[features])

    def at(self, points: Floats) -> Float64:
        """The x (n, d) of points e (n, d), inside the box in spite of rounding."""
        x = self.middle + self.radius * points.astype(np.float64)
        return np.clip(x, self.lower, self.upper)

    def least(self, rows: Floats) -> Floats:
        """Lower bounds (n,) of ``rows @ e`` for ``x = middle + radius e``; rows (n, d)."""
        value: Floats = -(np.abs(rows) @ np.ones(rows.shape[1], rows.dtype))
        if self.ball is None:
            return value
        return np.maximum(value, self._over_ball(self.ball, rows)[0])

    def minimisers(self, rows: Floats) -> Floats:
        """Points e (n, d) at which ``rows @ e`` is as :meth:`least` says, but for rounding."""
        points = np.copysign(rows.dtype.type(1), -rows)
        if self.ball is not None:
            value, inside = self._over_ball(self.ball, rows)
            better = value > -np.abs(rows).sum(axis=1)
            points[better] = inside[better]
        return points

    def _over_ball(self, ball: Ball, rows: Floats) -> tuple[Float64, Float64]:
        """The bound over the ball (n,), and where the ball has it, moved into the box (n, d)."""
        count, radius = self.free.size, self.radius
        safe = np.where(radius > 0, radius, 1.0)
        whole = np.zeros((len(rows), self.base.size))
        whole[:, self.free] = (rows / safe)[:, :count]
        # e = 0 is the middle of the box, and the ball's centre need not be there.
        shift = (ball.center[self.free] - self.middle[:count]) / safe[:count]
        value = rows[:, :count] @ shift - ball.eps * ball.norm.dual(whole)
        value = value - np.abs(rows[:, count:]).sum(axis=1)
        steps = ball.norm.steepest_descent(whole)[:, self.free] / safe[:count]
        inside = np.clip(shift + ball.eps * steps, -1.0, 1.0)
        further = np.copysign(1.0, -rows[:, count:])
        return value, np.concatenate([inside, further], axis=1)
