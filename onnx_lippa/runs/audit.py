"""The whole pipeline, cheapest first: the time goes to the inputs that are still open.

Gradients break what is easily broken, linear bounds prove what is easily proven, LiPPA has its
turn at the rest, and what is then open is searched to the end: all of it for a moment, then what
is left for longer, until the time of an input or the whole budget is used up. Before a longer
search, partial patterns try what gradients, LPs and the searches so far have left open.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, final

from onnx_lippa.attacks import Method, Settings
from onnx_lippa.errors import InputError
from onnx_lippa.onnx_io import Model
from onnx_lippa.proofs import CertifySettings, LinearBounds
from onnx_lippa.runs.contradiction import merged
from onnx_lippa.runs.events import Finished, Improved, InputEvent, Stage
from onnx_lippa.runs.specification import chosen_of, indices_of
from onnx_lippa.runs.workers import Budgets, Workers, jobs_of, stopping_time, worth_starting
from onnx_lippa.spec import Problem
from onnx_lippa.witness import Result, Verdict

_SHARD: Final = 25
"""Inputs worked on together by gradients and bounds."""
_SLICES: Final = (1.0, 8.0, 64.0, 512.0, math.inf)
"""Seconds of a complete search of one input in each round. A search begins anew in the next one,
which costs at most an eighth."""
_ATTACK_SHARE: Final = 0.5
"""Share of what is left of the budget that attacks may take, before the rest is searched."""
_PATTERNS_FROM: Final = 16.0
"""Seconds of a search before which partial patterns are tried: in less, hardly one program of a
network of convolutions is solved."""
_PATTERNS_SHARE: Final = 0.25
"""Seconds for partial patterns, as a share of those of the search that follows."""
_PATTERNS_RESTARTS: Final = 2
"""Rounds of walks that give partial patterns their end points."""
_SLACK: Final = 60.0
"""Seconds beyond its slice that an input may take in a round: a slice is our own, and what a search
needs to begin may be more. The whole budget has no such slack."""
_LEAST_SECONDS: Final = 0.02
_TRIED: Final = 4
"""Inputs for each worker that are tried before all others get the same slice."""
_HARDLY_ANY: Final = 64
"""Nodes below which a search has hardly begun."""


@dataclass(frozen=True)
class AuditSettings:
    """Budgets of an audit.

    Attributes:
        attack: those of LiPPA. With the method LIPPA partial patterns are tried where it stalls;
            with LIPPA_MIP every input gets them at once, with PGD none.
        proof: those of the complete search; its time limit is that of one input, the attack not
            counted.
        budget: seconds for the whole audit.
    """

    attack: Settings
    proof: CertifySettings
    budget: float = math.inf

    def __post_init__(self) -> None:
        if not self.budget > 0:
            raise InputError(f"the budget is {self.budget}: give a positive number of seconds")
        if self.attack.minimize:
            raise InputError("an audit needs eps, and does not minimise distances")


def audit(
    model: Model, problems: Sequence[Problem], settings: AuditSettings, workers: int
) -> Iterator[InputEvent]:
    """Audits some inputs: one event after every stage of every input, the last one final.

    Verdicts do not depend on the number of workers, but for time limits and the budget.

    Args:
        model: the model, loaded and checked.
        problems: the inputs.
        settings: budgets.
        workers: processes.

    Raises:
        ContradictionError: a witness and a proof for one input.
    """
    if problems:
        count = worth_starting(workers, len(problems), settings.budget)
        with Workers(model, count) as pool:
            yield from _Audit(model, problems, settings, count, pool).run()


@final
class _Audit:
    def __init__(
        self,
        model: Model,
        problems: Sequence[Problem],
        settings: AuditSettings,
        workers: int,
        pool: Workers,
    ) -> None:
        self._model, self._settings, self._workers, self._pool = model, settings, workers, pool
        self._problems = problems
        self._places = {index: place for place, index in enumerate(indices_of(problems))}
        self._known = {i: Result(i, Verdict.UNKNOWN) for i in self._places}
        started = time.monotonic()
        self._end = started + settings.budget
        self._last = started + stopping_time(settings.budget)

    def run(self) -> Iterator[InputEvent]:
        attack, proof = self._settings.attack, self._settings.proof
        quick = replace(attack, method=Method.PGD, restarts=0, lp_steps=0)
        yield from self._stage(Stage.GRADIENTS, quick, _SHARD, _ATTACK_SHARE)
        linear = replace(proof, method=LinearBounds())
        yield from self._stage(Stage.BOUNDS, linear, _SHARD, _ATTACK_SHARE)
        yield from self._stage(Stage.LIPPA, attack, _SHARD, _ATTACK_SHARE)
        spent, before = 0.0, 0.0
        while self._open() and self._left() > _LEAST_SECONDS:
            seconds = self._slice(proof.time_limit - spent, before)
            if seconds < max(2 * before, _LEAST_SECONDS):
                break  # it would only get as far as the last round did
            spent, before = spent + seconds, seconds
            yield from self._patterns(seconds)
            yield from self._search(seconds)
        for index in self._open():
            yield Finished(Stage.SEARCH, self._known[index])

    def _patterns(self, seconds: float) -> Iterator[InputEvent]:
        """Partial patterns for the open inputs, before a search of so many seconds for each."""
        attack = self._settings.attack
        if attack.method is not Method.LIPPA or seconds < _PATTERNS_FROM:
            return
        partial = replace(
            attack,
            method=Method.LIPPA_MIP,
            restarts=min(attack.rounds, _PATTERNS_RESTARTS),
            time_limit=min(attack.time_limit, _PATTERNS_SHARE * seconds),
        )
        nearest = sorted(self._open(), key=lambda i: self._known[i].best_margin)
        yield from self._stage(Stage.PATTERNS, partial, 1, _PATTERNS_SHARE, nearest)

    def _search(self, seconds: float) -> Iterator[InputEvent]:
        """A complete search of so many seconds for each open input, if that is enough to begin."""
        proof = self._settings.proof
        searched = replace(proof, time_limit=seconds)
        tried = self._open()[: _TRIED * self._workers]
        nodes = {i: self._known[i].effort.nodes for i in tried}
        yield from self._stage(Stage.SEARCH, searched, 1, 1.0, tried)
        stuck = [i for i in tried if self._is_stuck(i, nodes[i])]
        if 2 * len(stuck) > len(tried):
            return  # it takes longer than this to begin: more time for each, for fewer
        rest = [i for i in self._open() if i not in nodes]
        yield from self._stage(Stage.SEARCH, searched, 1, 1.0, rest)

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
        budgets: Budgets,
        shard: int,
        share: float,
        chosen: list[int] | None = None,
    ) -> Iterator[InputEvent]:
        """One stage over open inputs, all when None, within a share of what is left of the budget.

        Attacks and bounds, which do all inputs, share that time evenly.
        """
        open_ = self._open() if chosen is None else chosen
        left = self._left() * share
        if not open_ or left <= 0:
            return
        if left < math.inf and chosen is None:
            each = max(left * self._workers / len(open_), _LEAST_SECONDS)
            budgets = replace(budgets, time_limit=min(budgets.time_limit, each))
        chosen_problems = chosen_of(self._problems, [self._places[i] for i in open_])
        jobs = jobs_of(chosen_problems, budgets, shard)
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
