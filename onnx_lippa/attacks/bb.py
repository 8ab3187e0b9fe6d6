"""The attack of Brendel and Bethge: a walk along the decision boundary with gradients."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Final, Self, final

import numpy as np
from typing_extensions import override

from onnx_lippa.arrays import Float64, Floats
from onnx_lippa.attacks.base import AttackMethod, require_least
from onnx_lippa.attacks.stages.hyperplanes import choose_disjuncts, nearest_hyperplanes
from onnx_lippa.attacks.stages.nearest import NearestRows, split_open
from onnx_lippa.attacks.stages.oracle import LeastMargin
from onnx_lippa.attacks.stages.state import AttackBatch, AttackStage, AttackState, Stream
from onnx_lippa.errors import InputError
from onnx_lippa.spec import Problem
from onnx_lippa.spec.norms.trust_region import Walk
from onnx_lippa.state import timed

_ROWS: Final = 128
"""Inputs worked on together."""
_DRAWS: Final = 50
"""Random points of the domain, of which the first unsafe one is the start."""
_STEPS: Final = 30
_OVERSHOOT: Final = 1.05
_CLASSES: Final = 9
"""Where none of them is unsafe: steps to hyperplanes, how far, and of how many classes."""


@final
@dataclass(frozen=True)
class BrendelBethge(AttackMethod):
    """The attack of Brendel, Rauber, Kümmerer, Ustyuzhaninov, Bethge (NeurIPS 2019) in ℓ∞, ℓ2, ℓ1.

    From an unsafe point far away it bisects to the boundary, and then walks along it: each step
    minimises the distance over the linearised boundary, the domain and a trust region, a problem
    with two multipliers, which are bisected for all inputs at once. As in the authors' later code
    the trust region shrinks on a fixed schedule, and gradients are averaged. It is stated as a
    share of the first distance to the clean input, in ℓ2. The start is a random point of the
    domain; where none is unsafe, steps to hyperplanes lead to one.

    Attributes:
        restarts: walks from other starts, after the first one.
        gradient_steps: steps of a walk.
        overshoot: how far over the boundary a step aims, as a multiple of the way to it.
        rate: the first radius of the trust region.
        rate_decay: the factor by which it shrinks.
        rate_decays: how often it does.
        momentum: share of the last average in the gradient.
        searches: bisections from the start to the boundary.
    """

    restarts: int = 4
    gradient_steps: int = 200
    overshoot: float = 1.1
    rate: float = 0.3
    rate_decay: float = 0.5
    rate_decays: int = 10
    momentum: float = 0.8
    searches: int = 10

    name: ClassVar[str] = "bb"

    def __post_init__(self) -> None:
        require_least("restarts", self.restarts, 0)
        require_least("gradient_steps", self.gradient_steps, 1)
        require_least("rate_decays", self.rate_decays, 1)
        require_least("searches", self.searches, 0)
        if not 1.0 <= self.overshoot < 2.0:
            raise InputError(f"overshoot is {self.overshoot}: give a number from 1 to below 2")
        if not 0.0 < self.rate < np.inf:
            raise InputError(f"rate is {self.rate}: give a positive number")
        if not 0.0 < self.rate_decay <= 1.0:
            raise InputError(f"rate_decay is {self.rate_decay}: give a number above 0, at most 1")
        if not 0.0 <= self.momentum < 1.0:
            raise InputError(f"momentum is {self.momentum}: give a number from 0 to below 1")

    @override
    def limit(self, restarts: int, lp_steps: int | None = None) -> Self:
        return replace(self, restarts=min(self.restarts, restarts))

    @override
    def schedule(self, problem: Problem, is_cheap: bool) -> tuple[AttackStage, ...]:
        return tuple(_BoundaryWalk(self, round_) for round_ in range(self.restarts + 1))


@final
@dataclass(frozen=True)
class _BoundaryWalk(AttackStage):
    """One walk of each input.

    Attributes:
        method: its options.
        round: number of the walk.
    """

    method: BrendelBethge
    round: int

    @override
    def run(self, batch: AttackBatch) -> None:
        for attacks in split_open(batch, 1, _ROWS):
            rows, x, found = self._start(attacks)
            kept = np.intersect1d(rows.open(), np.flatnonzero(found))
            if kept.size:
                rows, x = rows.take(kept), x[kept]
                self._walk(rows, self._approach(rows, x))

    def _start(self, attacks: list[AttackState]) -> tuple[NearestRows, Floats, np.ndarray]:
        """The rows, unsafe points (n, d), and the rows (n,) that have one."""
        rows = NearestRows(attacks)
        x, found = rows.center.copy(), np.zeros(len(rows), bool)
        generators = [attack.generator(Stream.BOUNDARY_WALK, self.round) for attack in attacks]
        for number in range(_DRAWS + _STEPS):
            left = np.intersect1d(rows.open(), np.flatnonzero(~found))
            if not left.size:
                break
            # What is done for an input must not depend on how long others take.
            some = rows.take(left)
            if number < _DRAWS:
                with timed(some.states):
                    points = [_draw(attacks[i], generators[i]) for i in left]
                    x[left] = some.clip(np.array(points, dtype=x.dtype))
            else:
                x[left] = _descend(some, some.center if number == _DRAWS else x[left])
            found[left] = some.margins(x[left]).min(axis=1) <= 0
        return rows, x, found

    def _approach(self, rows: NearestRows, x: Floats) -> Floats:
        """Unsafe points (n, d) near the boundary, by bisection towards the clean inputs."""
        inner, outer = rows.center, x
        for _ in range(self.method.searches):
            middle = rows.clip(inner + (outer - inner) / 2)
            unsafe = (rows.margins(middle).min(axis=1) <= 0)[:, None]
            inner, outer = np.where(unsafe, inner, middle), np.where(unsafe, middle, outer)
        return outer

    def _walk(self, rows: NearestRows, x: Floats) -> None:
        method, average = self.method, np.zeros_like(x)
        with timed(rows.states):
            scale = rows.norm.unit_radii(x.shape[1])
            inverse = np.where(scale > 0, 1 / np.where(scale > 0, scale, 1), 0)
            first = np.sqrt((((x - rows.center) * inverse) ** 2).sum(axis=1))
        every = max(1, method.gradient_steps // method.rate_decays)
        for step in range(method.gradient_steps):
            found = rows.evaluate(x, LeastMargin())
            with timed(rows.states):
                gradient = rows.along(found.gradient)
                keep = method.momentum if step else 0.0
                average = (1 - keep) * gradient + keep * average
                beyond = np.where(found.losses > 0, method.overshoot, 2 - method.overshoot)
                radius = method.rate * method.rate_decay ** (step // every) * first
                x = rows.clip(x + self._step(rows, x, average, -beyond * found.losses, radius))
                kept = rows.open()
                if not kept.size:
                    return
                if len(kept) < len(rows):
                    rows, x, average, first = rows.take(kept), x[kept], average[kept], first[kept]
        rows.margins(x)

    @staticmethod
    def _step(
        rows: NearestRows, x: Floats, normal: Floats, gap: Float64, radius: Float64
    ) -> Floats:
        low, high = rows.lower - x, rows.upper - x
        return rows.norm.walk_boundary(Walk(x - rows.center, normal, gap, radius, low, high))


def _descend(rows: NearestRows, x: Floats) -> Floats:
    """Points (n, d) a little beyond the nearest hyperplanes."""
    margin, normal = nearest_hyperplanes(rows, x, choose_disjuncts(rows.attacks, _CLASSES))
    with timed(rows.states):
        # The gap is overshot, not the step: features that reach their bounds go no further.
        gap, low, high = -_OVERSHOOT * margin, rows.lower - x, rows.upper - x
        return rows.clip(x + rows.norm.step_to_hyperplane(normal, gap, low, high))


def _draw(attack: AttackState, generator: np.random.Generator) -> Float64:
    """A random point (d,) of the domain; of a wide ball where it is unbounded."""
    inputs = attack.inputs
    reach = inputs.norm.radii(inputs.size, inputs.widest)
    low = np.maximum(inputs.lower, inputs.center - reach)
    high = np.minimum(inputs.upper, inputs.center + reach)
    return generator.uniform(low, np.maximum(low, high))
