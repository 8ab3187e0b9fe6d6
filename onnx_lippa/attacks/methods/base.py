"""What a gradient method is: a rule that moves a batch of points one step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from onnx_lippa.arrays import Floats
from onnx_lippa.question import Norm
from onnx_lippa.question.norms.base import Projector


@dataclass(frozen=True)
class Walk:
    """Where a batch of walks is.

    Attributes:
        x: (n, d) points; a method may change them in place.
        previous: (n, d) points one step earlier (equal to x at the start).
        gradient: (n, d) gradient of each row's margin at x; may be changed in place.
        eps: (n,) radii.
        norm: the norm of the balls.
        project: moves points into balls and box.
        step: number of this step, from 0.
        steps: number of steps in all.
    """

    x: Floats
    previous: Floats
    gradient: Floats
    eps: Floats
    norm: Norm
    project: Projector
    step: int
    steps: int


class GradientMethod(ABC):
    """A walk downhill on the margin. Rows are independent of each other.

    The author of a method writes :meth:`move` alone; starting points, budgets, best-so-far and
    counting belong to the driver, and success to the judge.
    """

    @abstractmethod
    def move(self, walk: Walk) -> Floats:
        """The next points (n, d), inside balls and box."""
