"""A round of gradient walks, batched over inputs and disjuncts."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final, final

import numpy as np

from onnx_lippa.arrays import Float32, Float64
from onnx_lippa.attacks.explore import explore
from onnx_lippa.attacks.ledger import EndPoint, Ledger, Progress
from onnx_lippa.attacks.methods import GradientMethod
from onnx_lippa.attacks.outcome import FoundBy
from onnx_lippa.attacks.rows import rows_for
from onnx_lippa.attacks.stages.base import PROMISING, Stage

_ROWS: Final = 384
"""Rows walked together: few enough to stay in the processor's cache."""


@final
@dataclass(frozen=True)
class Walks(Stage):
    """Walks from one start for each of the nearest disjuncts.

    Round 0 starts at the clean input. Later rounds alternate between far-out random points of
    the ball and the end points of walks after other disjuncts, and leave out the inputs that no
    walk has brought near.

    Attributes:
        round: number of the round.
        disjuncts: how many of each problem's disjuncts, the nearest first; None for all.
        method: how a walk moves.
        steps: its steps.
    """

    round: int
    disjuncts: int | None
    method: GradientMethod
    steps: int

    def run(self, ledger: Ledger) -> None:
        """See :meth:`Stage.run`."""
        entries = ledger.progress
        chosen = [
            i
            for i in ledger.unsettled()
            if self.round <= 1 or entries[i].closeness() < PROMISING
        ]
        pairs = [
            (i, j)
            for i in chosen
            for j in entries[i].nearest_disjuncts(
                self.disjuncts or len(entries[i].problem.unsafe.disjuncts)
            )
        ]
        for first in range(0, len(pairs), _ROWS):
            # An input's walks may fall into two chunks; the second skips it once it is settled.
            live = [
                (i, j) for i, j in pairs[first : first + _ROWS] if entries[i].witness is None
            ]
            if live:
                self._walk(ledger, live)

    def _walk(self, ledger: Ledger, pairs: list[tuple[int, int]]) -> None:
        entries = ledger.progress
        owners = [i for i, _ in pairs]

        def accept(position: int, x: Float32, disjunct: int) -> bool:
            return ledger.accept(position, x, disjunct, FoundBy.GRADIENT)

        with ledger.timed(owners):
            starts = [self._start(entries[i], j, ledger.settings.seed) for i, j in pairs]
            rows = rows_for([entry.problem for entry in entries], pairs, starts)
            limit = min(ledger.remaining(entries[i]) for i in owners) * len(set(owners))
            walked = explore(
                ledger.model.gradient, rows, self.method, self.steps, accept,
                time.monotonic() + limit,
            )  # fmt: skip
        for place, (i, j) in enumerate(pairs):
            point = EndPoint(float(walked.margin[place]), j, walked.best[place], self.round)
            entries[i].remember([point])

    def _start(self, entry: Progress, disjunct: int, seed: int) -> Float64:
        inputs = entry.problem.inputs
        if self.round == 0:
            return inputs.center
        generator = entry.problem.generator(seed, self.round, disjunct)
        if self.round % 2 == 1 or not entry.end_points:
            x = inputs.center + inputs.eps * inputs.norm.sample_extreme(generator, inputs.size)
        else:
            other = entry.end_points[int(generator.integers(len(entry.end_points)))]
            noise = inputs.norm.sample(generator, inputs.size)
            x = other.x.astype(np.float64) + 0.5 * inputs.eps * noise
        project = inputs.norm.projector(
            inputs.center[None], np.array([inputs.eps]), inputs.lower, inputs.upper
        )
        moved: Float64 = project(x[None])[0]
        return moved
