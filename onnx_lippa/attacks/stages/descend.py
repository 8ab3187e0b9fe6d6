"""LPSteps from region to region: downhill across the faces on which each optimum lies."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

import numpy as np

from onnx_lippa.arrays import Float64
from onnx_lippa.attacks.batches import points_at_once
from onnx_lippa.attacks.ledger import EndPoint, Ledger
from onnx_lippa.attacks.stages.base import Stage
from onnx_lippa.attacks.stages.lp_step import margin_step
from onnx_lippa.witness import FoundBy

_NEIGHBOURS: Final = 512
"""Points tried around an optimum, in all sizes of neighbourhood together."""
_WIDEST: Final = 0.1
_NARROWEST: Final = 1e-7
"""Sizes of the neighbourhood, as shares of the ball."""
_CROSSED: Final = 3
"""Regions entered from one optimum, the most promising first."""


@final
@dataclass(frozen=True)
class Descend(Stage):
    """Solves the region of each of the best end points, then the best of its neighbours, ...

    An optimum lies on faces of its region. Points scattered closely around it lie in the regions
    behind these faces; of those not solved before, the ones with the least margin are next. A
    descent ends where no neighbour is better. With few features each region costs a millisecond,
    and this finds what neither gradients, which follow one inequality at a time, nor chance do.

    Attributes:
        starts: how many end points.
        lp_steps: LPSteps for one start.
        most_features: inputs with more free features are left out.
    """

    starts: int
    lp_steps: int
    most_features: int

    def run(self, ledger: Ledger) -> None:
        """See :meth:`Stage.run`."""
        for position in ledger.unbroken():
            entry = ledger.progress[position]
            if entry.state.problem.inputs.free_features > self.most_features:
                continue
            points = list(entry.end_points)
            # One start for each disjunct before a second one for any.
            order = sorted(range(len(points)), key=lambda i: _turn(points[:i], points[i].disjunct))
            for i in order[: self.starts]:
                if position not in ledger.unbroken():
                    break
                start = points[i].x.astype(np.float64)
                self._descend(ledger, position, start, points[i].disjunct)

    def _descend(self, ledger: Ledger, position: int, x: Float64, disjunct: int) -> None:
        entry = ledger.progress[position]
        last = entry.state.effort.lp_steps + self.lp_steps
        frontier, least = [x], np.inf
        while frontier and entry.state.effort.lp_steps < last and position in ledger.unbroken():
            point = frontier.pop(0)
            with ledger.timed([position]):
                pattern = ledger.model.network.pattern(point)
            optimum = margin_step(ledger, position, pattern, disjunct)
            if optimum is None or not optimum.found or optimum.margin >= least - 1e-12:
                continue
            least = optimum.margin
            with ledger.timed([position]) as deadline:
                found = self._neighbours(ledger, position, optimum.x, disjunct, deadline)
                frontier = found + frontier

    def _neighbours(
        self, ledger: Ledger, position: int, x: Float64, disjunct: int, deadline: float
    ) -> list[Float64]:
        """Points of the least margin around x, in different regions not solved before."""
        entry = ledger.progress[position]
        inputs, unsafe = entry.state.problem.inputs, entry.state.problem.unsafe.disjuncts[disjunct]
        generator = entry.state.problem.inputs.generator(
            ledger.settings.seed, "neighbours", entry.state.effort.lp_steps
        )
        sizes = np.geomspace(_NARROWEST, _WIDEST, _NEIGHBOURS)[:, None]
        steps = inputs.sample(generator, _NEIGHBOURS) - inputs.center
        around = inputs.project(x + sizes * steps)
        margins = np.full(_NEIGHBOURS, np.inf)
        together = points_at_once(ledger.model.network, _NEIGHBOURS)
        for first in range(0, _NEIGHBOURS, together):
            if time.monotonic() > deadline:
                return []
            part = slice(first, first + together)
            margins[part] = unsafe.margins(ledger.model.values.forward(around[part]))
        chosen: list[Float64] = []
        seen: set[bytes] = set()
        for row in np.argsort(margins, kind="stable"):
            if time.monotonic() > deadline:
                break
            if margins[row] <= 0 and ledger.accept(position, around[row], FoundBy.SAMPLING):
                return []
            key = ledger.model.network.pattern(around[row]).key
            if key not in seen and (key, disjunct) not in entry.visited:
                seen.add(key)
                chosen.append(around[row])
            if len(chosen) == _CROSSED:
                break
        return chosen


def _turn(before: Sequence[EndPoint], disjunct: int) -> int:
    """How many of the points before are after the same disjunct."""
    return sum(point.disjunct == disjunct for point in before)
