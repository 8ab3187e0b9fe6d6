"""Rounds of PGD runs from different starting points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, NamedTuple, final

import numpy as np
from typing_extensions import override

from onnx_lippa.arrays import Float64, Floats
from onnx_lippa.attacks.pgd import MomentumPgd, StepRule, attack_rows, make_rows
from onnx_lippa.attacks.state import AttackBatch, AttackState, EndPoint, Stage, Stream, batch_size
from onnx_lippa.onnx_io import Model
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
class PgdRound(Stage):
    """PGD runs on the nearest disjuncts of each input.

    Attributes:
        round: number of the round.
        start: where its runs start.
        disjuncts: how many of each input's disjuncts, the nearest first; None for all.
        steps: steps of a run.
        max_relative_margin: inputs whose :attr:`AttackState.relative_margin` is not below this
            are left out.
        copies: runs on each disjunct, each from a start of its own.
        rule: how a run moves.
    """

    round: int
    start: Start
    disjuncts: int | None
    steps: int
    max_relative_margin: float = np.inf
    copies: int = 1
    rule: StepRule = field(default_factory=MomentumPgd)

    @override
    def run(self, batch: AttackBatch) -> None:
        chunk: list[Run] = []
        for attack in batch.unbroken():
            if attack.relative_margin >= self.max_relative_margin:
                continue
            if attack.state.problem.claim is not None:
                self._run_in_parts(batch.model, attack)
                continue
            # An input's runs stay together: which one breaks it must not depend on other inputs.
            chunk += self._runs(attack)
            if len(chunk) >= _ROWS:
                self._run(batch.model, chunk)
                chunk = []
        if chunk:
            self._run(batch.model, chunk)

    def _run_in_parts(self, model: Model, attack: AttackState) -> None:
        """Runs on a property, whose disjuncts may be many: some after the others."""
        runs, together = self._runs(attack), batch_size(model.network, _ROWS)
        for first in range(0, len(runs), together):
            if attack.is_unbroken:
                self._run(model, runs[first : first + together])

    def _runs(self, attack: AttackState) -> list[Run]:
        count = self.disjuncts or len(attack.state.problem.unsafe.disjuncts)
        return [
            Run(attack, j, copy)
            for j in attack.nearest_disjuncts(count)
            for copy in range(self.copies)
        ]

    def _run(self, model: Model, runs: Sequence[Run]) -> None:
        attacks = [run.attack for run in runs]
        with timed([attack.state for attack in attacks], Work.GRADIENTS):
            starts = draw_starts(self.start, model, runs, self.round)
            rows = make_rows(
                [attack.state.problem for attack in attacks], [run.disjunct for run in runs], starts
            )
        found = attack_rows(model.gradient, attacks, rows, self.rule, self.steps)
        for place, run in enumerate(runs):
            margin, x = float(found.margin[place]), found.best[place]
            run.attack.remember([EndPoint(margin, run.disjunct, x, self.round)])


def draw_starts(start: Start, model: Model, runs: Sequence[Run], round_: int) -> list[Float64]:
    """The starting point (d,) of each run, inside ball and domain.

    Random numbers depend on the seed, the input, the round, the disjunct and the copy only.
    """
    if start is Start.CLEAN:
        return [run.attack.state.problem.inputs.center for run in runs]
    generators = [
        run.attack.generator(Stream.PGD_STARTS, round_, run.disjunct, run.copy) for run in runs
    ]
    points = [
        _draw_point(start, run.attack, generator)
        for run, generator in zip(runs, generators, strict=True)
    ]
    if start is Start.DIVERSE:
        return _diversify(model, runs, points, generators)
    return points


def _draw_point(start: Start, attack: AttackState, generator: np.random.Generator) -> Float64:
    inputs = attack.state.problem.inputs
    if start is Start.FAR:
        x = inputs.center + inputs.eps * inputs.norm.sample_extreme(generator, inputs.size)
    else:
        base, radius = inputs.center, inputs.eps
        if start is Start.OTHER and attack.end_points:
            other = attack.end_points[int(generator.integers(len(attack.end_points)))]
            base, radius = other.x.astype(np.float64), 0.5 * inputs.eps
        x = base + radius * inputs.norm.sample(generator, inputs.size)
    project = inputs.norm.projector(
        inputs.center[None], np.array([inputs.eps]), inputs.lower, inputs.upper
    )
    moved: Float64 = project(x[None])[0]
    return moved


def _diversify(
    model: Model,
    runs: Sequence[Run],
    points: list[Float64],
    generators: list[np.random.Generator],
) -> list[Float64]:
    """The points after some full-length steps that increase random combinations of logits."""
    inputs = [run.attack.state.problem.inputs for run in runs]
    weighting = np.array([g.uniform(-1.0, 1.0, model.network.output_size) for g in generators])
    center = np.array([one.center for one in inputs])
    eps = np.array([one.eps for one in inputs])
    domain = np.array([one.lower for one in inputs]), np.array([one.upper for one in inputs])
    norm = inputs[0].norm
    project = norm.projector(center, eps, *domain)
    x: Floats = np.array(points)
    for _ in range(_DIVERSE_STEPS):
        _, gradient = model.gradient.value_and_gradient(x, weighting)
        x = project(x + eps[:, None] * norm.steepest_descent(-gradient))
    return [row.astype(np.float64) for row in x]
