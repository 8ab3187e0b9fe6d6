"""BIM, the basic iterative method: the gradient step of the paper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from onnx_lippa.arrays import Floats
from onnx_lippa.attacks.methods.base import GradientMethod, Walk


@final
@dataclass(frozen=True)
class Bim(GradientMethod):
    """Steps of constant length in the steepest direction.

    Attributes:
        length: length of a step in the attack's norm (the paper: 0.5/256 for images in [0, 1]).
    """

    length: float = 0.5 / 256

    def move(self, walk: Walk) -> Floats:
        """See :meth:`GradientMethod.move`."""
        length = np.minimum(self.length, walk.eps)[:, None].astype(walk.x.dtype)
        return walk.project(walk.x + length * walk.direction())
