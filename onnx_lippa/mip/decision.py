"""Whether any input of a reduced network is unsafe: one mixed-integer program for each disjunct."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np

from onnx_lippa.arrays import Float64
from onnx_lippa.bounds.reduced_network import ReducedNetwork
from onnx_lippa.ending import Ending, Reason
from onnx_lippa.lp.solver import Solution, SolveLimits
from onnx_lippa.lp.solvers.table import make_mip_solver
from onnx_lippa.mip.formulation import BigM, Formulation, build_margin_program
from onnx_lippa.mip.variables import NoProgramError
from onnx_lippa.spec import Conjunction
from onnx_lippa.witness import Effort, Offer


@dataclass(frozen=True)
class MipSettings:
    """Formulation, solver and limits.

    Attributes:
        solver: name of the solver.
        time_limit: seconds for all programs of one property.
        node_limit: nodes of each program, or None.
        big_m: the constants of the formulation.
        cuts: the most implications between units that are added.
        wants_bound: whether the least margin is computed; otherwise only its sign, in less time.
    """

    solver: str = "scip"
    time_limit: float = math.inf
    node_limit: int | None = None
    big_m: BigM = BigM.OF_EACH_UNIT
    cuts: int = 0
    wants_bound: bool = False


@dataclass(frozen=True)
class MipAnswer:
    """The answer of the programs of all disjuncts.

    Attributes:
        reason: why nothing was decided. None with an unsafe point, or with a proof on the solver's
            word, within its tolerances on rows and integrality, above which a margin is required.
        bound: lower bound of all margins, on the solver's word.
        x: (d,) an unsafe point of the reduced network, evaluated without the solver, and accepted
            by a replay where there is one; None without one.
        margin: its margin, by evaluating the reduced network; infinite without one.
        effort: programs solved, their nodes and their seconds.
    """

    reason: Reason | None
    bound: float
    x: Float64 | None
    margin: float
    effort: Effort

    @property
    def ending(self) -> Ending:
        """PROVEN, UNSAFE, or why it is open."""
        if self.x is not None:
            return Ending.UNSAFE
        return Ending.PROVEN if self.reason is None else self.reason.ending


def decide(
    reduced: ReducedNetwork,
    disjuncts: Sequence[Conjunction],
    settings: MipSettings,
    start: Float64 | None = None,
    offer: Offer | None = None,
) -> MipAnswer:
    """Looks for an unsafe input of a reduced network, or has the solver prove that there is none.

    A disjunct ends as soon as an incumbent is unsafe. It is safe where the solver finds no
    solution with a margin up to what its tolerances may hide (:attr:`Formulation.tolerance`); a
    least margin between that and 0 stays open.

    Args:
        reduced: the reduced network.
        disjuncts: the unsafe outputs.
        settings: formulation, solver and limits.
        start: (d,) the best known point of the reduced network, for a warm start.
        offer: replays candidates; without it, any point with a negative margin is accepted.

    Raises:
        InputError: there is no such solver.
    """
    started = time.monotonic()
    decision = _Decision(reduced, settings, offer, started + settings.time_limit)
    bound, reason = np.inf, None
    for disjunct in disjuncts:
        answer = decision.decide(disjunct, start)
        bound = min(bound, answer.bound)
        if answer.x is not None:
            reason = None
            break
        reason = reason or answer.reason
    else:
        answer = _Answer(bound)
    effort = replace(decision.effort, mip_seconds=time.monotonic() - started)
    return MipAnswer(reason, bound, answer.x, answer.margin, effort)


@dataclass(frozen=True)
class _Answer:
    """The answer about one disjunct: a point, or a positive bound, or a reason why neither."""

    bound: float
    x: Float64 | None = None
    margin: float = np.inf
    reason: Reason | None = None


@final
class _Decision:
    def __init__(
        self,
        reduced: ReducedNetwork,
        settings: MipSettings,
        offer: Offer | None,
        deadline: float,
    ) -> None:
        self._reduced, self._settings = reduced, settings
        self._accept, self._deadline = offer, deadline
        self._solver = make_mip_solver(settings.solver)
        self.effort = Effort()

    def decide(self, disjunct: Conjunction, start: Float64 | None) -> _Answer:
        """One disjunct."""
        if not len(disjunct.bound):  # every output is unsafe
            refused = Reason(
                Ending.REFUSED, "every output is unsafe, and a replay did not confirm it"
            )
            return self._offer(None, self._reduced.domain.middle, -np.inf) or _Answer(
                -np.inf, reason=refused
            )
        try:
            stated = build_margin_program(
                self._reduced, disjunct, self._settings.big_m, self._settings.cuts
            )
        except NoProgramError as error:
            return _Answer(-np.inf, reason=error.reason)
        if start is not None and (found := self._offer(stated, start, -np.inf)):
            return found
        return self._solve(stated, None if start is None else stated.start(start))

    def _solve(self, stated: Formulation, warm_start: Float64 | None) -> _Answer:
        session, most = self._solver.open(stated.program), np.inf
        limits = SolveLimits(nodes=self._settings.node_limit)
        if not self._settings.wants_bound:
            most = stated.tolerance
            session.add_rows(stated.cut_off(most))
            first = session.solve(self._left(), warm_start, replace(limits, solutions=1))
            if answer := self._interpret(stated, first, most):
                return answer
            # The incumbent is as good as 0, or was refused: there may be a better one.
            warm_start = first.values
        solution = session.solve(self._left(), warm_start, limits)
        if answer := self._interpret(stated, solution, most):
            return answer
        reason = Reason(
            Ending.REFUSED, "the least margin is zero but for tolerances, or a replay refused it"
        )
        if solution.ending.is_limit:
            reason = self._limit()
        return _Answer(solution.bound + stated.constant, reason=reason)

    def _left(self) -> float:
        return self._deadline - time.monotonic()

    def _interpret(self, stated: Formulation, solution: Solution, most: float) -> _Answer | None:
        """The answer of a solution; None where its incumbent decides nothing and it could go on.

        Args:
            stated: the program.
            solution: its solution.
            most: the margin above which solutions were cut off.
        """
        self.effort += Effort(mips=1, nodes=solution.nodes)
        if solution.ending is Ending.FAILED:
            detail = f"no MIP solver finished: {solution.detail}"
            return _Answer(-np.inf, reason=Reason(Ending.FAILED, detail))
        if solution.ending is Ending.INFEASIBLE and most == np.inf:
            detail = "the MIP solver finds no input at all, though there are"
            return _Answer(-np.inf, reason=Reason(Ending.FAILED, detail))
        # An infeasible program has no margin up to the cut-off.
        bound = min(solution.bound + stated.constant, most)
        if solution.values.size:
            found = self._offer(stated, stated.x(solution.values), bound)
            if found is not None:
                return found
        if bound >= stated.tolerance:
            return _Answer(bound)
        return None if solution.values.size else _Answer(bound, reason=self._limit())

    def _limit(self) -> Reason:
        if self._left() <= 0:
            return Reason(Ending.OUT_OF_TIME, "the MIP solver ran out of time")
        return Reason(Ending.OUT_OF_NODES, "the MIP solver ran out of nodes")

    def _offer(self, stated: Formulation | None, x: Float64, bound: float) -> _Answer | None:
        """The point as an answer, where it is unsafe and a replay accepts it."""
        margin = -np.inf if stated is None else stated.margin(x)
        if not margin < 0:
            return None
        if self._accept is not None and not self._accept(self._reduced.embed(x[None])[0]):
            return None
        return _Answer(min(bound, margin), x, margin)
