"""Large neighbourhood search over activation patterns by small mixed-integer programs.

It lies between LPSteps, which fix the sign of every unit, and the full program, which fixes none.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final, final

import numpy as np
from typing_extensions import override

from onnx_lippa.arrays import Float64, States
from onnx_lippa.attacks.stages.free_neurons import FreeNeurons, Incumbent, choose_free_neurons
from onnx_lippa.attacks.stages.pgd import MomentumPgd, attack_rows
from onnx_lippa.attacks.stages.region_steps import margin_step
from onnx_lippa.attacks.stages.state import AttackBatch, AttackStage, AttackState
from onnx_lippa.bounds.domain import InputDomain
from onnx_lippa.bounds.reduced.build import NoRelaxationError, reduce_network
from onnx_lippa.bounds.reduced.reduction import Tightening, TooLargeError
from onnx_lippa.bounds.reduced_network import ReducedNetwork
from onnx_lippa.clock import OutOfTimeError
from onnx_lippa.ending import Ending
from onnx_lippa.ir.pattern import UNDECIDED, read_signs
from onnx_lippa.lp.solver import Solution, SolveLimits, Solver
from onnx_lippa.lp.solvers.table import make_partial_solver
from onnx_lippa.mip.formulation import Formulation, build_margin_program
from onnx_lippa.mip.variables import NoProgramError
from onnx_lippa.state import Work, timed
from onnx_lippa.witness import Effort, FoundBy

_GAIN: Final = 0.01
"""Improvements below this share of the margin do not count: the next way may do better."""
_SECONDS: Final = 10.0
_NODES: Final = 1000
"""Limits of one solve. The nodes are what ends it as a rule, since the same seed is to give the
same result. A solve does not end early at a margin below 0: a floor under the objective makes
all bounds equal, and SCIP then searched blindly to its limit."""
_FAST: Final = 250
"""Subproblems up to which a solve was easy, and the next free set of its kind twice as large."""
_SMALLEST: Final = 8
_OTHERS: Final = 24
"""Points whose patterns are compared."""
_PGD_STEPS: Final = 20
_PGD_RULE: Final = MomentumPgd(first=0.2)
"""Gradient steps from a solution, the first of them short."""

_IN_TURN: Final[tuple[tuple[FreeNeurons, ...], ...]] = (
    (FreeNeurons.DISAGREEING, FreeNeurons.NEAREST),
    (FreeNeurons.INFLUENTIAL,),
    (FreeNeurons.BINDING, FreeNeurons.NEAREST),
)
"""The ways in turn; the figures are in docs/performance.md, and ``tools/bench`` repeats them."""


@final
@dataclass(frozen=True)
class LargeNeighbourhoodSearch(AttackStage):
    """Minimises the margin over the patterns that differ from a given one in free neurons only.

    The signs of a point are fixed but for the free neurons. The program over all patterns that
    agree is solved; the search moves to its solution, runs PGD and an LPStep from there, and
    chooses the free neurons anew. Without an improvement it turns to the next of several ways to
    choose, each with a size of its own that grows while solves are easy and shrinks when one hits
    its limits. It ends when no way improves at the largest size that can be solved. Inputs without
    an exact reduced network that fits, and norms whose ball is round, are left out.

    Attributes:
        size: free neurons at first.
        largest: free neurons at most.
        disjuncts: how many of each input's disjuncts, the nearest first.
        programs: mixed-integer programs for one input.
        seconds: for one input; besides its time limit.
        max_relative_margin: inputs whose :attr:`AttackState.relative_margin` is not below this
            are left out.
        ways: how free neurons are chosen, in turn while there is no improvement.
    """

    size: int = 120
    largest: int = 240
    disjuncts: int = 3
    programs: int = 60
    seconds: float = 60.0
    max_relative_margin: float = np.inf
    ways: tuple[tuple[FreeNeurons, ...], ...] = _IN_TURN

    @override
    def run(self, batch: AttackBatch) -> None:
        solver = make_partial_solver()
        for attack in batch.unbroken(self.max_relative_margin):
            self._search(attack, solver)

    def _search(self, attack: AttackState, solver: Solver) -> None:
        """Searches the disjuncts in turn, until none of them improves."""
        state = attack.state
        end = min(self.seconds, state.seconds_left) + state.effort.seconds
        with timed([state]) as deadline:
            reduced = _reduce(attack, min(deadline, time.monotonic() + self.seconds))
            if reduced is None:
                return
            searches = [
                _Search(self, attack, reduced, j, solver)
                for j in attack.nearest_disjuncts(self.disjuncts)
                if self._is_hopeful(attack, j)
            ]
        self._alternate(attack, searches, end)

    def _is_hopeful(self, attack: AttackState, disjunct: int) -> bool:
        """Whether a disjunct has rows, and a PGD run came near it."""
        conjunction = attack.disjuncts[disjunct]
        margins = [point.margin for point in attack.end_points if point.disjunct == disjunct]
        clean = float(attack.clean_margins[disjunct])
        near = min([clean, *margins]) <= self.max_relative_margin * abs(clean)
        return bool(len(conjunction.bound)) and near

    def _alternate(self, attack: AttackState, searches: list[_Search], end: float) -> None:
        """A round of each search after the other, until the input has taken ``end`` seconds."""
        programs, effort = 0, attack.state.effort
        while searches:
            for search in list(searches):
                effort = attack.state.effort
                if programs == self.programs or effort.seconds >= end:
                    return
                programs += 1
                goes_on = search.improve(end - effort.seconds)
                if not attack.is_unbroken:
                    return
                if not goes_on:
                    searches.remove(search)


def _reduce(attack: AttackState, deadline: float) -> ReducedNetwork | None:
    """The reduced network of an input, where there is one that equals the network."""
    domain = InputDomain.for_search(attack.inputs)
    try:
        reduced = reduce_network(attack.model.network, domain, Tightening(deadline=deadline))
    except (TooLargeError, NoRelaxationError, OutOfTimeError):
        return None
    return reduced if reduced.exact else None


@final
class _Search:
    """The search for one disjunct of one input."""

    def __init__(
        self,
        stage: LargeNeighbourhoodSearch,
        attack: AttackState,
        reduced: ReducedNetwork,
        disjunct: int,
        solver: Solver,
    ) -> None:
        self._stage, self._attack = stage, attack
        self._reduced, self._solver = reduced, solver
        self._number = disjunct
        self._disjunct = attack.disjuncts[disjunct]
        self._sizes, self._turn = [stage.size] * len(stage.ways), 0
        self._spent: set[int] = set()
        points = sorted(attack.end_points, key=lambda point: point.disjunct != disjunct)
        center = attack.inputs.center
        self._others = self._inside(np.array([*(point.x for point in points), center]))
        x = self._others[0]
        self._x, self._signs, self._margin = x, self._signs_at(x), self._margin_at(x)

    def improve(self, seconds: float) -> bool:
        """One round: a program, a PGD run and an LPStep; True where another one may help.

        Args:
            seconds: seconds left.
        """
        before = self._margin
        with timed([self._attack.state], Work.MIPS) as deadline:
            at = Incumbent(self._reduced, self._disjunct, self._x, self._signs, self._others)
            free = choose_free_neurons(self._stage.ways[self._turn], at, self._sizes[self._turn])
            fixed = self._signs.copy()
            fixed[free] = UNDECIDED
            try:
                stated = build_margin_program(self._reduced, self._disjunct, fixed)
            except NoProgramError:
                return False
            left = min(seconds, _SECONDS, deadline - time.monotonic())
            solution = self._solver.open(stated.program).solve(
                max(left, 0.0), stated.start(self._x), SolveLimits(nodes=_NODES)
            )
        self._attack.state.effort += Effort(mips=1)
        if self._take(stated, solution):
            return False
        if free.size == self._reduced.units and solution.ending is Ending.OPTIMAL:
            return False  # nothing was left out
        if self._run_pgd():
            return False
        return self._prepare(solution, before - self._margin > _GAIN * abs(before))

    def _take(self, stated: Formulation, solution: Solution) -> bool:
        """Moves to a solution, where it is better; True where it is a witness."""
        if not solution.values.size:
            return False
        x = stated.x(solution.values)
        self._move(x, stated.signs(solution.values))
        if self._margin_at(x) > 0:
            return False
        return self._attack.state.offer(self._reduced.embed(x[None])[0], FoundBy.MIP)

    def _run_pgd(self) -> bool:
        """PGD from the point and an LPStep where it ends; True where there is a witness."""
        attack, start = self._attack, self._reduced.embed(self._x[None])[0]
        runs = attack_rows([attack], [self._number], [start], _PGD_RULE, _PGD_STEPS)
        end = runs.best[0]
        with timed([attack.state]):
            pattern = attack.model.network.pattern(end)
        if not attack.is_unbroken:
            return True
        optimum = margin_step(attack, pattern, self._number)
        inside = self._inside(end[None])
        if optimum is not None and optimum.found:
            self._move(self._inside(optimum.x[None])[0], self._signs_at(inside[0]))
        self._others = np.concatenate([inside, self._others])[:_OTHERS]
        return not attack.is_unbroken

    def _prepare(self, solution: Solution, improved: bool) -> bool:
        """Chooses size and way of the next round; True where there is one that may help."""
        way, size = self._turn, self._sizes[self._turn]
        if solution.ending is not Ending.OPTIMAL:
            self._sizes[way] = max(_SMALLEST, 2 * size // 3)
        elif solution.nodes <= _FAST:
            self._sizes[way] = min(2 * size, self._stage.largest)
        if improved:
            self._spent.clear()
            return True
        if self._sizes[way] <= size:
            self._spent.add(way)
        count = len(self._sizes)
        following = [(way + step) % count for step in range(1, count + 1)]
        open_ = [other for other in following if other not in self._spent]
        self._turn = open_[0] if open_ else way
        return bool(open_)

    def _move(self, x: Float64, signs: States) -> None:
        margin = self._margin_at(x)
        self._attack.state.observe(margin)
        if margin < self._margin:
            self._x, self._signs, self._margin = x, signs, margin

    def _inside(self, full: Float64) -> Float64:
        """Inputs (n, all features) as points (n, d) of the reduced network, but for rounding."""
        points = self._reduced.restrict(full)
        return np.clip(points, self._reduced.lower, self._reduced.upper)

    def _signs_at(self, x: Float64) -> States:
        return read_signs(self._reduced.pre_activations(x[None])[0])

    def _margin_at(self, x: Float64) -> float:
        return float(self._disjunct.margins(self._reduced.forward(x[None]))[0])
