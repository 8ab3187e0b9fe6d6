"""Whether any input of a system is unsafe, by one mixed-integer program for each disjunct."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final, TypeAlias, final

import numpy as np

from onnx_lippa.arrays import Float64
from onnx_lippa.bounds.reduced.system import RectifiedSystem
from onnx_lippa.ending import Ending
from onnx_lippa.lp.solver import Solution, SolveLimits
from onnx_lippa.lp.solvers.table import make_mip_solver
from onnx_lippa.mip.formulation import BigM, Formulation, margin_program
from onnx_lippa.mip.variables import NoProgramError
from onnx_lippa.spec import Conjunction


@dataclass(frozen=True)
class MipSettings:
    """How to state and to solve.

    Attributes:
        solver: name of the solver.
        time_limit: seconds for all programs of one question.
        node_limit: subproblems of each program, or None.
        big_m: which constants.
        cuts: at most so many implications between units are added.
        wants_bound: whether the least margin itself is wanted; else only its sign, which takes
            less time.
    """

    solver: str = "scip"
    time_limit: float = math.inf
    node_limit: int | None = None
    big_m: BigM = BigM.OF_EACH_UNIT
    cuts: int = 0
    wants_bound: bool = False


class MipStatus(Enum):
    """What a mixed-integer program says of a question."""

    UNSAFE = "unsafe"
    SAFE = "safe"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class MipAnswer:
    """What is known after the programs of all disjuncts.

    Attributes:
        status: SAFE is the MIP solver's proof, within its tolerances on rows and integrality: it
            is asked for a margin above them. UNSAFE is a point of the system, evaluated without
            the solver, and accepted by a replay where there is one.
        bound: what no margin is below, by the solver's word.
        x: (d,) the point; empty unless UNSAFE.
        margin: its margin, by evaluating the system (infinite without one).
        nodes: subproblems solved.
        seconds: wall time.
        reason: why it is UNKNOWN.
    """

    status: MipStatus
    bound: float
    x: Float64
    margin: float
    nodes: int
    seconds: float
    reason: str = ""


Accepts: TypeAlias = Callable[[Float64], bool]
"""Told an input (all features,) that should be unsafe; True where a replay accepts it."""

_NOTHING: Final = np.zeros(0)


def decide(
    system: RectifiedSystem,
    disjuncts: Sequence[Conjunction],
    settings: MipSettings,
    start: Float64 | None = None,
    accepts: Accepts | None = None,
) -> MipAnswer:
    """Looks for an unsafe input of a system, or has the solver prove that there is none.

    A disjunct is given up as soon as an incumbent is unsafe. It is safe where the solver finds
    no solution with a margin up to what its tolerances might hide (:attr:`Formulation.tolerance`);
    a least margin between that and 0 stays unknown.

    Args:
        system: the system.
        disjuncts: the unsafe outputs.
        settings: how to state and solve, and the limits.
        start: (d,) a point of the system to start from, the best that is known.
        accepts: a replay of candidates; without one, any point counts whose margin is negative.

    Returns:
        The answer; UNKNOWN with a reason where the programs cannot be stated, a limit was hit or
        no solver finished.

    Raises:
        InputError: there is no such solver.
    """
    started = time.monotonic()
    search = _Search(system, settings, accepts, started + settings.time_limit)
    bound, reason = np.inf, ""
    for disjunct in disjuncts:
        said = search.least(disjunct, start)
        bound = min(bound, said.bound)
        if said.x is not None:
            seconds = time.monotonic() - started
            return MipAnswer(
                MipStatus.UNSAFE, bound, said.x, said.margin, search.nodes, seconds
            )  # fmt: skip
        reason = reason or said.reason
    status = MipStatus.UNKNOWN if reason else MipStatus.SAFE
    seconds = time.monotonic() - started
    return MipAnswer(status, bound, _NOTHING, np.inf, search.nodes, seconds, reason)


@dataclass(frozen=True)
class _Said:
    """What is known of one disjunct: a point, or a positive bound, or a reason why neither."""

    bound: float
    x: Float64 | None = None
    margin: float = np.inf
    reason: str = ""


@final
class _Search:
    def __init__(
        self,
        system: RectifiedSystem,
        settings: MipSettings,
        accepts: Accepts | None,
        deadline: float,
    ) -> None:
        self._system, self._settings = system, settings
        self._accepts, self._deadline = accepts, deadline
        self._solver = make_mip_solver(settings.solver)
        self.nodes = 0

    def least(self, disjunct: Conjunction, start: Float64 | None) -> _Said:
        """One disjunct."""
        if not len(disjunct.bound):  # every output is unsafe
            return self._offered(None, self._system.reach.middle, -np.inf) or _Said(
                -np.inf, reason="every output is unsafe, and a replay did not confirm it"
            )
        try:
            stated = margin_program(
                self._system, disjunct, self._settings.big_m, self._settings.cuts
            )
        except NoProgramError as error:
            return _Said(-np.inf, reason=str(error))
        if start is not None and (found := self._offered(stated, start, -np.inf)):
            return found
        return self._solved(stated, None if start is None else stated.start(start))

    def _solved(self, stated: Formulation, warm_start: Float64 | None) -> _Said:
        session, most = self._solver.open(stated.program), np.inf
        limits = SolveLimits(nodes=self._settings.node_limit)
        if not self._settings.wants_bound:
            most = stated.tolerance
            session.add_rows(stated.cut_off(most))
            first = session.solve(self._left(), warm_start, replace(limits, solutions=1))
            if said := self._heard(stated, first, most):
                return said
            # The incumbent is as good as 0, or was refused: there may be a better one.
            warm_start = first.values
        solution = session.solve(self._left(), warm_start, limits)
        if said := self._heard(stated, solution, most):
            return said
        reason = "the least margin is zero but for tolerances, or a replay refused it"
        if solution.ending.is_limit:
            reason = self._ran_out()
        return _Said(solution.bound + stated.constant, reason=reason)

    def _left(self) -> float:
        return self._deadline - time.monotonic()

    def _heard(self, stated: Formulation, solution: Solution, most: float) -> _Said | None:
        """What a solve says; None where its incumbent decides nothing and it could go on.

        Args:
            stated: the program.
            solution: its solution.
            most: larger margins were cut off.
        """
        self.nodes += solution.nodes
        if solution.ending is Ending.FAILED:
            return _Said(-np.inf, reason=f"no MIP solver finished: {solution.detail}")
        if solution.ending is Ending.INFEASIBLE and most == np.inf:
            return _Said(-np.inf, reason="the MIP solver finds no input at all, though there are")
        # Where it is infeasible, no margin is at most what was let through.
        bound = min(solution.bound + stated.constant, most)
        if solution.values.size:
            found = self._offered(stated, stated.x(solution.values), bound)
            if found is not None:
                return found
        if bound >= stated.tolerance:
            return _Said(bound)
        return None if solution.values.size else _Said(bound, reason=self._ran_out())

    def _ran_out(self) -> str:
        return f"the MIP solver ran out of {'time' if self._left() <= 0 else 'nodes'}"

    def _offered(self, stated: Formulation | None, x: Float64, bound: float) -> _Said | None:
        """The point as an answer, where it is unsafe and a replay accepts it."""
        margin = -np.inf if stated is None else stated.margin(x)
        if not margin < 0:
            return None
        if self._accepts is not None and not self._accepts(self._system.whole(x[None])[0]):
            return None
        return _Said(min(bound, margin), x, margin)
