"""LiPPA at a fixed radius: LPSteps where PGD runs end, from region to region, and Algorithm 1.

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
from onnx_lippa.attacks.stages.pgd import Balls, ConstantSteps, Iterate
from onnx_lippa.attacks.stages.random_search import MOST_FEATURES
from onnx_lippa.attacks.stages.state import (
    AttackBatch,
    AttackStage,
    AttackState,
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
_GRADIENT_STEPS: Final = 50
"""Steps of a GSStep before it gives up (the paper's number)."""
_FRUITLESS: Final = 16
"""Random starts in a row without a new region after which Algorithm 1 ends."""
_STALL: Final = 3
"""LPSteps without a better margin after which Algorithm 1 restarts."""
_IMPROVEMENT: Final = 1e-9
"""What a margin must fall by to be a better one."""
_DESCENT: Final = 1e-12
"""The same in local search, whose regions are neighbours."""


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


@final
@dataclass(frozen=True)
class Algorithm1(AttackStage):
    """Algorithm 1 of the paper: LPStep, GSStep, LPStep, ...

    It starts from the best end points, then from the clean input (``LiPPA_0``, the LPStep in the
    clean input's own region), then at random. A search ends when the GSStep finds no region that
    was not solved before, or stalls; the stage ends with the input's LPSteps or time.

    Attributes:
        lp_steps: LPSteps for one input.
        max_relative_margin: inputs whose :attr:`AttackState.relative_margin` is not below this
            are left out.
    """

    lp_steps: int
    max_relative_margin: float = np.inf

    @override
    def run(self, batch: AttackBatch) -> None:
        for attack in batch.unbroken(self.max_relative_margin):
            self._run(attack)

    def _run(self, attack: AttackState) -> None:
        state = attack.state
        last = state.effort.lp_steps + self.lp_steps
        restart = fruitless = 0
        starts = _best_starts(attack)
        starts.append((attack.inputs.center, attack.nearest_disjuncts(1)[0]))
        while state.effort.lp_steps < last and attack.is_unbroken:
            before = state.effort.lp_steps
            if starts:
                x, disjunct = starts.pop(0)
            else:
                restart += 1
                x, disjunct = _draw_start(attack, restart)
            self._alternate(attack, x, disjunct, last)
            fruitless = 0 if state.effort.lp_steps > before or restart == 0 else fruitless + 1
            if fruitless == _FRUITLESS:
                return

    def _alternate(self, attack: AttackState, x: Float64, disjunct: int, last: int) -> None:
        """LPStep and GSStep in turn, from the region of x."""
        state = attack.state
        pattern: ActivationPattern | None = attack.model.network.pattern(x)
        least, stalled = np.inf, 0
        while pattern is not None and stalled < _STALL:
            optimum = margin_step(attack, pattern, disjunct)
            if optimum is not None:
                if not optimum.found:
                    return
                x = optimum.x
                stalled = 0 if optimum.margin < least - _IMPROVEMENT else stalled + 1
                least = min(least, optimum.margin)
            if state.effort.lp_steps >= last or not attack.is_unbroken:
                return
            with timed([state]):
                step = self._gradient_step(attack, x, disjunct)
            if step is None:
                return
            x, pattern = step

    def _gradient_step(
        self, attack: AttackState, x: Float64, disjunct: int
    ) -> tuple[Float64, ActivationPattern] | None:
        """GSStep: moves until the pattern is one not solved before; None where it never is."""
        network, conjunction = attack.model.network, attack.disjuncts[disjunct]
        balls = Balls.of([attack.inputs], np.dtype(np.float64))
        row = conjunction.matrix[0]
        current = previous = x[None]
        for step in range(_GRADIENT_STEPS):
            local = network.local(current[0], row)
            worst = int(np.argmax(conjunction.matrix @ local.logits - conjunction.bound))
            if not np.array_equal(row, conjunction.matrix[worst]):
                row = conjunction.matrix[worst]
                local = network.local(current[0], row)
            if (local.pattern.key, disjunct) not in attack.visited and step > 0:
                return current[0], local.pattern
            gradient = local.gradient[None]
            iterate = Iterate(current.copy(), previous, gradient, balls, step, _GRADIENT_STEPS)
            moved = ConstantSteps().move(iterate).astype(np.float64, copy=False)
            if np.array_equal(moved, current):
                return None  # held in a corner of ball and domain
            previous, current = current, moved
        return None


def _best_starts(attack: AttackState) -> list[tuple[Float64, int]]:
    """The best end point of each of the three nearest disjuncts."""
    firsts = [
        next((point for point in attack.end_points if point.disjunct == j), None)
        for j in attack.nearest_disjuncts(3)
    ]
    return [(point.x, point.disjunct) for point in firsts if point is not None]


def _draw_start(attack: AttackState, restart: int) -> tuple[Float64, int]:
    inputs = attack.inputs
    generator = attack.generator(Stream.ALGORITHM_1, restart)
    x = inputs.center + inputs.eps * inputs.norm.sample(generator, inputs.size)
    nearest = attack.nearest_disjuncts(3)
    return np.clip(x, inputs.lower, inputs.upper), nearest[restart % len(nearest)]
