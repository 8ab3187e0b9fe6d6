"""Random points of the ball, for inputs of few features, where chance goes far."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final, final

import numpy as np

from onnx_lippa.arrays import Float64, Integers
from onnx_lippa.attacks.batches import points_at_once, work_of
from onnx_lippa.attacks.ledger import EndPoint, Ledger
from onnx_lippa.attacks.stages.base import Stage
from onnx_lippa.witness import FoundBy

MOST_FEATURES: Final = 32
"""Above as many free features random points say little, and the stage does nothing."""
_AT_FIRST: Final = 64
_AT_MOST: Final = 4096
"""Points drawn together: few at first, since a network may be large."""
_WORK: Final = 1 << 25
"""Multiplications for points without a limit of time; a hundredth of a second."""
_KEPT: Final = 8
"""Points of the least margin that are remembered for each disjunct."""
_DISJUNCTS: Final = 24
"""Disjuncts looked at after each draw, the nearest first: a ledger keeps no more end points."""


@final
@dataclass(frozen=True)
class Scatter(Stage):
    """Draws points of ball and box, and keeps the best of them as end points of round 0.

    Where the distance is minimised, they are drawn from balls of all sizes up to what is allowed,
    and the nearest unsafe ones are kept.

    Attributes:
        points: how many points; fewer of a large network, unless there is a limit of time.
        seconds: time after which no more are drawn.
    """

    points: int
    seconds: float = np.inf

    def run(self, ledger: Ledger) -> None:
        """See :meth:`Stage.run`."""
        if ledger.settings.minimize:
            for position in ledger.unsettled():
                if ledger.progress[position].state.problem.inputs.free_features <= MOST_FEATURES:
                    with ledger.timed([position]):
                        self._scatter_at_all_distances(ledger, position)
            return
        for position in ledger.unbroken():
            if ledger.progress[position].state.problem.inputs.free_features <= MOST_FEATURES:
                with ledger.timed([position]) as deadline:
                    self._scatter(ledger, position, deadline)

    def _scatter(self, ledger: Ledger, position: int, deadline: float) -> None:
        problem = ledger.progress[position].state.problem
        generator = problem.inputs.generator(ledger.settings.seed, "scatter")
        most = points_at_once(ledger.model.network, _AT_MOST)
        network = ledger.model.values  # compiled on first use, which is no part of the seconds
        last = min(deadline, time.monotonic() + self.seconds)
        drawn, count = 0, min(_AT_FIRST, most)
        wanted = self._affordable(ledger)
        while drawn < wanted and time.monotonic() < last:
            x = problem.inputs.sample(generator, count)
            margins = problem.unsafe.margins(network.forward(x))
            if _keep_best(ledger, position, x, margins):
                return
            drawn, count = drawn + count, min(2 * count, most)

    def _affordable(self, ledger: Ledger) -> int:
        if np.isfinite(self.seconds):
            return self.points
        return min(self.points, _WORK // work_of(ledger.model.network))

    def _scatter_at_all_distances(self, ledger: Ledger, position: int) -> None:
        entry, count = ledger.progress[position], self._affordable(ledger)
        inputs = entry.state.problem.inputs
        inputs = inputs.with_eps(min(inputs.eps, inputs.widest))
        generator = entry.state.problem.inputs.generator(ledger.settings.seed, "scatter")
        # Nearer ones are drawn as often as far ones: as shares of the ball, and of the box.
        points = inputs.sample(generator, count)
        box = np.isfinite(inputs.upper - inputs.lower)
        whole = generator.uniform(size=points.shape)
        whole = np.where(box, inputs.lower + whole * np.where(box, inputs.upper - inputs.lower, 0),
                         points)  # fmt: skip
        points = np.where(np.arange(count)[:, None] % 2 == 0, points, inputs.project(whole))
        shares = generator.uniform(size=(count, 1))
        points = inputs.center + shares * (points - inputs.center)
        if not count:
            return
        margins = entry.state.problem.unsafe.margins(ledger.model.values.forward(points))
        margins = np.where(np.isnan(margins), np.inf, margins)
        lengths = inputs.norm.lengths(points - inputs.center)
        for j in range(margins.shape[1]):
            unsafe = np.flatnonzero(margins[:, j] < 0)
            for row in unsafe[np.argsort(lengths[unsafe], kind="stable")[:_KEPT]]:
                if ledger.accept(position, points[row], FoundBy.SAMPLING):
                    break


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
