"""Between LP and MIP: a search over activation patterns, a few units at a time."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Final, final

import numpy as np

from onnx_lippa.arrays import Float64, Floats, States
from onnx_lippa.attacks.explore import explore
from onnx_lippa.attacks.free_units import FreeUnits, Standpoint, free_set
from onnx_lippa.attacks.ledger import Ledger, Progress
from onnx_lippa.attacks.methods import GradientMethod, MomentumPgd
from onnx_lippa.attacks.rows import rows_for
from onnx_lippa.attacks.stages.base import Stage
from onnx_lippa.attacks.stages.lp_step import margin_step
from onnx_lippa.bounds.domain import InputDomain
from onnx_lippa.bounds.reduced.build import NoRelaxationError, reduce_network
from onnx_lippa.bounds.reduced.network import ReducedNetwork
from onnx_lippa.bounds.reduced.reduction import Tightening, TooLargeError
from onnx_lippa.clock import OutOfTimeError
from onnx_lippa.ending import Ending
from onnx_lippa.ir.pattern import UNDECIDED, read_signs
from onnx_lippa.lp.solver import Solution, SolveLimits, Solver
from onnx_lippa.lp.solvers.table import make_partial_solver
from onnx_lippa.mip.formulation import Formulation, partial_program
from onnx_lippa.mip.variables import NoProgramError
from onnx_lippa.state import Work
from onnx_lippa.witness import Effort, FoundBy

_GAIN: Final = 0.01
"""Improvements below this share of the margin are none: another way may do better."""
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
_WALK: Final = 20
"""Gradient steps from a solution."""

_IN_TURN: Final[tuple[tuple[FreeUnits, ...], ...]] = (
    (FreeUnits.DISAGREEING, FreeUnits.NEAREST),
    (FreeUnits.INFLUENTIAL,),
    (FreeUnits.BINDING, FreeUnits.NEAREST),
)
"""Chosen on three to six inputs of one CNN (mnist_cnn_small_ADV, eps 0.14), each run once on a busy
machine: 120 disagreeing units took the median margin from 0.27 to 0.02 in 30 s an input; 60
influential ones broke one input of six where 60 disagreeing ones broke none; those nearest their
faces, and those that bind, did nothing by themselves. ``tools/bench free_neurons`` repeats it."""


@final
@dataclass(frozen=True)
class FreePatterns(Stage):
    """Solves the regions around the best end points together, by small mixed-integer programs.

    The pattern of a point is given but for a free set of units. The program over all patterns
    that agree with it is solved, the search moves to its solution, walks and solves an LPStep from
    there, and chooses the free set anew. Where that brought nothing, it turns to the next of
    several ways to choose, each with a size of its own that grows while solves are easy and
    shrinks when one hits its limits. It ends when no way brings anything at the largest size that
    can be solved. Inputs whose network has no exact reduced network that fits, and norms whose
    ball is round, are left out.

    Attributes:
        size: units in the first free set. Beginning with 30, the stage broke one of three inputs
            of that CNN, beginning with 120 two; on a small MLP there was no difference.
        largest: units in the largest one.
        disjuncts: how many of each input's disjuncts, the nearest first.
        rounds: programs for one input.
        seconds: for one input; besides its time limit.
        closeness: inputs that no walk has brought nearer than this are left out.
        ways: how free sets are chosen, in turn while there is no improvement.
        method: how a walk moves.
    """

    size: int = 120
    largest: int = 240
    disjuncts: int = 3
    rounds: int = 60
    seconds: float = 60.0
    closeness: float = np.inf
    ways: tuple[tuple[FreeUnits, ...], ...] = _IN_TURN
    method: GradientMethod = field(default_factory=lambda: MomentumPgd(first=0.2))

    def run(self, ledger: Ledger) -> None:
        """See :meth:`Stage.run`."""
        solver = make_partial_solver()
        for position in ledger.unbroken():
            if ledger.progress[position].closeness() < self.closeness:
                self._search(ledger, position, solver)

    def _search(self, ledger: Ledger, position: int, solver: Solver) -> None:
        """The disjuncts in turn, until none of them improves."""
        entry = ledger.progress[position]
        end = min(self.seconds, entry.state.seconds_left) + entry.state.effort.seconds
        with ledger.timed([position]) as deadline:
            reduced = _reduced(ledger, entry, min(deadline, time.monotonic() + self.seconds))
            if reduced is None:
                return
            searches = [
                _Search(self, ledger, position, reduced, j, solver)
                for j in entry.nearest_disjuncts(self.disjuncts)
                if self._is_hopeful(entry, j)
            ]
        self._alternate(ledger, position, searches, end)

    def _is_hopeful(self, entry: Progress, disjunct: int) -> bool:
        """Whether a disjunct has rows, and a walk came near it."""
        conjunction = entry.state.problem.unsafe.disjuncts[disjunct]
        met = [point.margin for point in entry.end_points if point.disjunct == disjunct]
        clean = float(entry.clean_margins[disjunct])
        return bool(len(conjunction.bound)) and min([clean, *met]) <= self.closeness * abs(clean)

    def _alternate(
        self, ledger: Ledger, position: int, searches: list[_Search], end: float
    ) -> None:
        """A round of each search after the other, until the input has taken ``end`` seconds."""
        entry, rounds = ledger.progress[position], 0
        while searches:
            for search in list(searches):
                if rounds == self.rounds or entry.state.effort.seconds >= end:
                    return
                rounds += 1
                goes_on = search.improve(end - entry.state.effort.seconds)
                if position not in ledger.unbroken():
                    return
                if not goes_on:
                    searches.remove(search)


def _reduced(ledger: Ledger, entry: Progress, deadline: float) -> ReducedNetwork | None:
    """The reduced network of an input, where there is one that equals the network."""
    domain = InputDomain.for_search(entry.state.problem.inputs)
    try:
        reduced = reduce_network(ledger.model.network, domain, Tightening(deadline=deadline))
    except (TooLargeError, NoRelaxationError, OutOfTimeError):
        return None
    return reduced if reduced.exact else None


@final
class _Search:
    """The search for one disjunct of one input."""

    def __init__(
        self,
        stage: FreePatterns,
        ledger: Ledger,
        position: int,
        reduced: ReducedNetwork,
        disjunct: int,
        solver: Solver,
    ) -> None:
        self._stage, self._ledger, self._position = stage, ledger, position
        self._entry, self._reduced, self._solver = ledger.progress[position], reduced, solver
        self._number = disjunct
        self._disjunct = self._entry.state.problem.unsafe.disjuncts[disjunct]
        self._sizes, self._turn = [stage.size] * len(stage.ways), 0
        self._spent: set[int] = set()
        points = sorted(self._entry.end_points, key=lambda point: point.disjunct != disjunct)
        center = self._entry.state.problem.inputs.center
        self._others = self._inside(np.array([*(point.x for point in points), center]))
        x = self._others[0]
        self._x, self._signs, self._margin = x, self._signs_at(x), self._margin_at(x)

    def improve(self, seconds: float) -> bool:
        """One round: a program, a walk and an LPStep; whether another one may help.

        Args:
            seconds: that are left.
        """
        before = self._margin
        with self._ledger.timed([self._position], Work.MIPS) as deadline:
            at = Standpoint(self._reduced, self._disjunct, self._x, self._signs, self._others)
            free = free_set(self._stage.ways[self._turn], at, self._sizes[self._turn])
            fixed = self._signs.copy()
            fixed[free] = UNDECIDED
            try:
                stated = partial_program(self._reduced, self._disjunct, fixed)
            except NoProgramError:
                return False
            left = min(seconds, _SECONDS, deadline - time.monotonic())
            solution = self._solver.open(stated.program).solve(
                max(left, 0.0), stated.start(self._x), SolveLimits(nodes=_NODES)
            )
        self._entry.state.effort += Effort(mips=1)
        if self._took(stated, solution):
            return False
        if free.size == self._reduced.units and solution.ending is Ending.OPTIMAL:
            return False  # nothing was left out
        if self._walked():
            return False
        return self._prepared(solution, before - self._margin > _GAIN * abs(before))

    def _took(self, stated: Formulation, solution: Solution) -> bool:
        """Moves to a solution, where it is better; whether it is a witness."""
        if not solution.values.size:
            return False
        x = stated.x(solution.values)
        self._move(x, stated.signs(solution.values))
        return self._offered(x, FoundBy.MIP)

    def _walked(self) -> bool:
        """A walk from the point and an LPStep where it ends; whether there is a witness."""
        ledger, position = self._ledger, self._position

        def accept(_owner: int, x: Floats) -> bool:
            return ledger.accept(position, x, FoundBy.GRADIENT)

        with ledger.timed([position]) as deadline:
            start = self._reduced.embed(self._x[None])[0]
            rows = rows_for([self._entry.state.problem], [(0, self._number)], [start])
            walked = explore(
                ledger.model.gradient, rows, self._stage.method, _WALK, accept, deadline
            )
            self._entry.state.effort += Effort(gradients=int(walked.gradients[0]))
            end = walked.best[0].astype(np.float64)
            pattern = ledger.model.network.pattern(end)
        if position not in ledger.unbroken():
            return True
        optimum = margin_step(ledger, position, pattern, self._number)
        inside = self._inside(end[None])
        if optimum is not None and optimum.found:
            self._move(self._inside(optimum.x[None])[0], self._signs_at(inside[0]))
        self._others = np.concatenate([inside, self._others])[:_OTHERS]
        return position not in ledger.unbroken()

    def _prepared(self, solution: Solution, improved: bool) -> bool:
        """Chooses size and way of the next round; whether there is one that may help."""
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
        self._entry.state.observe(margin)
        if margin < self._margin:
            self._x, self._signs, self._margin = x, signs, margin

    def _offered(self, x: Float64, found_by: FoundBy) -> bool:
        if self._margin_at(x) > 0:
            return False
        return self._ledger.accept(self._position, self._reduced.embed(x[None])[0], found_by)

    def _inside(self, full: Float64) -> Float64:
        """Inputs (n, all features) as points (n, d) of the reduced network, but for rounding."""
        points = self._reduced.restrict(full.astype(np.float64))
        return np.clip(points, self._reduced.lower, self._reduced.upper)

    def _signs_at(self, x: Float64) -> States:
        return read_signs(self._reduced.pre_activations(x[None])[0])

    def _margin_at(self, x: Float64) -> float:
        return float(self._disjunct.margins(self._reduced.forward(x[None]))[0])
