"""The state of one input while attacks, bounds and searches work on it.

``Problem -> InputState -> Result``: every method reports to the state of its input, and the state
alone makes verdicts. A point becomes a witness by :meth:`InputState.offer`, a bound becomes a proof
by :meth:`InputState.prove`.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import Any, final

import numpy as np

from onnx_lippa.arrays import Floats
from onnx_lippa.bounds.proven import ProvenBounds
from onnx_lippa.clock import NEVER
from onnx_lippa.ending import OUT_OF_TIME, Reason
from onnx_lippa.errors import InputError
from onnx_lippa.onnx_io import Model
from onnx_lippa.spec import InputSet, Problem, StatedSet
from onnx_lippa.witness import Effort, FoundBy, ProvedBy, Result, Verdict, Witness, check_candidate


@final
@dataclass(frozen=True)
class Budget:
    """What a run may spend, and where its random numbers come from; no part of a method.

    Attributes:
        time_limit: seconds for one input; an input that runs out of them stays unknown. It is the
            one option that can make two runs differ.
        seed: seed of the random numbers.
    """

    time_limit: float = np.inf
    seed: int = 0

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise InputError(f"seed is {self.seed}: give a number of at least 0")
        if not self.time_limit > 0:
            raise InputError(f"the time limit is {self.time_limit}: give a positive number")


class Work(Enum):
    """Kinds of work whose seconds are counted apart; the values are fields of :class:`Effort`."""

    GRADIENTS = "gradient_seconds"
    LPS = "lp_seconds"
    MIPS = "mip_seconds"


@final
@dataclass(eq=False)
class InputState:
    """What is known of one input, and the only way to a verdict on it.

    Attributes:
        problem: the problem.
        model: the model.
        time_limit: seconds that may be spent on it.
        is_misclassified: whether the clean input is already unsafe.
        witness: the nearest witness.
        found_by: what found it.
        target: its class.
        attack: the attack of a portfolio that is at work; empty without a portfolio.
        broken_by: the one that found the witness.
        best_margin: the least margin of any point evaluated.
        bound: proven lower bound of the margin.
        is_excluded: whether it is proven that no allowed input is unsafe, though the bound may be
            0: a tie that does not count.
        proved_by: the method of the proof, where there is one.
        deadline: ``time.monotonic()`` at which its time is used up, while it is worked on.
        reason: why it is open, as the last method says.
        is_exhausted: whether no method can say more.
    """

    problem: Problem
    model: Model
    time_limit: float = np.inf
    is_misclassified: bool = False
    witness: Witness | None = None
    found_by: FoundBy = FoundBy.NOTHING
    target: int = -1
    attack: str = ""
    broken_by: str = ""
    best_margin: float = np.inf
    bound: float = -np.inf
    is_excluded: bool = False
    proved_by: ProvedBy = ProvedBy.NOTHING
    deadline: float = NEVER
    reason: Reason | None = None
    is_exhausted: bool = False
    _spent: dict[str, Any] = field(default_factory=lambda: dict(vars(Effort())))
    """The fields of :attr:`effort`. They change at every step of an attack."""

    @property
    def effort(self) -> Effort:
        """The work spent."""
        return Effort(**self._spent)

    @effort.setter
    def effort(self, effort: Effort) -> None:
        self._spent = dict(vars(effort))

    @cached_property
    def stated(self) -> StatedSet:
        """The inputs that a proof must cover."""
        return self.problem.stated

    @property
    def is_robust(self) -> bool:
        """Whether it is proven that no allowed input is unsafe."""
        return self.is_excluded or self.bound > 0

    @property
    def is_decided(self) -> bool:
        """Whether there is a verdict; where the distance is minimised a witness is none yet."""
        found = self.witness is not None and not self.problem.minimize
        return self.is_misclassified or found or self.is_robust

    @property
    def is_open(self) -> bool:
        """Whether it is worth work: undecided, with something to try, and with time left."""
        return not (self.is_decided or self.is_exhausted or self.seconds_left <= 0)

    @property
    def seconds_left(self) -> float:
        """Seconds that may still be spent; inside :func:`timed` it stands still."""
        left: float = self.time_limit - self._spent["seconds"]
        return left

    @property
    def improving(self) -> InputSet:
        """The inputs among which a witness is an improvement: nearer than the last one."""
        inputs = self.problem.inputs
        if self.witness is None:
            return inputs
        return inputs.with_eps(float(np.nextafter(self.witness.distance, 0.0)))

    def observe(self, margin: float) -> None:
        """Takes the margin of a point that was evaluated."""
        self.best_margin = min(self.best_margin, margin)

    def spend(self, done: Mapping[str, float], times: int = 1) -> None:
        """Takes work that was done so many times, by fields of :attr:`effort`."""
        for name, number in done.items():
            self._spent[name] += times * number

    def offer(self, x: Floats, found_by: FoundBy) -> bool:
        """Checks a candidate (d,); True where it is a witness, nearer than the last one."""
        unsafe, claim = self.problem.unsafe, self.problem.claim
        witness = check_candidate(self.model.runtime, x, self.improving, unsafe, claim)
        if witness is None:
            return False
        self.witness, self.found_by, self.broken_by = witness, found_by, self.attack
        # A search for one class may end in another.
        margins = unsafe.margins(witness.outputs[None])[0]
        self.observe(float(margins.min()))
        self.target = unsafe.disjuncts[int(margins.argmin())].target
        return True

    def prove(self, proven: ProvenBounds, proved_by: ProvedBy) -> None:
        """Takes lower bounds of margins over all allowed inputs; the least counts."""
        self._raise_bound(proven.value, proved_by)

    def believe(self, bound: float) -> None:
        """Takes a lower bound of the margin on the word of a MIP solver, and reports it so."""
        self._raise_bound(bound, ProvedBy.MIP)

    def prove_by_parts(self, parts: Sequence[InputState]) -> None:
        """Takes the proofs of parts that cover all allowed inputs, each of them robust.

        The word of a MIP solver for one part makes the whole its word; else the strongest method
        that a part needed counts.

        Raises:
            ValueError: there are no parts, or one of them is not robust.
        """
        if not parts or not all(part.is_robust and part.witness is None for part in parts):
            raise ValueError("a part is not robust")
        methods = {part.proved_by for part in parts}
        ranked = (ProvedBy.MIP, ProvedBy.COMPLETE, ProvedBy.LINEAR, ProvedBy.INTERVAL)
        proved_by = next(method for method in ranked if method in methods)
        bound = min(part.bound for part in parts)
        if bound > 0:
            self._raise_bound(bound, proved_by)
        else:
            self.exclude(proved_by)

    def exclude(self, proved_by: ProvedBy) -> None:
        """Takes the proof that no allowed input is unsafe, so that no margin is below 0."""
        self.is_excluded, self.bound = True, max(self.bound, 0.0)
        self.proved_by, self.reason = proved_by, None

    def result(self) -> Result:
        """The result so far."""
        verdict, reason = Verdict.UNKNOWN, self.reason
        if self.is_misclassified:
            verdict = Verdict.MISCLASSIFIED
        elif self.witness is not None:
            verdict = Verdict.ADVERSARIAL
        elif self.is_robust:
            verdict = Verdict.ROBUST
        elif reason is None and self.seconds_left <= 0:
            reason = OUT_OF_TIME
        return Result(
            index=self.problem.index,
            verdict=verdict,
            witness=self.witness,
            target=self.target,
            found_by=self.found_by,
            best_margin=self.best_margin,
            bound=self.bound,
            proved_by=self.proved_by,
            effort=self.effort,
            reason=reason if verdict is Verdict.UNKNOWN else None,
            broken_by=self.broken_by,
        )

    def _raise_bound(self, bound: float, proved_by: ProvedBy) -> None:
        if bound > self.bound:
            self.bound = bound
            if bound > 0:
                self.proved_by, self.reason = proved_by, None


def begin_states(
    model: Model, problems: Sequence[Problem], time_limit: float = np.inf
) -> list[InputState]:
    """The states of some inputs, with the misclassified ones decided.

    Args:
        model: the model.
        problems: the problems.
        time_limit: seconds for each.
    """
    outputs = model.runtime.forward(np.array([problem.inputs.center for problem in problems]))
    states = [InputState(problem, model, time_limit) for problem in problems]
    for state, output in zip(states, outputs, strict=True):
        if state.problem.wrong.contains(output):
            state.is_misclassified, state.found_by = True, FoundBy.CLEAN
    return states


def find_deadline(states: Sequence[InputState]) -> float:
    """``time.monotonic()`` at which work on these inputs together has used up their time."""
    owners = set(states)
    least = min((state.seconds_left for state in owners), default=np.inf)
    return time.monotonic() + least * max(1, len(owners))


@contextmanager
def timed(
    states: Sequence[InputState], work: Work | None = None, each: Effort | None = None
) -> Iterator[float]:
    """Shares the time of a block among inputs, by how often each is named.

    Args:
        states: the states of the inputs.
        work: the kind of work, where its seconds are counted apart.
        each: what the block does for each state as often as it is named, but for its seconds.

    Yields:
        The common deadline of the inputs.
    """
    started, deadline = time.monotonic(), find_deadline(states)
    for state in states:
        state.deadline = deadline
    try:
        yield deadline
    finally:
        share = (time.monotonic() - started) / max(1, len(states))
        done = {name: number for name, number in vars(each or Effort()).items() if number}
        done |= dict.fromkeys(["seconds"] if work is None else ["seconds", work.value], share)
        for state, times in Counter(states).items():
            state.spend(done, times)
