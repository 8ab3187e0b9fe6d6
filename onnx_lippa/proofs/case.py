"""What is known of one problem while proofs are tried on it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np

from onnx_lippa.arrays import Float64
from onnx_lippa.bounds.proven import Proven
from onnx_lippa.clock import NEVER
from onnx_lippa.onnx_io import Model
from onnx_lippa.proofs.settings import CertifySettings
from onnx_lippa.spec import Problem, StatedSet
from onnx_lippa.witness import Effort, FoundBy, ProvedBy, Result, Verdict, Witness, check_candidate


@final
@dataclass
class Case:
    """One problem, and the only way to a verdict on it.

    Attributes:
        problem: the problem.
        model: the model it is about.
        settings: budgets.
        witness: an unsafe input that was replayed.
        found_by: what found it.
        bound: proven lower bound of the margin.
        is_excluded: whether it is proven that nothing allowed is unsafe, though the bound may be 0:
            a tie that does not count.
        proved_by: the method that proved the bound, where it is positive.
        misclassified: whether the clean input is already unsafe.
        nodes: subproblems bounded.
        lp_steps: linear programs solved.
        seconds: wall time spent.
        deadline: ``time.monotonic()`` at which its time is used up, while it is worked on.
        reason: why it is still open, in the words of the last method.
        is_hopeless: whether no method can say more.
    """

    problem: Problem
    model: Model
    settings: CertifySettings
    witness: Witness | None = None
    found_by: FoundBy = FoundBy.NOTHING
    bound: float = -np.inf
    is_excluded: bool = False
    proved_by: ProvedBy = ProvedBy.NOTHING
    misclassified: bool = False
    nodes: int = 0
    lp_steps: int = 0
    seconds: float = 0.0
    deadline: float = NEVER
    reason: str = ""
    is_hopeless: bool = False

    @property
    def is_open(self) -> bool:
        """Whether it is worth work: without a verdict, and with time left."""
        settled = self.misclassified or self.witness is not None or self.is_robust
        return not (settled or self.is_hopeless or self.seconds >= self.settings.time_limit)

    @property
    def is_robust(self) -> bool:
        """Whether a proof says so."""
        return self.is_excluded or self.bound > 0

    @cached_property
    def stated(self) -> StatedSet:
        """The inputs that a proof must hold for."""
        return self.problem.stated

    def left(self, deadline: float) -> float:
        """Seconds until a deadline, at least a moment."""
        return max(deadline - time.monotonic(), 1e-3)

    def offer(self, x: Float64, found_by: FoundBy) -> bool:
        """Replays a candidate (all features,), and keeps it where it is a witness."""
        problem, runtime = self.problem, self.model.runtime
        witness = check_candidate(runtime, x, problem.inputs, problem.unsafe, problem.claim)
        if witness is None:
            return False
        self.witness, self.found_by = witness, found_by
        return True

    def prove(self, proven: Proven, proved_by: ProvedBy) -> None:
        """Takes lower bounds of margins over all inputs allowed; their least is the case's."""
        self._take(proven.value, proved_by)

    def believe(self, bound: float) -> None:
        """Takes a lower bound of the margin that is a MIP solver's word, and so reported."""
        self._take(bound, ProvedBy.MIP)

    def _take(self, bound: float, proved_by: ProvedBy) -> None:
        if bound > self.bound:
            self.bound = bound
            if bound > 0:
                self.proved_by, self.reason = proved_by, ""

    def exclude(self, proved_by: ProvedBy) -> None:
        """Takes the proof that nothing allowed is unsafe, so that no margin is below 0."""
        self.is_excluded, self.bound = True, max(self.bound, 0.0)
        self.proved_by, self.reason = proved_by, ""

    def outcome(self) -> Result:
        """What can be said now."""
        verdict, target, margin = Verdict.UNKNOWN, -1, np.inf
        if self.misclassified:
            verdict = Verdict.MISCLASSIFIED
        elif self.witness is not None:
            verdict = Verdict.ADVERSARIAL
            margins = self.problem.unsafe.margins(self.witness.outputs[None])[0]
            margin = float(margins.min())
            target = self.problem.unsafe.disjuncts[int(margins.argmin())].target
        elif self.is_robust:
            verdict = Verdict.ROBUST
        reason = self.reason if verdict is Verdict.UNKNOWN else ""
        effort = Effort(lps=self.lp_steps, nodes=self.nodes, seconds=self.seconds)
        return Result(
            self.problem.index, verdict, self.witness, target, self.found_by, margin, self.bound,
            self.proved_by, effort, reason,
        )  # fmt: skip


@contextmanager
def timed(cases: Sequence[Case]) -> Iterator[None]:
    """Shares the time of a block among cases, which may take what all of them have left."""
    started = time.monotonic()
    left = sum(case.settings.time_limit - case.seconds for case in cases)
    for case in cases:
        case.deadline = started + left
    try:
        yield
    finally:
        for case in cases:
            case.seconds += (time.monotonic() - started) / len(cases)
