"""BIM, the basic iterative method: the gradient step of the paper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from onnx_lippa.arrays import Floats
from onnx_lippa.attacks.methods.base import GradientMethod, Schedule
from onnx_lippa.question import Norm
from onnx_lippa.question.norms.base import Projector


@final
@dataclass(frozen=True)
class Bim(GradientMethod):
    """Steps of constant length in the steepest direction.

    Attributes:
        length: length of a step in the attack's norm (the paper: 0.5/256 for images in [0, 1]).
    """

    length: float = 0.5 / 256

    def move(
        self,
        x: Floats,
        previous: Floats,
        gradient: Floats,
        eps: Floats,
        norm: Norm,
        project: Projector,
        schedule: Schedule,
    ) -> Floats:
        """See :meth:`GradientMethod.move`."""
        length = np.minimum(self.length, eps)[:, None].astype(x.dtype)
        return project(x + length * norm.steepest_descent(gradient))
