"""The whole pipeline, cheapest first: the time goes to the inputs that are still open.

Gradients break what is easily broken, linear bounds prove what is easily proven, LiPPA has its
turn at the rest, and what is then open is searched to the end: all of it for a moment, then what
is left for longer, until the time of an input or the whole budget is used up.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final, final

from onnx_lippa.attacks import Method, Settings
from onnx_lippa.certify import CertifySettings, ProofMethod
from onnx_lippa.errors import InputError
from onnx_lippa.onnx_io import Model
from onnx_lippa.question import Problem
from onnx_lippa.runs.merge import merged
from onnx_lippa.runs.workers import Budgets, Job, Workers
from onnx_lippa.witness import Outcome, Verdict

_SHARD: Final = 25
"""Inputs worked on together by gradients and bounds."""
_SLICES: Final = (1.0, 8.0, 64.0, 512.0, math.inf)
"""Seconds of a complete search of one input in each round. A search begins anew in the next one,
which costs at most an eighth."""
_ATTACK_SHARE: Final = 0.5
"""Share of what is left of the budget that attacks may take, before the rest is searched."""
_LEAST_SECONDS: Final = 0.02


class AuditStage(Enum):
    """What an audit does, in this order."""

    GRADIENTS = "gradients"
    BOUNDS = "linear bounds"
    LIPPA = "LiPPA"
    SEARCH = "complete search"


@dataclass(frozen=True)
class AuditSettings:
    """Budgets of an audit.

    Attributes:
        attack: those of LiPPA.
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


@dataclass(frozen=True)
class AuditEvent:
    """One input, after one stage.

    Attributes:
        stage: the stage.
        outcome: what is known of the input by now.
        final: whether no stage will look at it again.
    """

    stage: AuditStage
    outcome: Outcome
    final: bool


def audit(
    model: Model, problems: Sequence[Problem], settings: AuditSettings, workers: int
) -> Iterator[AuditEvent]:
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
        with Workers(model, workers) as pool:
            yield from _Audit(model, problems, settings, workers, pool).run()


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
        self._problems = {problem.index: problem for problem in problems}
        self._known = {i: Outcome(i, Verdict.UNKNOWN) for i in self._problems}
        self._end = time.monotonic() + settings.budget

    def run(self) -> Iterator[AuditEvent]:
        attack, proof = self._settings.attack, self._settings.proof
        quick = replace(attack, method=Method.PGD, restarts=0, lp_steps=0)
        yield from self._stage(AuditStage.GRADIENTS, quick, _SHARD, _ATTACK_SHARE)
        linear = replace(proof, method=ProofMethod.LINEAR)
        yield from self._stage(AuditStage.BOUNDS, linear, _SHARD, _ATTACK_SHARE)
        yield from self._stage(AuditStage.LIPPA, attack, _SHARD, _ATTACK_SHARE)
        spent, before = 0.0, 0.0
        while self._open():
            seconds = self._slice(proof.time_limit - spent, before)
            if seconds < max(2 * before, _LEAST_SECONDS):
                break  # it would only get as far as the last round did
            spent, before = spent + seconds, seconds
            searched = replace(proof, method=ProofMethod.COMPLETE, time_limit=seconds)
            yield from self._stage(AuditStage.SEARCH, searched, 1, 1.0)
        for index in self._open():
            yield AuditEvent(AuditStage.SEARCH, self._known[index], True)

    def _slice(self, left: float, before: float) -> float:
        """Seconds of the next round for each open input, of which ``left`` may still be spent."""
        fair = max(self._left(), 0.0) * self._workers / len(self._open())
        most = min(left, fair)
        regular = next(seconds for seconds in _SLICES if seconds > before)
        return most if most <= 2 * regular else regular

    def _stage(
        self, stage: AuditStage, budgets: Budgets, shard: int, share: float
    ) -> Iterator[AuditEvent]:
        """One stage over all open inputs, within a share of what is left of the budget."""
        open_ = self._open()
        left = self._left() * share
        if not open_ or left <= 0:
            return
        if left < math.inf:
            each = max(left * self._workers / len(open_), _LEAST_SECONDS)
            budgets = replace(budgets, time_limit=min(budgets.time_limit, each))
        parts = [open_[first : first + shard] for first in range(0, len(open_), shard)]
        jobs = [Job(tuple(self._problems[i] for i in part), budgets) for part in parts]
        for outcome in self._pool.run(jobs, time.monotonic() + left):
            index = outcome.index
            known = merged(self._known[index], outcome, self._problems[index], self._model)
            self._known[index] = known
            yield AuditEvent(stage, known, known.verdict is not Verdict.UNKNOWN)

    def _open(self) -> list[int]:
        """The inputs without a verdict; those that came nearest to a proof first."""
        open_ = [i for i, known in self._known.items() if known.verdict is Verdict.UNKNOWN]
        return sorted(open_, key=lambda i: -self._known[i].bound)

    def _left(self) -> float:
        return self._end - time.monotonic()
