"""Projected gradient descent with momentum and a decaying step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from onnx_lippa.arrays import Floats
from onnx_lippa.attacks.methods.base import GradientMethod, Walk


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

    def move(self, walk: Walk) -> Floats:
        """See :meth:`GradientMethod.move`."""
        progress = walk.step / max(1, walk.steps - 1)
        share = self.first * (self.last / self.first) ** progress
        direction = walk.direction()
        direction *= (share * walk.eps)[:, None].astype(walk.x.dtype)
        if walk.step > 0 and self.momentum:
            direction += np.asarray(self.momentum, dtype=walk.x.dtype) * (walk.x - walk.previous)
        direction += walk.x
        return walk.project(direction)
