"""An audit: attacks and proofs, cheapest first, so that time goes to the inputs that are open.

PGD, linear bounds and LiPPA in turn, then branch and bound in rounds: each open input for a short
time, then those that are left for longer, until the time limit of the inputs or the budget of the
audit is used up. A long round begins with large neighbourhood search.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar, Final, final

from typing_extensions import override

from onnx_lippa.attacks import AttackMethod, Lippa, Pgd
from onnx_lippa.errors import InputError
from onnx_lippa.method import (
    Finished,
    Improved,
    InputEvent,
    Method,
    Pool,
    RadiusOrder,
    SingleStage,
    Stage,
    make_jobs,
)
from onnx_lippa.proofs import BranchAndBound, LinearBounds
from onnx_lippa.runs.contradiction import merge_results
from onnx_lippa.runs.rounds import kill_after
from onnx_lippa.spec import Norm, ProblemSet
from onnx_lippa.state import Budget
from onnx_lippa.witness import Result, Verdict

_SLICES: Final = (1.0, 8.0, 64.0, 512.0, math.inf)
"""Seconds of branch and bound for one input in each round. A round begins its trees anew, which
costs at most an eighth."""
_ATTACK_SHARE: Final = 0.5
"""Share of the rest of the budget that each stage before branch and bound may take."""
_NEIGHBOURHOOD_FROM: Final = 16.0
"""Shortest round that begins with large neighbourhood search; in less time, hardly one MIP of a
convolutional network is solved."""
_NEIGHBOURHOOD_SHARE: Final = 0.25
"""Time for large neighbourhood search, as a share of the round."""
_NEIGHBOURHOOD_RESTARTS: Final = 2
"""PGD restarts that give large neighbourhood search its starting points."""
_SLACK: Final = 60.0
"""Seconds beyond its time that an input may take in a round before its worker is ended; branch and
bound may need them to begin. The budget has no such slack."""
_LEAST_SECONDS: Final = 0.02
_PROBES: Final = 4
"""Inputs per worker that begin a round; the others follow if most of these get anywhere."""
_FEW_NODES: Final = 64
"""Nodes below which branch and bound has hardly begun."""


@final
@dataclass(frozen=True)
class Audit(Method):
    """An attack and a proof in turn, cheapest first, within a budget for all inputs.

    Attributes:
        attack: the attack. With Lippa, large neighbourhood search is tried where branch and bound
            stalls; with LippaMip every input gets it at once, with Pgd none.
        proof: the complete proof.
        budget: seconds for all inputs together.
    """

    attack: AttackMethod = Lippa()  # noqa: RUF009 - it is frozen
    proof: BranchAndBound = BranchAndBound()  # noqa: RUF009 - it is frozen
    budget: float = math.inf

    name: ClassVar[str] = "audit"
    radius_order: ClassVar[RadiusOrder] = RadiusOrder.BISECTING

    def __post_init__(self) -> None:
        if not self.budget > 0:
            raise InputError(f"the budget is {self.budget}: give a positive number of seconds")

    @override
    def check(self, norm: Norm, minimize: bool) -> None:
        if minimize:
            raise InputError("an audit needs eps, and does not minimise distances")
        self.attack.check(norm, minimize)

    @override
    def divide(self, count: int) -> Audit:
        return replace(self, budget=self.budget / count)

    @override
    def run(self, pool: Pool, problems: ProblemSet, budget: Budget) -> Iterator[InputEvent]:
        pool.expect(len(problems), self.budget)
        yield from _Run(self, pool, problems, budget).run()


@final
class _Run:
    def __init__(self, audit: Audit, pool: Pool, problems: ProblemSet, budget: Budget) -> None:
        self._audit, self._pool, self._problems, self._budget = audit, pool, problems, budget
        self._positions = {index: position for position, index in enumerate(problems.indices)}
        self._known = {index: Result(index, Verdict.UNKNOWN) for index in problems.indices}
        started = time.monotonic()
        self._end, self._latest = started + audit.budget, started + kill_after(audit.budget)

    def run(self) -> Iterator[InputEvent]:
        attack, limit = self._audit.attack, self._budget.time_limit
        quick = Pgd(restarts=0, gradient_steps=attack.scan_steps)
        yield from self._stage(Stage.GRADIENTS, quick, math.inf, _ATTACK_SHARE)
        yield from self._stage(Stage.BOUNDS, LinearBounds(), limit, _ATTACK_SHARE)
        yield from self._stage(Stage.LIPPA, attack, math.inf, _ATTACK_SHARE)
        spent, before = 0.0, 0.0
        while self._open() and self._left() > _LEAST_SECONDS:
            seconds = self._slice(limit - spent, before)
            if seconds < max(2 * before, _LEAST_SECONDS):
                break  # it would get no further than the last round
            spent, before = spent + seconds, seconds
            yield from self._search_neighbourhoods(seconds)
            yield from self._search(seconds)
        for index in self._open():
            yield Finished(Stage.SEARCH, self._known[index])

    def _search_neighbourhoods(self, seconds: float) -> Iterator[InputEvent]:
        """A stronger attack on the open inputs, before so many seconds of search for each."""
        stronger = self._audit.attack.escalate(_NEIGHBOURHOOD_RESTARTS)
        if stronger is None or seconds < _NEIGHBOURHOOD_FROM:
            return
        nearest = sorted(self._open(), key=lambda i: self._known[i].best_margin)
        limit = _NEIGHBOURHOOD_SHARE * seconds
        yield from self._stage(Stage.PATTERNS, stronger, limit, _NEIGHBOURHOOD_SHARE, nearest)

    def _search(self, seconds: float) -> Iterator[InputEvent]:
        """So many seconds of branch and bound for each open input, if they suffice to begin."""
        proof = replace(self._audit.proof, bounds_first=False)
        probes = self._open()[: _PROBES * self._pool.count]
        nodes = {i: self._known[i].effort.nodes for i in probes}
        yield from self._stage(Stage.SEARCH, proof, seconds, 1.0, probes)
        stuck = [i for i in probes if self._is_stuck(i, nodes[i])]
        if 2 * len(stuck) > len(probes):
            return  # the next round has more time for each
        rest = [i for i in self._open() if i not in nodes]
        yield from self._stage(Stage.SEARCH, proof, seconds, 1.0, rest)

    def _slice(self, left: float, before: float) -> float:
        """Seconds of the next round for each open input, which has ``left`` seconds in all.

        If the budget ends before, the most promising inputs have had them.
        """
        regular = next(seconds for seconds in _SLICES if seconds > before)
        most = min(left, max(self._left(), 0.0))
        return most if most <= 2 * regular else regular

    def _is_stuck(self, index: int, nodes: int) -> bool:
        """Whether branch and bound has hardly begun with an open input."""
        known = self._known[index]
        return known.verdict is Verdict.UNKNOWN and known.effort.nodes - nodes < _FEW_NODES

    def _stage(
        self,
        stage: Stage,
        method: SingleStage,
        limit: float,
        share: float,
        some: list[int] | None = None,
    ) -> Iterator[InputEvent]:
        """One stage over open inputs, within a share of the rest of the budget.

        A stage over all open inputs divides its time evenly among them.

        Args:
            stage: the stage.
            method: what is done in it.
            limit: seconds for one input.
            share: share of the rest of the budget.
            some: indices of the inputs, which are worked on one at a time; None for all open ones.
        """
        indices = self._open() if some is None else some
        left = self._left() * share
        if not indices or left <= 0:
            return
        if left < math.inf and some is None:
            limit = min(limit, max(left * self._pool.count / len(indices), _LEAST_SECONDS))
        problems = self._problems.take([self._positions[index] for index in indices])
        together = SingleStage.inputs_together if some is None else 1
        jobs = make_jobs(problems, method, replace(self._budget, time_limit=limit), together)
        for result in self._pool.run(jobs, time.monotonic() + left, self._latest, _SLACK):
            problem = self._problems[self._positions[result.index]]
            known = merge_results(self._known[result.index], result, problem, self._pool.model)
            self._known[result.index] = known
            is_open = known.verdict is Verdict.UNKNOWN
            yield Improved(stage, known) if is_open else Finished(stage, known)

    def _open(self) -> list[int]:
        """The inputs without a verdict; those that came nearest to a proof first."""
        open_ = [i for i, known in self._known.items() if known.verdict is Verdict.UNKNOWN]
        return sorted(open_, key=lambda i: -self._known[i].bound)

    def _left(self) -> float:
        return self._end - time.monotonic()
