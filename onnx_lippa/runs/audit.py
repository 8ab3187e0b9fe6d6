"""The whole pipeline, cheapest first: the time goes to the inputs that are still open.

Gradients break what is easily broken, linear bounds prove what is easily proven, LiPPA has its
turn at the rest, and what is then open is searched to the end: all of it for a moment, then what
is left for longer, until the time of an input or the whole budget is used up. Before a longer
search, large neighbourhood search tries what gradients, LPs and searches so far have left open.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Final, final

from onnx_lippa.attacks import AttackMethod, Lippa, Pgd
from onnx_lippa.errors import InputError
from onnx_lippa.onnx_io import Model
from onnx_lippa.proofs import BranchAndBound, LinearBounds
from onnx_lippa.runs.contradiction import merged
from onnx_lippa.runs.results import Finished, Improved, InputEvent
from onnx_lippa.runs.specification import chosen_of, indices_of
from onnx_lippa.runs.workers import Workers, make_jobs, stopping_time, worth_starting
from onnx_lippa.spec import Norm, Problem
from onnx_lippa.state import Budget, Method, RadiusOrder, Stage
from onnx_lippa.witness import Result, Verdict

_SHARD: Final = 25
"""Inputs worked on together by gradients and bounds."""
_SLICES: Final = (1.0, 8.0, 64.0, 512.0, math.inf)
"""Seconds of a complete search of one input in each round. A search begins anew in the next one,
which costs at most an eighth."""
_ATTACK_SHARE: Final = 0.5
"""Share of what is left of the budget that attacks may take, before the rest is searched."""
_NEIGHBOURHOOD_FROM: Final = 16.0
"""Seconds of a search before which large neighbourhood search is tried: in less, hardly one program
of a network of convolutions is solved."""
_NEIGHBOURHOOD_SHARE: Final = 0.25
"""Seconds for large neighbourhood search, as a share of those of the search that follows."""
_NEIGHBOURHOOD_RESTARTS: Final = 2
"""Restarts of PGD that give large neighbourhood search its end points."""
_SLACK: Final = 60.0
"""Seconds beyond its slice that an input may take in a round: a slice is our own, and what a search
needs to begin may be more. The whole budget has no such slack."""
_LEAST_SECONDS: Final = 0.02
_TRIED: Final = 4
"""Inputs for each worker that are tried before all others get the same slice."""
_HARDLY_ANY: Final = 64
"""Nodes below which a search has hardly begun."""


@final
@dataclass(frozen=True)
class Audit:
    """An attack and a proof in turn, cheapest first, within a time for all inputs.

    Attributes:
        attack: the attack. With Lippa, large neighbourhood search is tried where branch and bound
            stalls; with LippaMip every input gets it at once, with Pgd none.
        proof: the complete search.
        budget: seconds for all inputs together.
    """

    attack: AttackMethod = Lippa()  # noqa: RUF009 - it is frozen
    proof: BranchAndBound = BranchAndBound()  # noqa: RUF009 - it is frozen
    budget: float = math.inf

    name: ClassVar[str] = "audit"
    title: ClassVar[str] = "audit"
    radius_order: ClassVar[RadiusOrder] = RadiusOrder.BISECTING

    def __post_init__(self) -> None:
        if not self.budget > 0:
            raise InputError(f"the budget is {self.budget}: give a positive number of seconds")

    def check(self, norm: Norm, minimize: bool) -> None:
        """Refuses before a run what it would refuse in the middle of it.

        Raises:
            InputError: an option that cannot be used.
        """
        if minimize:
            raise InputError("an audit needs eps, and does not minimise distances")
        self.attack.check(norm, minimize)

    def run(
        self, model: Model, problems: Sequence[Problem], budget: Budget, workers: int
    ) -> Iterator[InputEvent]:
        """Audits inputs: one event after every stage of every input, the last one final.

        Verdicts do not depend on the number of workers, but for time limits and the budget.

        Args:
            model: the model, loaded and checked.
            problems: the inputs.
            budget: seed, and seconds of the search of one input, the attack not counted.
            workers: processes.

        Raises:
            ContradictionError: a witness and a proof for one input.
        """
        if problems:
            count = worth_starting(workers, len(problems), self.budget)
            with Workers(model, count) as pool:
                yield from _Run(self, model, problems, budget, count, pool).run()


@final
class _Run:
    def __init__(
        self,
        audit: Audit,
        model: Model,
        problems: Sequence[Problem],
        budget: Budget,
        workers: int,
        pool: Workers,
    ) -> None:
        self._audit, self._model, self._budget = audit, model, budget
        self._workers, self._pool = workers, pool
        self._problems = problems
        self._places = {index: place for place, index in enumerate(indices_of(problems))}
        self._known = {i: Result(i, Verdict.UNKNOWN) for i in self._places}
        started = time.monotonic()
        self._end = started + audit.budget
        self._last = started + stopping_time(audit.budget)

    def run(self) -> Iterator[InputEvent]:
        attack, limit = self._audit.attack, self._budget.time_limit
        quick = Pgd(restarts=0, gradient_steps=attack.gradient_steps)
        yield from self._stage(Stage.GRADIENTS, quick, math.inf, _SHARD, _ATTACK_SHARE)
        yield from self._stage(Stage.BOUNDS, LinearBounds(), limit, _SHARD, _ATTACK_SHARE)
        yield from self._stage(Stage.LIPPA, attack, math.inf, _SHARD, _ATTACK_SHARE)
        spent, before = 0.0, 0.0
        while self._open() and self._left() > _LEAST_SECONDS:
            seconds = self._slice(limit - spent, before)
            if seconds < max(2 * before, _LEAST_SECONDS):
                break  # it would only get as far as the last round did
            spent, before = spent + seconds, seconds
            yield from self._search_neighbourhoods(seconds)
            yield from self._search(seconds)
        for index in self._open():
            yield Finished(Stage.SEARCH, self._known[index])

    def _search_neighbourhoods(self, seconds: float) -> Iterator[InputEvent]:
        """A stronger attack on the open inputs, before a search of so many seconds for each."""
        stronger = self._audit.attack.escalate(_NEIGHBOURHOOD_RESTARTS)
        if stronger is None or seconds < _NEIGHBOURHOOD_FROM:
            return
        nearest = sorted(self._open(), key=lambda i: self._known[i].best_margin)
        limit = _NEIGHBOURHOOD_SHARE * seconds
        yield from self._stage(Stage.PATTERNS, stronger, limit, 1, _NEIGHBOURHOOD_SHARE, nearest)

    def _search(self, seconds: float) -> Iterator[InputEvent]:
        """A complete search of so many seconds for each open input, if that is enough to begin."""
        proof = self._audit.proof
        tried = self._open()[: _TRIED * self._workers]
        nodes = {i: self._known[i].effort.nodes for i in tried}
        yield from self._stage(Stage.SEARCH, proof, seconds, 1, 1.0, tried)
        stuck = [i for i in tried if self._is_stuck(i, nodes[i])]
        if 2 * len(stuck) > len(tried):
            return  # it takes longer than this to begin: more time for each, for fewer
        rest = [i for i in self._open() if i not in nodes]
        yield from self._stage(Stage.SEARCH, proof, seconds, 1, 1.0, rest)

    def _slice(self, left: float, before: float) -> float:
        """Seconds of the next round for each open input, of which ``left`` may still be spent.

        Not all inputs get them where the budget ends before: the most promising come first.
        """
        regular = next(seconds for seconds in _SLICES if seconds > before)
        most = min(left, max(self._left(), 0.0))
        return most if most <= 2 * regular else regular

    def _is_stuck(self, index: int, nodes: int) -> bool:
        """Whether an input is open after a search that did hardly more than begin."""
        known = self._known[index]
        return known.verdict is Verdict.UNKNOWN and known.effort.nodes - nodes < _HARDLY_ANY

    def _stage(
        self,
        stage: Stage,
        method: Method,
        limit: float,
        shard: int,
        share: float,
        chosen: list[int] | None = None,
    ) -> Iterator[InputEvent]:
        """One stage over open inputs, all when None, within a share of what is left of the budget.

        Args:
            stage: the stage.
            method: what is done in it.
            limit: seconds for one input.
            shard: inputs worked on together.
            share: share of what is left of the budget.
            chosen: the inputs.

        Attacks and bounds, which do all inputs, share that time evenly.
        """
        open_ = self._open() if chosen is None else chosen
        left = self._left() * share
        if not open_ or left <= 0:
            return
        if left < math.inf and chosen is None:
            each = max(left * self._workers / len(open_), _LEAST_SECONDS)
            limit = min(limit, each)
        chosen_problems = chosen_of(self._problems, [self._places[i] for i in open_])
        jobs = make_jobs(chosen_problems, method, replace(self._budget, time_limit=limit), shard)
        for outcome in self._pool.run(jobs, time.monotonic() + left, self._last, _SLACK):
            index = outcome.index
            problem = self._problems[self._places[index]]
            known = merged(self._known[index], outcome, problem, self._model)
            self._known[index] = known
            is_open = known.verdict is Verdict.UNKNOWN
            yield Improved(stage, known) if is_open else Finished(stage, known)

    def _open(self) -> list[int]:
        """The inputs without a verdict; those that came nearest to a proof first."""
        open_ = [i for i, known in self._known.items() if known.verdict is Verdict.UNKNOWN]
        return sorted(open_, key=lambda i: -self._known[i].bound)

    def _left(self) -> float:
        return self._end - time.monotonic()
