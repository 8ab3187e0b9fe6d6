"""A round of gradient walks, batched over inputs and disjuncts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, final

import numpy as np

from onnx_lippa.arrays import Floats
from onnx_lippa.attacks.batches import points_at_once
from onnx_lippa.attacks.explore import explore
from onnx_lippa.attacks.ledger import EndPoint, Ledger
from onnx_lippa.attacks.methods import GradientMethod, MomentumPgd
from onnx_lippa.attacks.rows import rows_for
from onnx_lippa.attacks.stages.base import Stage
from onnx_lippa.attacks.stages.starts import Pair, Start, starting_points
from onnx_lippa.state import Work
from onnx_lippa.witness import FoundBy

_ROWS: Final = 384
"""Rows walked together: few enough to stay in the processor's cache."""


@final
@dataclass(frozen=True)
class Walks(Stage):
    """Walks from one start for each of the nearest disjuncts.

    Attributes:
        round: number of the round.
        start: where its walks begin.
        disjuncts: how many of each problem's disjuncts, the nearest first; None for all.
        steps: steps of a walk.
        closeness: inputs that no walk has brought nearer than this are left out (see
            :meth:`Progress.closeness`).
        copies: walks for each input and disjunct, each from a start of its own.
        method: how a walk moves.
    """

    round: int
    start: Start
    disjuncts: int | None
    steps: int
    closeness: float = np.inf
    copies: int = 1
    method: GradientMethod = field(default_factory=MomentumPgd)

    def run(self, ledger: Ledger) -> None:
        """See :meth:`Stage.run`."""
        chunk: list[Pair] = []
        for i in ledger.unbroken():
            entry = ledger.progress[i]
            if entry.closeness() >= self.closeness:
                continue
            if entry.state.problem.claim is not None:
                self._search(ledger, i)
                continue
            # An input's walks stay together: which one settles it must not depend on others.
            chunk += self._pairs(ledger, i)
            if len(chunk) >= _ROWS:
                self._walk(ledger, chunk)
                chunk = []
        if chunk:
            self._walk(ledger, chunk)

    def _search(self, ledger: Ledger, position: int) -> None:
        """Walks for a property, of which there may be any number: some after the others."""
        pairs = self._pairs(ledger, position)
        together = points_at_once(ledger.model.network, _ROWS)
        for first in range(0, len(pairs), together):
            if position in ledger.unbroken():
                self._walk(ledger, pairs[first : first + together])

    def _pairs(self, ledger: Ledger, position: int) -> list[Pair]:
        entry = ledger.progress[position]
        count = self.disjuncts or len(entry.state.problem.unsafe.disjuncts)
        return [
            (position, j, copy)
            for j in entry.nearest_disjuncts(count)
            for copy in range(self.copies)
        ]

    def _walk(self, ledger: Ledger, pairs: list[Pair]) -> None:
        entries = ledger.progress
        owners = [i for i, _, _ in pairs]

        def accept(position: int, x: Floats) -> bool:
            return ledger.accept(position, x, FoundBy.GRADIENT)

        with ledger.timed(owners, Work.GRADIENTS) as deadline:
            starts = starting_points(self.start, ledger, pairs, self.round)
            rows = rows_for(
                [entry.state.problem for entry in entries], [(i, j) for i, j, _ in pairs], starts
            )
            walked = explore(ledger.model.gradient, rows, self.method, self.steps, accept, deadline)
        ledger.count_gradients(owners, walked.gradients)
        for place, (i, j, _) in enumerate(pairs):
            point = EndPoint(float(walked.margin[place]), j, walked.best[place], self.round)
            entries[i].remember([point])
