"""Projected gradient descent with momentum and a decaying step."""

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
class MomentumPgd(GradientMethod):
    """Steps that shrink from ``first * eps`` to ``last * eps``, with a part of the last move.

    Attributes:
        first: length of the first step as a share of eps.
        last: length of the last step as a share of eps.
        momentum: share of the last move that is repeated.
    """

    first: float = 2.0
    last: float = 0.01
    momentum: float = 0.75

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
        progress = schedule.step / max(1, schedule.steps - 1)
        share = self.first * (self.last / self.first) ** progress
        direction = norm.steepest_descent(gradient)
        direction *= (share * eps)[:, None].astype(x.dtype)
        if schedule.step > 0 and self.momentum:
            direction += np.asarray(self.momentum, dtype=x.dtype) * (x - previous)
        direction += x
        return project(direction)
