"""The inputs an attack may use: a norm ball around the clean input, cut with a box."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from onnx_lippa.arrays import Float32, Float64
from onnx_lippa.question.norms.base import Norm


@dataclass(frozen=True)
class InputSet:
    """``{x : ||x - center|| <= eps, lower <= x <= upper}``, everything flattened.

    Attributes:
        center: (d,) the clean input; each value is one that float32 can hold.
        norm: the norm of the ball.
        eps: its radius; infinite where the distance is what is minimised.
        lower: (d,) lower bounds of the domain.
        upper: (d,) upper bounds of the domain.
    """

    center: Float64
    norm: Norm
    eps: float
    lower: Float64
    upper: Float64

    @property
    def size(self) -> int:
        """Number d of features."""
        return int(self.center.size)

    def contains(self, x: Float32) -> bool:
        """Whether a stored input lies in the set, exactly (in float64, no tolerance)."""
        exact = x.astype(np.float64).ravel()
        inside_box = bool(np.all(exact >= self.lower) and np.all(exact <= self.upper))
        return inside_box and self.distance(x) <= self.eps

    def distance(self, x: Float32 | Float64) -> float:
        """Distance of an input to the centre, in float64."""
        return self.norm.distance(x.astype(np.float64).ravel() - self.center)

    def to_float32(self, x: Float64) -> Float32:
        """The float32 point in the set near ``x``, rounded inward.

        A point whose nearest float32 is in the set becomes that one, so a stored point stays as
        it is. Any other is moved in first. The result always satisfies :meth:`contains`, since
        the centre itself does.
        """
        with np.errstate(over="ignore"):  # beyond float32 it is infinite
            nearest = x.astype(np.float32)
        if self.contains(nearest):
            return nearest
        project = self.norm.projector(
            self.center[None], np.array([self.eps]), self.lower, self.upper
        )
        inside = project(x[None].astype(np.float64))[0]
        lower, upper = ceil32(self.lower), floor32(self.upper)
        rounded = np.clip(inside.astype(np.float32), lower, upper)
        center = self.center.astype(np.float32)
        retreat = 0.0
        while not self.contains(rounded):
            # Rounding stepped out of the ball: each round gives back twice as much.
            retreat = 2.0**-24 if retreat == 0.0 else 2 * retreat
            keep = max(0.0, 1.0 - retreat)
            drawn_in = self.center + keep * (inside - self.center)
            rounded = np.clip(drawn_in.astype(np.float32), lower, upper)
            if keep == 0.0:
                return center
        return rounded

    def with_eps(self, eps: float) -> InputSet:
        """The same set with another radius."""
        return replace(self, eps=eps)


def ceil32(values: Float64) -> Float32:
    """The smallest float32 not below each value."""
    with np.errstate(over="ignore"):  # beyond float32 it is infinite
        rounded = values.astype(np.float32)
        above = np.nextafter(rounded, np.float32(np.inf))
    return np.where(rounded.astype(np.float64) < values, above, rounded).astype(np.float32)


def floor32(values: Float64) -> Float32:
    """The largest float32 not above each value."""
    return -ceil32(-values)
