"""What a gradient method is: a rule that moves a batch of points one step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from onnx_lippa.arrays import Floats
from onnx_lippa.spec import Norm
from onnx_lippa.spec.norms.base import Projector


@dataclass(frozen=True)
class Walk:
    """Where a batch of walks is.

    Attributes:
        x: (n, d) points; a method may change them in place.
        previous: (n, d) points one step earlier (equal to x at the start).
        gradient: (n, d) gradient of each row's margin at x; may be changed in place.
        eps: (n,) radii.
        lower: (n, d) or (d,) boxes.
        upper: likewise.
        norm: the norm of the balls.
        project: moves points into balls and box.
        step: number of this step, from 0.
        steps: number of steps in all.
    """

    x: Floats
    previous: Floats
    gradient: Floats
    eps: Floats
    lower: Floats
    upper: Floats
    norm: Norm
    project: Projector
    step: int
    steps: int

    def direction(self) -> Floats:
        """Unit steps (n, d) of steepest descent, on features that can move where steps are sparse.

        An ℓ1 step goes to few features, and would go to the same ones for ever once they are at a
        bound.
        """
        gradient = self.gradient
        if self.norm.has_sparse_steps:
            down, up = gradient > 0, gradient < 0
            held = (down & (self.x <= self.lower)) | (up & (self.x >= self.upper))
            gradient = np.where(held, 0, gradient)
        return self.norm.steepest_descent(gradient)


class GradientMethod(ABC):
    """A walk downhill on the margin. Rows are independent of each other.

    The author of a method writes :meth:`move` alone; starting points, budgets, best-so-far and
    counting belong to the driver, and success to the judge.
    """

    @abstractmethod
    def move(self, walk: Walk) -> Floats:
        """The next points (n, d), inside balls and box."""
