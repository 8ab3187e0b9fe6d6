"""The set of real inputs that a proof covers, exactly as it is stated or larger by a rounding."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import final

import numpy as np

from onnx_lippa.arrays import AnyArray, Float64
from onnx_lippa.spec.norms.base import Norm


@final
@dataclass(frozen=True)
class StatedSet:
    """``{x real : ||x - center|| <= eps, lower <= x <= upper}``, everything flattened.

    It is another type than :class:`~onnx_lippa.spec.InputSet` on purpose. That one guides a
    search: its bounds are invented where none are stated, and rounded inward to numbers that the
    model can be given. Here no bound is invented, and every one is rounded outward, so what is
    proven over this set is proven of what was asked. ``Problem.stated`` is the only place that
    makes one for a proof.

    Attributes:
        center: (d,) the clean input; a point of the box where there is no ball.
        norm: the norm of the ball.
        eps: its radius; infinite where there is no ball.
        lower: (d,) lower bounds, rounded down; ``-inf`` where none is stated.
        upper: (d,) upper bounds, rounded up; ``inf`` where none is stated.
        is_open: (d,) of lower and of upper bounds, which are never reached: strict ones, and those
            that rounding moved. None where none is.
    """

    center: Float64
    norm: Norm
    eps: float
    lower: Float64
    upper: Float64
    is_open: tuple[AnyArray | None, AnyArray | None] = (None, None)

    @property
    def size(self) -> int:
        """Number d of features."""
        return int(self.center.size)

    @property
    def reach(self) -> Float64:
        """(d,) how far each feature may move by itself within the ball."""
        return self.norm.reach(self.size, self.eps)

    @property
    def unbounded(self) -> int:
        """Number of features that neither the box nor the ball bounds on both sides."""
        open_ = np.isinf(self.lower) | np.isinf(self.upper)
        return int(np.count_nonzero(open_ & np.isinf(self.reach)))

    def distance(self, x: Float64) -> float:
        """Distance of an input (d,) to the centre, rounded up."""
        return self.norm.distance(x, self.center)

    def is_in_box(self, x: Float64) -> bool:
        """Whether an input (d,) lies between the bounds; the ball is not looked at."""
        return bool(np.all(x >= self.lower) and np.all(x <= self.upper))

    def with_eps(self, eps: float) -> StatedSet:
        """The same set with another radius."""
        return replace(self, eps=eps)
