"""FAB, the fast adaptive boundary attack: projections onto linearised decision boundaries."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Final, Self, final

import numpy as np
from typing_extensions import override

from onnx_lippa.arrays import Float64, Floats, Integers
from onnx_lippa.attacks.base import AttackMethod, require_least
from onnx_lippa.attacks.stages.hyperplanes import choose_disjuncts, nearest_hyperplanes
from onnx_lippa.attacks.stages.nearest import NearestRows, split_open
from onnx_lippa.attacks.stages.oracle import OneMargin
from onnx_lippa.attacks.stages.state import AttackBatch, AttackStage, AttackState, Stream
from onnx_lippa.errors import InputError
from onnx_lippa.spec import Problem
from onnx_lippa.state import timed

_ROWS: Final = 256
"""Rows run together."""


@final
@dataclass(frozen=True)
class Fab(AttackMethod):
    """FAB (Croce, Hein, ICML 2020) in ℓ∞, ℓ2 and ℓ1, targeted as in AutoAttack by default.

    Each step projects the point and the clean input onto the hyperplane where a linearised margin
    is 0, inside the domain, and goes to a mixture of the two, a little beyond. From a point of
    another class it steps back towards the clean input. At the end the segment from the clean input
    to the best point is searched. Random starts lie at half the best distance of any target so far,
    or of the radius.

    Attributes:
        restarts: runs from random starts, after the first one from the clean input.
        gradient_steps: steps of a run.
        targeted: whether each target class has a run of its own, which approaches this class alone.
            Otherwise one run approaches the nearest class, at one gradient for each.
        classes: target classes, those nearest to the clean input.
        alpha_max: largest share of the clean input in the mixture.
        eta: how far the projections go, as a multiple of the way to the hyperplane.
        beta: share of the displacement that a step back keeps.
        final_search: steps of the search at the end.
    """

    restarts: int = 4
    gradient_steps: int = 100
    targeted: bool = True
    classes: int = 9
    alpha_max: float = 0.1
    eta: float = 1.05
    beta: float = 0.9
    final_search: int = 3

    name: ClassVar[str] = "fab"

    def __post_init__(self) -> None:
        require_least("restarts", self.restarts, 0)
        require_least("gradient_steps", self.gradient_steps, 1)
        require_least("classes", self.classes, 1)
        require_least("final_search", self.final_search, 0)
        for name, value in (("alpha_max", self.alpha_max), ("beta", self.beta)):
            if not 0.0 <= value <= 1.0:
                raise InputError(f"{name} is {value}: give a number between 0 and 1")
        if not 1.0 <= self.eta < np.inf:
            raise InputError(f"eta is {self.eta}: give a number of at least 1")

    @override
    def limit(self, restarts: int, lp_steps: int | None = None) -> Self:
        return replace(self, restarts=min(self.restarts, restarts))

    @override
    def schedule(self, problem: Problem, is_cheap: bool) -> tuple[AttackStage, ...]:
        return tuple(_FabRound(self, round_) for round_ in range(self.restarts + 1))


@final
@dataclass(frozen=True)
class _FabRound(AttackStage):
    """One run for each input, or for each of its target classes.

    Attributes:
        method: its options.
        round: number of the run; the first one starts from the clean input.
    """

    method: Fab
    round: int

    @override
    def run(self, batch: AttackBatch) -> None:
        each = self.method.classes if self.method.targeted else 1
        for attacks in split_open(batch, each, _ROWS):
            with timed([attack.state for attack in attacks]):
                rows, disjuncts, start = self._begin(attacks)
            self._run(rows, disjuncts, start)

    def _begin(self, attacks: list[AttackState]) -> tuple[NearestRows, Integers, Floats]:
        """The rows, the disjuncts (n, m) that each approaches, and the points they start from."""
        if self.method.targeted:
            chosen = [(a, j) for a in attacks for j in a.nearest_disjuncts(self.method.classes)]
            rows = NearestRows([attack for attack, _ in chosen])
            disjuncts = np.array([[j] for _, j in chosen], dtype=np.int64)
        else:
            rows, disjuncts = NearestRows(attacks), choose_disjuncts(attacks, self.method.classes)
        start = rows.center
        if self.round > 0:
            start = np.array(
                [
                    self._draw(attack, int(own[0]))
                    for attack, own in zip(rows.attacks, disjuncts, strict=True)
                ],
                dtype=start.dtype,
            )
        return rows, disjuncts, rows.clip(start)

    def _draw(self, attack: AttackState, disjunct: int) -> Float64:
        """A random point (d,) at half the best distance, or half the radius."""
        inputs, witness = attack.inputs, attack.state.witness
        radius = min(inputs.eps, inputs.widest)
        if witness is not None:
            radius = min(radius, witness.distance)
        generator = attack.generator(Stream.FAB, self.round, disjunct)
        direction = inputs.norm.sample(generator, inputs.size)[None]
        length = inputs.norm.lengths(direction)
        return inputs.center + 0.5 * radius / max(float(length[0]), 1e-300) * direction[0]

    def _run(self, rows: NearestRows, disjuncts: Integers, x: Floats) -> None:
        method = self.method
        for _ in range(method.gradient_steps):
            margin, normal = self._approach(rows, x, disjuncts)
            with timed(rows.states):
                x = self._step(rows, x, margin, normal)
            unsafe = rows.margins(x).min(axis=1) <= 0
            back = rows.center + method.beta * (x - rows.center)
            x = np.where(unsafe[:, None], back, x)
            kept = rows.open()
            if not kept.size:
                return
            if len(kept) < len(rows):
                rows, x, disjuncts = rows.take(kept), x[kept], disjuncts[kept]
        rows.search_segments(method.final_search)

    @staticmethod
    def _approach(rows: NearestRows, x: Floats, disjuncts: Integers) -> tuple[Floats, Floats]:
        """The hyperplane that each row approaches: margins (n,) and their gradients (n, d)."""
        if disjuncts.shape[1] > 1:
            return nearest_hyperplanes(rows, x, disjuncts)
        found = rows.oracle.evaluate(x, OneMargin(disjuncts[:, 0]))
        return found.losses.astype(x.dtype), rows.along(found.gradient)

    def _step(self, rows: NearestRows, x: Floats, margin: Floats, normal: Floats) -> Floats:
        """The next points (n, d)."""
        norm, center, eta = rows.norm, rows.center, self.method.eta
        at_center = margin + (normal * (center - x)).sum(axis=1)
        low, high = rows.lower - x, rows.upper - x
        from_x = norm.step_to_hyperplane(normal, -margin, low, high)
        low, high = rows.lower - center, rows.upper - center
        from_center = norm.step_to_hyperplane(normal, -at_center, low, high)
        length, at_least = rows.lengths(from_x), rows.lengths(from_center)
        share = length / np.maximum(length + at_least, 1e-300)
        alpha = np.minimum(share, self.method.alpha_max).astype(x.dtype)[:, None]
        return rows.clip((1 - alpha) * (x + eta * from_x) + alpha * (center + eta * from_center))
