"""Algorithm 1 of the paper: LPStep, GSStep, LPStep, ..., at a fixed radius and for the distance.

A GSStep takes steps of BIM until it enters a region that was not solved before; an LPStep solves
that region. A search ends when the GSStep finds no such region, or when it stalls; then the next
one begins at a random point.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from dataclasses import dataclass
from typing import Final, final

import numpy as np
from typing_extensions import override

from onnx_lippa.arrays import Float64
from onnx_lippa.attacks.stages.minimal import distance_step
from onnx_lippa.attacks.stages.pgd import Balls, ConstantSteps, Iterate
from onnx_lippa.attacks.stages.region_steps import margin_step
from onnx_lippa.attacks.stages.state import (
    AttackBatch,
    AttackStage,
    AttackState,
    StepKind,
    Stream,
)
from onnx_lippa.ir.pattern import ActivationPattern
from onnx_lippa.lp.region import LinearRegion
from onnx_lippa.spec import InputSet
from onnx_lippa.state import Work, timed
from onnx_lippa.witness import Effort, FoundBy

_GRADIENT_STEPS: Final = 50
"""Steps of a GSStep before it gives up (the paper's number)."""
_FRUITLESS: Final = 16
"""Random starts in a row without a new region after which Algorithm 1 ends."""
_STALL: Final = 3
"""LPSteps without a better objective after which Algorithm 1 restarts."""
_IMPROVEMENT: Final = 1e-9
"""What an objective must fall by to be a better one."""
_NEARER: Final = 0.99
"""The ball of a GSStep, as a share of the distance of the best witness."""


@dataclass(frozen=True)
class _Alternation(AttackStage):
    """LPSteps and GSSteps in turn.

    Attributes:
        lp_steps: LPSteps for one input.
    """

    lp_steps: int

    @abstractmethod
    def _is_open(self, attack: AttackState) -> bool:
        """Whether the input is worth another step."""

    @abstractmethod
    def _ball(self, attack: AttackState) -> InputSet:
        """The inputs among which a GSStep moves, and searches begin."""

    @abstractmethod
    def _solve(
        self, attack: AttackState, x: Float64, pattern: ActivationPattern, disjunct: int
    ) -> tuple[Float64, float] | None:
        """The LPStep in a region: where it ends, and the objective there.

        The objective is ``nan`` where the region was solved before; None where it has no optimum.
        """

    def _search(self, attack: AttackState, starts: list[tuple[Float64, int]]) -> None:
        """Searches from some starts, then from random ones, until nothing is left to spend."""
        state = attack.state
        last = state.effort.lp_steps + self.lp_steps
        restart = fruitless = 0
        kind = StepKind.START
        while state.effort.lp_steps < last and self._is_open(attack):
            before = state.effort.lp_steps
            if starts:
                x, disjunct = starts.pop(0)
            else:
                restart += 1
                x, disjunct = _draw_start(attack, self._ball(attack), restart)
            self._alternate(attack, x, disjunct, last, kind)
            kind = StepKind.RESTART
            fruitless = 0 if state.effort.lp_steps > before or restart == 0 else fruitless + 1
            if fruitless == _FRUITLESS:
                return

    def _alternate(
        self, attack: AttackState, x: Float64, disjunct: int, last: int, kind: StepKind
    ) -> None:
        """LPStep and GSStep in turn, from the region of x."""
        state = attack.state
        pattern: ActivationPattern | None = attack.model.network.pattern(x)
        least, stalled = np.inf, 0
        while pattern is not None and stalled < _STALL:
            attack.record(kind, x, disjunct, pattern)
            solved = self._solve(attack, x, pattern, disjunct)
            if solved is None:
                return
            x, objective = solved
            if not np.isnan(objective):
                stalled = 0 if objective < least - _IMPROVEMENT else stalled + 1
                least = min(least, objective)
            if state.effort.lp_steps >= last or not self._is_open(attack):
                return
            with timed([state]):
                step = _gradient_step(attack, x, disjunct, self._ball(attack))
            if step is None:
                return
            x, pattern = step
            kind = StepKind.GSSTEP


@final
@dataclass(frozen=True)
class Algorithm1(_Alternation):
    """Algorithm 1 in margin mode, at a fixed radius.

    It starts from the best end points, then from the clean input (``LiPPA_0``, the LPStep in the
    clean input's own region), then at random. The stage ends with the input's LPSteps or time.

    Attributes:
        lp_steps: LPSteps for one input.
        max_relative_margin: inputs whose :attr:`AttackState.relative_margin` is not below this
            are left out.
    """

    max_relative_margin: float = np.inf

    @override
    def run(self, batch: AttackBatch) -> None:
        for attack in batch.unbroken(self.max_relative_margin):
            self._search(attack, [*_best_starts(attack), _clean_start(attack)])

    @override
    def _is_open(self, attack: AttackState) -> bool:
        return attack.is_unbroken

    @override
    def _ball(self, attack: AttackState) -> InputSet:
        return attack.inputs

    @override
    def _solve(
        self, attack: AttackState, x: Float64, pattern: ActivationPattern, disjunct: int
    ) -> tuple[Float64, float] | None:
        optimum = margin_step(attack, pattern, disjunct)
        if optimum is None:
            return x, np.nan
        return (optimum.x, optimum.margin) if optimum.found else None


@final
@dataclass(frozen=True)
class NearestAlgorithm1(_Alternation):
    """Algorithm 1 in distance mode, as in the paper, for the nearest adversarial example.

    It starts from the clean input, then at random. The LPStep finds the nearest unsafe point of the
    region. Where that is not nearer than the best witness, or there is none, the LPStep minimises
    the margin in the ball that a nearer one must lie in, so that the GSStep starts from there.
    """

    @override
    def run(self, batch: AttackBatch) -> None:
        for attack in batch.open():
            self._search(attack, [_clean_start(attack)])

    @override
    def _is_open(self, attack: AttackState) -> bool:
        return attack.state.is_open

    @override
    def _ball(self, attack: AttackState) -> InputSet:
        inputs, witness = attack.inputs, attack.state.witness
        if witness is not None:
            return inputs.with_eps(_NEARER * witness.distance)
        return inputs.with_eps(min(inputs.eps, inputs.widest))

    @override
    def _solve(
        self, attack: AttackState, x: Float64, pattern: ActivationPattern, disjunct: int
    ) -> tuple[Float64, float] | None:
        state, ball = attack.state, self._ball(attack)
        if (pattern.key, disjunct) in attack.visited:
            return x, np.nan
        nearest = distance_step(attack, pattern, disjunct)
        if nearest is not None:
            return nearest, -np.inf
        with timed([state], Work.LPS) as deadline:
            session = attack.engine.begin(ball)
            region = LinearRegion(attack.model.network, pattern)
            left = deadline - time.monotonic()
            optimum = session.least_margin(region, attack.disjuncts[disjunct], left)
        state.effort += Effort(lp_steps=1)
        if not optimum.found:
            return x, np.inf
        attack.record(StepKind.LPSTEP, optimum.x, disjunct, pattern)
        state.observe(optimum.margin)
        if optimum.margin <= 0 and state.offer(optimum.x, FoundBy.LP):
            return optimum.x, -np.inf
        return optimum.x, optimum.margin


def _gradient_step(
    attack: AttackState, x: Float64, disjunct: int, inputs: InputSet
) -> tuple[Float64, ActivationPattern] | None:
    """GSStep: moves until the pattern is one not solved before; None where it never is."""
    network, conjunction = attack.model.network, attack.disjuncts[disjunct]
    balls = Balls.of([inputs], np.dtype(np.float64))
    row = conjunction.matrix[0]
    current = previous = x[None]
    for step in range(_GRADIENT_STEPS):
        local = network.local(current[0], row)
        attack.state.effort += Effort(gradients=1)
        worst = int(np.argmax(conjunction.matrix @ local.logits - conjunction.bound))
        if not np.array_equal(row, conjunction.matrix[worst]):
            row = conjunction.matrix[worst]
            local = network.local(current[0], row)
            attack.state.effort += Effort(gradients=1)
        if (local.pattern.key, disjunct) not in attack.visited and step > 0:
            return current[0], local.pattern
        gradient = local.gradient[None]
        iterate = Iterate(current.copy(), previous, gradient, balls, step, _GRADIENT_STEPS)
        moved = ConstantSteps().move(iterate).astype(np.float64, copy=False)
        if np.array_equal(moved, current):
            return None  # held in a corner of ball and domain
        previous, current = current, moved
    return None


def _clean_start(attack: AttackState) -> tuple[Float64, int]:
    return attack.inputs.center, attack.nearest_disjuncts(1)[0]


def _best_starts(attack: AttackState) -> list[tuple[Float64, int]]:
    """The best end point of each of the three nearest disjuncts."""
    firsts = [
        next((point for point in attack.end_points if point.disjunct == j), None)
        for j in attack.nearest_disjuncts(3)
    ]
    return [(point.x, point.disjunct) for point in firsts if point is not None]


def _draw_start(attack: AttackState, inputs: InputSet, restart: int) -> tuple[Float64, int]:
    generator = attack.generator(Stream.ALGORITHM_1, restart)
    x = inputs.center + inputs.eps * inputs.norm.sample(generator, inputs.size)
    nearest = attack.nearest_disjuncts(3)
    return np.clip(x, inputs.lower, inputs.upper), nearest[restart % len(nearest)]
