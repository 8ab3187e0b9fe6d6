"""Whether any input of a reduced network is unsafe: one mixed-integer program for each disjunct."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, final

import numpy as np

from onnx_lippa.arrays import Float64
from onnx_lippa.bounds.reduced_network import ReducedNetwork
from onnx_lippa.ending import Ending, Reason
from onnx_lippa.lp.solver import NO_LIMITS, Solution, SolveLimits
from onnx_lippa.lp.solvers.table import make_mip_solver
from onnx_lippa.mip.formulation import BigM, Formulation, build_margin_program
from onnx_lippa.mip.variables import NoProgramError
from onnx_lippa.spec import Conjunction
from onnx_lippa.witness import Effort, Offer

_EVERY_REFUSED: Final = Reason(
    Ending.REFUSED, "every output is unsafe, and a replay did not confirm it"
)
_REFUSED: Final = Reason(
    Ending.REFUSED, "the least margin is zero but for tolerances, or a replay refused it"
)


@dataclass(frozen=True)
class MipSettings:
    """Formulation, solver and time.

    Attributes:
        solver: name of the solver.
        time_limit: seconds for all programs of one property.
        big_m: the constants of the formulation.
        cuts: the most implications between units that are added.
    """

    solver: str = "scip"
    time_limit: float = math.inf
    big_m: BigM = BigM.OF_EACH_UNIT
    cuts: int = 0


@dataclass(frozen=True)
class MipAnswer:
    """The answer of the programs of all disjuncts.

    Attributes:
        bound: lower bound of all margins, on the solver's word.
        x: (d,) an unsafe point of the reduced network, evaluated without the solver, and accepted
            by a replay where there is one; None without one.
        margin: its margin, by evaluating the reduced network; infinite without one.
        reason: why nothing was decided. None with an unsafe point, or with a proof on the solver's
            word, within its tolerances on rows and integrality, above which a margin is required.
        effort: programs solved, their nodes and their seconds.
    """

    bound: float
    x: Float64 | None = None
    margin: float = np.inf
    reason: Reason | None = None
    effort: Effort = Effort()  # noqa: RUF009 - it is frozen

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
    answer = MipAnswer(np.inf)
    for disjunct in disjuncts:
        one = decision.decide(disjunct, start)
        bound, reason = min(answer.bound, one.bound), answer.reason or one.reason
        answer = replace(one, bound=bound, reason=reason if one.x is None else None)
        if one.x is not None:
            break
    effort = replace(decision.effort, mip_seconds=time.monotonic() - started)
    return replace(answer, effort=effort)


@final
class _Decision:
    """The decision of one disjunct after another, by one solver."""

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

    def decide(self, disjunct: Conjunction, start: Float64 | None) -> MipAnswer:
        """One disjunct."""
        if not len(disjunct.bound):  # every output is unsafe
            found = self._offer(self._reduced.domain.middle, -np.inf, -np.inf)
            return found or MipAnswer(-np.inf, reason=_EVERY_REFUSED)
        try:
            stated = build_margin_program(
                self._reduced, disjunct, big_m=self._settings.big_m, cuts=self._settings.cuts
            )
        except NoProgramError as error:
            return MipAnswer(-np.inf, reason=error.reason)
        if start is None:
            return self._solve(stated, None)
        found = self._offer(start, stated.margin(start), -np.inf)
        return found or self._solve(stated, stated.start(start))

    def _solve(self, stated: Formulation, warm_start: Float64 | None) -> MipAnswer:
        session = self._solver.open(stated.program)
        session.add_rows(stated.cut_off(stated.tolerance))
        for limits in (SolveLimits(solutions=1), NO_LIMITS):
            left = self._deadline - time.monotonic()
            solution = session.solve(left, warm_start, limits)
            if answer := self._interpret(stated, solution):
                return answer
            # The incumbent is as good as 0, or was refused: there may be a better one.
            warm_start = solution.values
        reason = Reason(solution.ending) if solution.ending.is_limit else _REFUSED
        return MipAnswer(solution.bound + stated.constant, reason=reason)

    def _interpret(self, stated: Formulation, solution: Solution) -> MipAnswer | None:
        """The answer of a solution; None where its incumbent decides nothing and it could go on."""
        self.effort += Effort(mips=1, nodes=solution.nodes)
        if solution.ending is Ending.FAILED:
            detail = f"no MIP solver finished: {solution.detail}"
            return MipAnswer(-np.inf, reason=Reason(Ending.FAILED, detail))
        # An infeasible program has no margin up to the cut-off.
        bound = min(solution.bound + stated.constant, stated.tolerance)
        if solution.values.size:
            x = stated.x(solution.values)
            if found := self._offer(x, stated.margin(x), bound):
                return found
        if bound >= stated.tolerance:
            return MipAnswer(bound)
        return None if solution.values.size else MipAnswer(bound, reason=Reason(solution.ending))

    def _offer(self, x: Float64, margin: float, bound: float) -> MipAnswer | None:
        """The point as an answer, where it is unsafe and a replay accepts it."""
        if not margin < 0:
            return None
        if self._accept is not None and not self._accept(self._reduced.embed(x[None])[0]):
            return None
        return MipAnswer(min(bound, margin), x, margin)
