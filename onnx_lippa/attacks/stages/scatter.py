"""Random points of the ball, for inputs of few features, where chance goes far."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final, final

import numpy as np

from onnx_lippa.arrays import Float64
from onnx_lippa.attacks.ledger import EndPoint, Ledger
from onnx_lippa.attacks.outcome import FoundBy
from onnx_lippa.attacks.stages.base import Stage

MOST_FEATURES: Final = 32
"""Above as many free features random points say little, and the stage does nothing."""
_AT_FIRST: Final = 64
_AT_MOST: Final = 4096
"""Points drawn together: few at first, since a network may be large."""
_KEPT: Final = 8
"""Points of the least margin that are remembered for each disjunct."""


@final
@dataclass(frozen=True)
class Scatter(Stage):
    """Draws points of ball and box, and keeps the best of them as end points of round 0.

    Attributes:
        points: how many points.
        seconds: time after which no more are drawn.
    """

    points: int
    seconds: float

    def run(self, ledger: Ledger) -> None:
        """See :meth:`Stage.run`."""
        for position in ledger.unbroken():
            if ledger.progress[position].problem.inputs.free_features <= MOST_FEATURES:
                with ledger.timed([position]):
                    self._scatter(ledger, position)

    def _scatter(self, ledger: Ledger, position: int) -> None:
        entry = ledger.progress[position]
        problem = entry.problem
        generator = problem.generator(ledger.settings.seed, 2000)
        network = ledger.model.values  # compiled on first use, which is no part of the seconds
        started = time.monotonic()
        limit = min(self.seconds, ledger.remaining(entry))
        drawn, count = 0, _AT_FIRST
        while drawn < self.points and time.monotonic() - started < limit:
            x = problem.inputs.sampled(generator, count)
            margins = problem.unsafe.margins(network.logits(x))
            if _keep_best(ledger, position, x, margins):
                return
            drawn, count = drawn + count, min(2 * count, _AT_MOST)


def _keep_best(ledger: Ledger, position: int, x: Float64, margins: Float64) -> bool:
    """Remembers the best points of each disjunct; True where one of them is a witness."""
    entry = ledger.progress[position]
    for j in range(margins.shape[1]):
        for row in np.argsort(margins[:, j], kind="stable")[:_KEPT]:
            least = float(margins[row, j])
            if least <= 0 and ledger.accept(position, x[row], FoundBy.SAMPLING):
                return True
            entry.remember([EndPoint(least, j, x[row], 0)])
    return False
