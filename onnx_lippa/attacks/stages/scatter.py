"""Random points of the ball, for inputs of few features, where chance goes far."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final, final

import numpy as np

from onnx_lippa.arrays import Float64, Integers
from onnx_lippa.attacks.batches import points_at_once
from onnx_lippa.attacks.ledger import EndPoint, Ledger
from onnx_lippa.attacks.stages.base import Stage
from onnx_lippa.witness import FoundBy

MOST_FEATURES: Final = 32
"""Above as many free features random points say little, and the stage does nothing."""
_AT_FIRST: Final = 64
_AT_MOST: Final = 4096
"""Points drawn together: few at first, since a network may be large."""
_KEPT: Final = 8
"""Points of the least margin that are remembered for each disjunct."""
_DISJUNCTS: Final = 24
"""Disjuncts looked at after each draw, the nearest first: a ledger keeps no more end points."""


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
                with ledger.timed([position]) as deadline:
                    self._scatter(ledger, position, deadline)

    def _scatter(self, ledger: Ledger, position: int, deadline: float) -> None:
        problem = ledger.progress[position].problem
        generator = problem.generator(ledger.settings.seed, "scatter")
        most = points_at_once(ledger.model.network, _AT_MOST)
        network = ledger.model.values  # compiled on first use, which is no part of the seconds
        last = min(deadline, time.monotonic() + self.seconds)
        drawn, count = 0, min(_AT_FIRST, most)
        while drawn < self.points and time.monotonic() < last:
            x = problem.inputs.sampled(generator, count)
            margins = problem.unsafe.margins(network.logits(x))
            if _keep_best(ledger, position, x, margins):
                return
            drawn, count = drawn + count, min(2 * count, most)


def _keep_best(ledger: Ledger, position: int, x: Float64, margins: Float64) -> bool:
    """Remembers the best points of the nearest disjuncts; True where one of them is a witness."""
    points: list[EndPoint] = []
    margins = np.where(np.isnan(margins), np.inf, margins)
    for j in np.argsort(margins.min(axis=0), kind="stable")[:_DISJUNCTS]:
        for row in _least(margins[:, j], _KEPT):
            least = float(margins[row, j])
            if least <= 0 and ledger.accept(position, x[row], FoundBy.SAMPLING):
                return True
            points.append(EndPoint(least, int(j), x[row].copy(), 0))
    ledger.progress[position].remember(points)
    return False


def _least(values: Float64, count: int) -> Integers:
    """Places of the least values, in order."""
    places = np.arange(len(values))
    if len(values) > count:
        places = np.sort(np.argpartition(values, count)[:count])
    return places[np.argsort(values[places], kind="stable")]
