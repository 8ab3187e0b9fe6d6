"""From where walks ended to the points of a grid around it, feature by feature."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final, final

import numpy as np

from onnx_lippa.arrays import Float64
from onnx_lippa.attacks.coordinates import Coordinates
from onnx_lippa.attacks.ledger import EndPoint, Ledger, Progress
from onnx_lippa.attacks.stages.base import Stage
from onnx_lippa.spec import InputSet
from onnx_lippa.witness import FoundBy

_FEW_FEATURES: Final = 128
_NEAR: Final = 0.3
"""The points of the grid are among those that walks may use, so of many features only end points
that are unsafe themselves count. With as few as these, a start costs next to nothing: the clean
input is one as well, and so are end points whose margin is below this share of the clean one."""
_SHRINKS: Final = (0.8, 0.95, 0.99)
"""Radii tried when minimising, as shares of the best distance; then the one just below it, unless
some features take any value, so that there is no next smaller distance."""
_ROUNDS: Final = 64


@final
@dataclass(frozen=True)
class GridSearch(Stage):
    """Snaps the best end points to the grid and moves features as long as the margin falls.

    A walk ends between the points of the grid, and the nearest one may be far from unsafe where
    the steps are large. When minimising, the search goes on in ever smaller balls.

    Attributes:
        round: the round of walks whose end points count; None for all of them.
        starts: how many of them, one for each disjunct before a second one for any.
        steps: moves from one start.
        clean: whether to begin at a clean input of few features as well, towards the nearest
            disjuncts.
    """

    round: int | None
    starts: int
    steps: int
    clean: bool = False

    def run(self, ledger: Ledger) -> None:
        """See :meth:`Stage.run`."""
        for position in ledger.unsettled():
            with ledger.timed([position]):
                entry = ledger.progress[position]
                deadline = ledger.deadline([position])
                if entry.state.witness is None:
                    for x, disjunct in self._starts(entry):
                        if self._descend(
                            ledger, position, entry.state.problem.inputs, x, disjunct, deadline
                        ):
                            break
                if ledger.settings.minimize:
                    self._shrink(ledger, position, deadline)

    def _starts(self, entry: Progress) -> list[tuple[Float64, int]]:
        clean = entry.clean_margins
        few = entry.state.problem.inputs.free_features <= _FEW_FEATURES
        near = _NEAR if few else 0.0
        points = [
            point
            for point in entry.end_points
            if self.round in (None, point.round) and point.margin <= near * clean[point.disjunct]
        ]
        order = sorted(range(len(points)), key=lambda i: _turn(points[:i], points[i]))
        chosen = [points[i] for i in order[: self.starts]]
        starts = [(point.x.astype(np.float64), point.disjunct) for point in chosen]
        if self.clean and few:
            center = entry.state.problem.inputs.center
            starts += [(center, j) for j in entry.nearest_disjuncts(self.starts)]
        return starts

    def _descend(
        self,
        ledger: Ledger,
        position: int,
        inputs: InputSet,
        x: Float64,
        disjunct: int,
        deadline: float,
    ) -> bool:
        """Greedy moves from the grid points next to x; True where they end in a witness."""
        unsafe = ledger.progress[position].state.problem.unsafe
        search = Coordinates(ledger.model, inputs, unsafe.disjuncts[disjunct])
        point, margin = search.start(x)
        for left in range(self.steps, 0, -1):
            if margin <= 0 and ledger.accept(position, point, FoundBy.GRID):
                return True
            if time.monotonic() > deadline:
                return False
            moved = search.improved(point, margin)
            if moved is None or moved[1] > left * (margin - moved[1]):
                return False  # at this pace it would not get there
            point, margin = moved
        return margin <= 0 and ledger.accept(position, point, FoundBy.GRID)

    def _shrink(self, ledger: Ledger, position: int, deadline: float) -> None:
        """Searches smaller and smaller balls, each from the last witness."""
        entry = ledger.progress[position]
        inputs = entry.state.problem.inputs
        anywhere = (inputs.lower < inputs.upper) & inputs.takes_any_value
        shares = _SHRINKS if anywhere.any() else (*_SHRINKS, 1.0)
        for _ in range(_ROUNDS):
            if entry.state.witness is None or entry.state.witness.distance == entry.stuck:
                return
            if not any(self._nearer(ledger, position, share, deadline) for share in shares):
                entry.stuck = entry.state.witness.distance

    def _nearer(self, ledger: Ledger, position: int, share: float, deadline: float) -> bool:
        entry = ledger.progress[position]
        if entry.state.witness is None or time.monotonic() > deadline:
            return False
        inputs = entry.state.problem.inputs.with_eps(
            float(np.nextafter(share * entry.state.witness.distance, 0.0))
        )
        x = entry.state.witness.x.astype(np.float64)
        targets = [disjunct.target for disjunct in entry.state.problem.unsafe.disjuncts]
        return self._descend(
            ledger, position, inputs, x, targets.index(entry.state.target), deadline
        )


def _turn(before: list[EndPoint], point: EndPoint) -> int:
    """How many of the points before are after the same disjunct."""
    return sum(other.disjunct == point.disjunct for other in before)
