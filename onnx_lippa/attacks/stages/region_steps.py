"""LPSteps at a fixed radius: in the regions where PGD runs end, and from region to region.

The network is affine on a linear region. An LPStep minimises a disjunct's margin over the part of
the region within ball and domain, and offers the optimum as a candidate.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final, final

import numpy as np
from typing_extensions import override

from onnx_lippa.arrays import Float64
from onnx_lippa.attacks.stages.random_search import MOST_FEATURES
from onnx_lippa.attacks.stages.state import (
    AttackBatch,
    AttackStage,
    AttackState,
    StepKind,
    Stream,
    batch_size,
    spread_over_disjuncts,
)
from onnx_lippa.ir.pattern import ActivationPattern
from onnx_lippa.lp.engine import Optimum
from onnx_lippa.lp.region import LinearRegion
from onnx_lippa.state import Work, timed
from onnx_lippa.witness import Effort, FoundBy

_ROUNDING: Final = 1e-9
"""In a property a tie may count. An optimum that is one may come out this much above it."""
_NEIGHBOURS: Final = 512
"""Points sampled around an optimum, in all sizes of neighbourhood together."""
_WIDEST: Final = 0.1
_NARROWEST: Final = 1e-7
"""Sizes of the neighbourhood, as shares of the ball."""
_CROSSED: Final = 3
"""Regions entered from one optimum, the most promising first."""
_DESCENT: Final = 1e-12
"""What a margin must fall by to be a better one: the regions are neighbours."""


def margin_step(attack: AttackState, pattern: ActivationPattern, disjunct: int) -> Optimum | None:
    """Minimises the margin over a region and offers the optimum.

    Returns:
        The optimum, or None where this region was solved before for this disjunct.
    """
    if not attack.enter(pattern, disjunct):
        return None
    state = attack.state
    with timed([state], Work.LPS) as deadline:
        region = LinearRegion(attack.model.network, pattern)
        left = deadline - time.monotonic()
        optimum = attack.session.least_margin(region, attack.disjuncts[disjunct], left)
    state.effort += Effort(lp_steps=1)
    if optimum.found:
        attack.record(StepKind.LPSTEP, optimum.x, disjunct, pattern)
        if optimum.margin <= (0.0 if state.problem.claim is None else _ROUNDING):
            state.offer(optimum.x, FoundBy.LP)
        state.observe(optimum.margin)
    return optimum


@final
@dataclass(frozen=True)
class LpStepsAtEnds(AttackStage):
    """LPSteps in the regions of the best end points of one round of PGD runs.

    Attributes:
        round: the round.
        max_relative_margin: inputs whose :attr:`AttackState.relative_margin` is not below this
            are left out.
        points: how many of the end points of each input, the best first.
    """

    round: int
    max_relative_margin: float = np.inf
    points: int = 1

    @override
    def run(self, batch: AttackBatch) -> None:
        network = batch.model.network
        for attack in batch.unbroken(self.max_relative_margin):
            ends = [point for point in attack.last_round if point.round == self.round]
            for point in ends[: self.points]:
                with timed([attack.state]):
                    pattern = network.pattern(point.x)
                margin_step(attack, pattern, point.disjunct)
                if not attack.is_unbroken:
                    break


@final
@dataclass(frozen=True)
class RegionLocalSearch(AttackStage):
    """Region-to-region local search: the region of an end point, then the best of its neighbours.

    An optimum lies on faces of its region. Points sampled closely around it lie in the regions
    behind these faces; of those not solved before, the ones of least margin are next. A search ends
    where no neighbour is better. With few features a region costs a millisecond, and this finds
    what neither gradients, which follow one inequality at a time, nor random points find. Inputs
    with many free features are left out.

    Attributes:
        starts: how many end points of each input.
        lp_steps: LPSteps from one start.
    """

    starts: int
    lp_steps: int

    @override
    def run(self, batch: AttackBatch) -> None:
        for attack in batch.unbroken():
            if attack.inputs.free_features > MOST_FEATURES:
                continue
            for point in spread_over_disjuncts(attack.end_points, self.starts):
                self._search(attack, point.x, point.disjunct)

    def _search(self, attack: AttackState, x: Float64, disjunct: int) -> None:
        state = attack.state
        last = state.effort.lp_steps + self.lp_steps
        frontier, least = [x], np.inf
        while frontier and state.effort.lp_steps < last and attack.is_unbroken:
            point = frontier.pop(0)
            with timed([state]):
                pattern = attack.model.network.pattern(point)
            optimum = margin_step(attack, pattern, disjunct)
            if optimum is None or not optimum.found or optimum.margin >= least - _DESCENT:
                continue
            least = optimum.margin
            with timed([state]) as deadline:
                frontier = _find_neighbours(attack, optimum.x, disjunct, deadline) + frontier


def _find_neighbours(
    attack: AttackState, x: Float64, disjunct: int, deadline: float
) -> list[Float64]:
    """Points of least margin around x, in different regions not solved before."""
    state, model, inputs = attack.state, attack.model, attack.inputs
    generator = attack.generator(Stream.LOCAL_SEARCH, state.effort.lp_steps)
    sizes = np.geomspace(_NARROWEST, _WIDEST, _NEIGHBOURS)[:, None]
    steps = inputs.sample(generator, _NEIGHBOURS) - inputs.center
    around = inputs.project(x + sizes * steps)
    margins = np.full(_NEIGHBOURS, np.inf)
    together = batch_size(model.network, _NEIGHBOURS)
    for first in range(0, _NEIGHBOURS, together):
        if time.monotonic() > deadline:
            return []
        part = slice(first, first + together)
        logits = model.values.forward(around[part])
        margins[part] = attack.disjuncts[disjunct].margins(logits)
    chosen: list[Float64] = []
    seen: set[bytes] = set()
    for row in np.argsort(margins, kind="stable"):
        if time.monotonic() > deadline:
            break
        if margins[row] <= 0 and state.offer(around[row], FoundBy.SAMPLING):
            return []
        key = model.network.pattern(around[row]).key
        if key not in seen and (key, disjunct) not in attack.visited:
            seen.add(key)
            chosen.append(around[row])
        if len(chosen) == _CROSSED:
            break
    return chosen
