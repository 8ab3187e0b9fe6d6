"""The steps of Auto-PGD: in ℓ∞ and ℓ2 with momentum, in ℓ1 sparse.

Symbols are those of Croce & Hein (ICML 2020), Algorithm 1, and, for ℓ1, of Croce & Hein (ICML
2021). The loss is minimised here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Final, final

import numpy as np
from typing_extensions import override

from onnx_lippa.arrays import Floats, Integers
from onnx_lippa.attacks.stages.gradient_runs import Stepping, Steps
from onnx_lippa.attacks.stages.oracle import Evaluation
from onnx_lippa.attacks.stages.pgd import Balls, Iterate

_ALPHA: Final = 0.75
"""α, the share of the projected step in a move; the rest repeats the last move."""
_RHO: Final = 0.75
"""ρ, the share of steps that must improve the loss between two checkpoints."""
_FIRST_CHECKPOINT: Final = 0.22
_SHORTER: Final = 0.03
_LEAST_PERIOD: Final = 0.06
"""The checkpoints, as shares of all steps: the first, how much shorter each period between two is
than the one before, and the least one."""
_LARGER_BALLS: Final = ((3.0, 0.3), (2.0, 0.3), (1.0, 0.4))
"""In ℓ1, radii as multiples of eps, and the shares of the steps in each ball."""
_FIRST_SPARSITY: Final = 0.2
"""Share of the features that move in the first ℓ1 steps."""
_SPARSER: Final = 1.5
"""Features that differ from the clean input over features that move, and the divisor of a step."""
_STILL_SPARSER: Final = 0.95
"""The sparsity falls while it falls below this share of that at the last checkpoint."""
_SHORTEST: Final = 10.0
"""Eps over the shortest ℓ1 step."""
_SPARSE_PERIOD: Final = 0.04
"""Steps between two ℓ1 checkpoints, as a share of all steps."""


@final
@dataclass(frozen=True)
class ApgdStepping(Stepping):
    """Auto-PGD: steps that are halved where they do not help, and go on from the best point."""

    @override
    def begin(self, balls: Balls, steps: int) -> Steps:
        if balls.norm.has_sparse_steps:
            return _SparseSteps(balls, steps)
        return _MomentumSteps(balls, steps)


class _BestPoints(Steps):
    """Steps that remember the best point of each row.

    Attributes:
        x_max: (n, d) the point of least loss.
        g_max: (n, d) the gradient there.
        f_max: (n,) the loss there.
        eta: (n,) step lengths.
    """

    def __init__(self, balls: Balls, steps: int) -> None:
        super().__init__(balls, steps)
        self.x_max, self.g_max = balls.center, balls.center
        self.f_max = np.full(len(balls.center), np.inf)
        self.eta = np.zeros(len(balls.center))

    def update(self, x: Floats, evaluation: Evaluation) -> None:
        """Takes points that were evaluated."""
        better = evaluation.losses < self.f_max
        self.f_max = np.where(better, evaluation.losses, self.f_max)
        self.x_max = np.where(better[:, None], x, self.x_max)
        self.g_max = np.where(better[:, None], evaluation.gradient, self.g_max)

    @override
    def take(self, kept: Integers) -> None:
        self.balls = self.balls.take(kept)
        self.x_max, self.g_max = self.x_max[kept], self.g_max[kept]
        self.f_max, self.eta = self.f_max[kept], self.eta[kept]


@final
class _MomentumSteps(_BestPoints):
    """Algorithm 1 of Auto-PGD."""

    def __init__(self, balls: Balls, steps: int) -> None:
        super().__init__(balls, steps)
        self.eta = 2.0 * balls.eps.astype(np.float64)
        self._checkpoints = checkpoints(steps)
        self._previous: Floats = balls.center
        self._last = np.full(len(self.eta), np.inf)
        self._improvements = np.zeros(len(self.eta), dtype=np.int64)
        self._f_before = np.full(len(self.eta), np.inf)
        self._halved_before = np.zeros(len(self.eta), dtype=bool)

    @override
    def move(self, x: Floats, evaluation: Evaluation, step: int) -> Floats:
        if step:
            self._improvements += evaluation.losses < self._last
        self._last = evaluation.losses
        self.update(x, evaluation)
        gradient = evaluation.gradient
        if step in self._checkpoints:
            place = self._checkpoints.index(step)
            halved = self._halve(step - (self._checkpoints[place - 1] if place else 0))
            x = np.where(halved[:, None], self.x_max, x)
            gradient = np.where(halved[:, None], self.g_max, gradient)
        balls = self.balls
        direction = Iterate(x, x, gradient, balls, step, self.steps).direction()
        z = balls.project(x + self.eta[:, None].astype(x.dtype) * direction)
        if step:
            alpha = np.asarray(_ALPHA, dtype=x.dtype)
            z = balls.project(x + alpha * (z - x) + (1 - alpha) * (x - self._previous))
        self._previous = x
        return z

    def _halve(self, period: int) -> np.ndarray:
        """Halves steps at a checkpoint; (n,) which ones."""
        fails = self._improvements < _RHO * period
        stalls = ~self._halved_before & (self._f_before <= self.f_max)
        halved = fails | stalls
        self.eta = np.where(halved, self.eta / 2.0, self.eta)
        self._halved_before, self._f_before = halved, self.f_max
        self._improvements = np.zeros_like(self._improvements)
        return halved

    @override
    def take(self, kept: Integers) -> None:
        super().take(kept)
        self._previous, self._last = self._previous[kept], self._last[kept]
        self._improvements, self._f_before = self._improvements[kept], self._f_before[kept]
        self._halved_before = self._halved_before[kept]


def checkpoints(steps: int) -> list[int]:
    """The steps w_j at which progress is checked."""
    place, period = _FIRST_CHECKPOINT, _FIRST_CHECKPOINT
    found = set()
    while place < 1.0:
        found.add(math.ceil(round(place * steps, 6)))
        period = max(period - _SHORTER, _LEAST_PERIOD)
        place += period
    return sorted(found)


@final
class _SparseSteps(_BestPoints):
    """ℓ1 steps to as many features as the best point suggests, in balls that shrink to the radius.

    In each ball the steps go on from the best point in the last one, projected.
    """

    def __init__(self, balls: Balls, steps: int) -> None:
        super().__init__(balls, steps)
        counts = [max(1, round(share * steps)) for _, share in _LARGER_BALLS]
        self._starts = list(accumulate(counts[:-1], initial=0))
        self._radius = balls.eps
        self._period = max(1, int(_SPARSE_PERIOD * steps))
        self._moving = np.zeros(len(balls.eps))
        self._differing = np.zeros(len(balls.eps))
        self._began = 0

    @override
    def is_inside(self, step: int) -> bool:
        return step == 0 or step > self._starts[-1] or step >= self.steps

    @override
    def move(self, x: Floats, evaluation: Evaluation, step: int) -> Floats:
        gradient = evaluation.gradient
        self.update(x, evaluation)
        if step in self._starts:
            self._begin(_LARGER_BALLS[self._starts.index(step)][0], step)
            if step:
                return self.x_max  # to be evaluated where it is projected to
        elif (step - self._began) % self._period == 0:
            sparser = self._adapt()
            x = np.where(sparser[:, None], self.x_max, x)
            gradient = np.where(sparser[:, None], self.g_max, gradient)
        step_length = self.eta[:, None].astype(x.dtype)
        return self.balls.project(x + step_length * self._direction(x, gradient))

    def _begin(self, multiple: float, step: int) -> None:
        """Goes on in the ball of a multiple of the radius."""
        radii = self._radius * np.asarray(multiple, dtype=self._radius.dtype)
        self.balls = replace(self.balls, eps=radii)
        self._began = step
        d = self.balls.center.shape[1]
        self.eta = radii.astype(np.float64)
        if step:
            self._moving = self._difference() / _SPARSER
        else:
            self._moving = np.full(len(radii), _FIRST_SPARSITY * d)
        self._differing = np.full(len(radii), float(d))
        self.x_max = self.balls.project(self.x_max.copy())
        self.f_max = np.full(len(radii), np.inf)

    def _adapt(self) -> np.ndarray:
        """Adapts sparsity and length of steps at a checkpoint; (n,) which became sparser."""
        differing = self._difference()
        sparser = differing < _STILL_SPARSER * self._differing
        eps = self.balls.eps.astype(np.float64)
        shorter = np.maximum(self.eta / _SPARSER, eps / _SHORTEST)
        self.eta = np.where(sparser, eps, shorter)
        self._moving, self._differing = differing / _SPARSER, differing
        return sparser

    def _difference(self) -> np.ndarray:
        """Number of features of the best points that differ from the clean input's."""
        return np.count_nonzero(self.x_max != self.balls.center, axis=1).astype(np.float64)

    def _direction(self, x: Floats, gradient: Floats) -> Floats:
        """Steps (n, d) of length 1 to the features of largest slope that can move."""
        d, balls = x.shape[1], self.balls
        if balls.subspaces is not None:
            gradient = balls.subspaces.project_gradient(gradient)
        unit = balls.norm.unit_radii(d).astype(x.dtype)
        held = ((gradient > 0) & (x <= balls.lower)) | ((gradient < 0) & (x >= balls.upper))
        slopes = np.where(held, 0, np.abs(gradient) * unit)
        last = d - np.clip(self._moving, 1, d).astype(np.int64)
        least = np.sort(slopes, axis=1)[np.arange(len(slopes)), last]
        chosen = (slopes >= least[:, None]) & (slopes > 0)
        count = np.maximum(chosen.sum(axis=1, keepdims=True), 1).astype(x.dtype)
        return np.where(chosen, -np.sign(gradient), 0).astype(x.dtype) * unit / count

    @override
    def take(self, kept: Integers) -> None:
        super().take(kept)
        self._radius = self._radius[kept]
        self._moving, self._differing = self._moving[kept], self._differing[kept]
