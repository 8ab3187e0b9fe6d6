"""Rounds of PGD runs from different starting points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple, final

import numpy as np
from typing_extensions import override

from onnx_lippa.arrays import Float64, Floats
from onnx_lippa.attacks.stages.pgd import Balls, MomentumPgd, attack_rows
from onnx_lippa.attacks.stages.state import (
    AttackBatch,
    AttackStage,
    AttackState,
    Stream,
    batch_size,
)
from onnx_lippa.state import Work, timed

_ROWS: Final = 384
"""Rows run together: few enough to stay in the processor's cache."""
_DIVERSE_STEPS: Final = 3
"""Steps along a random weighting of the logits: enough to reach another part of the ball."""


class Start(Enum):
    """Kinds of starting points.

    CLEAN is the clean input. DIVERSE follows a random weighting of the logits
    (output-diversified initialisation; Tashiro, Song, Ermon 2020), FAR is a random point far out
    on the ball, OTHER a random point near the end point of another run.
    """

    CLEAN = "clean"
    DIVERSE = "diverse"
    FAR = "far"
    OTHER = "other"


class Run(NamedTuple):
    """One PGD run: an attack, a disjunct, and its number among the runs on that disjunct."""

    attack: AttackState
    disjunct: int
    copy: int


@final
@dataclass(frozen=True)
class PgdRound(AttackStage):
    """PGD runs on the nearest disjuncts of each input.

    Attributes:
        round: number of the round.
        start: where its runs start.
        disjuncts: how many of each input's disjuncts, the nearest first; None for all.
        steps: steps of a run.
        max_relative_margin: inputs whose :attr:`AttackState.relative_margin` is not below this
            are left out.
        copies: runs on each disjunct, each from a start of its own.
    """

    round: int
    start: Start
    disjuncts: int | None
    steps: int
    max_relative_margin: float = np.inf
    copies: int = 1

    @override
    def run(self, batch: AttackBatch) -> None:
        chunk: list[Run] = []
        for attack in batch.unbroken(self.max_relative_margin):
            runs = self._runs(attack)
            if attack.state.problem.claim is not None:
                self._run_in_parts(runs)
                continue
            # An input's runs stay together: which one breaks it must not depend on other inputs.
            chunk += runs
            if len(chunk) >= _ROWS:
                self._run(chunk)
                chunk = []
        if chunk:
            self._run(chunk)

    def _run_in_parts(self, runs: Sequence[Run]) -> None:
        """Runs on a property, whose disjuncts may be many: some after the others."""
        attack = runs[0].attack
        together = batch_size(attack.model.network, _ROWS)
        for first in range(0, len(runs), together):
            if attack.is_unbroken:
                self._run(runs[first : first + together])

    def _runs(self, attack: AttackState) -> list[Run]:
        count = self.disjuncts or len(attack.disjuncts)
        return [
            Run(attack, j, copy)
            for j in attack.nearest_disjuncts(count)
            for copy in range(self.copies)
        ]

    def _run(self, runs: Sequence[Run]) -> None:
        attacks, disjuncts, _ = zip(*runs, strict=True)
        with timed([attack.state for attack in attacks], Work.GRADIENTS):
            starts = draw_starts(self.start, runs, self.round)
        attack_rows(attacks, disjuncts, starts, MomentumPgd(), self.steps, round_=self.round)


def draw_starts(start: Start, runs: Sequence[Run], round_: int) -> list[Float64]:
    """The starting point (d,) of each run, inside ball and domain.

    Random numbers depend on the seed, the input, the round, the disjunct and the copy only.
    """
    if start is Start.CLEAN:
        return [run.attack.inputs.center for run in runs]
    generators = [
        run.attack.generator(Stream.PGD_STARTS, round_, run.disjunct, run.copy) for run in runs
    ]
    points = [
        _draw_point(start, run.attack, generator)
        for run, generator in zip(runs, generators, strict=True)
    ]
    if start is Start.DIVERSE:
        return _diversify([run.attack for run in runs], points, generators)
    return points


def _draw_point(start: Start, attack: AttackState, generator: np.random.Generator) -> Float64:
    inputs = attack.inputs
    if start is Start.FAR:
        x = inputs.center + inputs.eps * inputs.norm.sample_extreme(generator, inputs.size)
    else:
        base, radius = inputs.center, inputs.eps
        if start is Start.OTHER and attack.end_points:
            other = attack.end_points[int(generator.integers(len(attack.end_points)))]
            base, radius = other.x, 0.5 * inputs.eps
        x = base + radius * inputs.norm.sample(generator, inputs.size)
    return inputs.project(x[None])[0]


def _diversify(
    attacks: Sequence[AttackState], points: list[Float64], generators: list[np.random.Generator]
) -> list[Float64]:
    """The points after some full-length steps that increase random combinations of logits."""
    inputs, model = [attack.inputs for attack in attacks], attacks[0].model
    weighting = np.array([g.uniform(-1.0, 1.0, model.network.output_size) for g in generators])
    balls = Balls.of(inputs, np.dtype(np.float64))
    x: Floats = np.array(points)
    for _ in range(_DIVERSE_STEPS):
        _, gradient = model.gradient.value_and_gradient(x, weighting)
        x = balls.project(x + balls.eps[:, None] * balls.norm.steepest_descent(-gradient))
    return [row.astype(np.float64) for row in x]
