"""Decides a property: finds a counterexample, or proves that there is none."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import Final

import numpy as np
from threadpoolctl import threadpool_limits

from onnx_lippa.attacks import AttackMethod
from onnx_lippa.ending import OUT_OF_TIME, Reason
from onnx_lippa.errors import ContradictionError
from onnx_lippa.onnx_io import Model
from onnx_lippa.proofs import ProofMethod
from onnx_lippa.runs.contradiction import contradicts
from onnx_lippa.runs.properties.falsify import falsify, problem_of
from onnx_lippa.runs.properties.finding import Answer, Finding, FindingListener, ignore
from onnx_lippa.spec import FARTHEST, Problem, Property
from onnx_lippa.state import Budget
from onnx_lippa.witness import Effort, Result, Verdict

_QUICK_SECONDS: Final = 1.0
_QUICK_SHARE: Final = 0.1
"""What the first search for a counterexample gets; most that exist are found in less."""
_THOROUGH_SHARE: Final = 0.3
"""Share of what is left that a second, thorough search gets where proofs have stalled."""
_ROUNDS: Final = (0.25, 1.0)
"""Shares of what is left for the proofs of all cases: each is tried, then those that are open."""
_LEAST_SECONDS: Final = 0.01


def verify(
    model: Model,
    property: Property,
    attack: AttackMethod,
    proof: ProofMethod,
    budget: Budget,
    case_limit: float = math.inf,
    tell: FindingListener = ignore,
) -> Finding:
    """Searches for an input that meets a property, or proves that none does.

    Args:
        model: the model.
        property: the property.
        attack: the attack on each case.
        proof: the proof of each case.
        budget: seed, and seconds of everything.
        case_limit: seconds of the proof of one case.
        tell: is told what is known after each part of the work.

    Raises:
        InputError: the property does not fit the model.
        ContradictionError: a case was proven in which a counterexample was found.
    """
    started = time.monotonic()
    limit = budget.time_limit
    quick = replace(budget, time_limit=min(_QUICK_SECONDS, _QUICK_SHARE * limit))
    found = falsify(model, property, attack.limit(restarts=1), quick, tell)
    if found.answer in {Answer.SAT, Answer.UNSAT}:
        return found
    with threadpool_limits(limits=1):
        run = _Proof(model, property, attack, proof, budget, case_limit, started, tell)
        return run.run(found)


class _Proof:
    def __init__(
        self,
        model: Model,
        property: Property,
        attack: AttackMethod,
        proof: ProofMethod,
        budget: Budget,
        case_limit: float,
        started: float,
        tell: FindingListener,
    ) -> None:
        self._original, self._property = model, property
        self._attack, self._budget, self._case_limit = attack, budget, case_limit
        self._model = model.joint() if property.joint else model
        self._proof, self._started, self._tell = proof, started, tell
        self._deadline = started + budget.time_limit
        self._bounds = np.full(len(property.cases), -np.inf)
        self._proven = np.zeros(len(property.cases), bool)
        self._effort, self._known = Effort(), Finding(Answer.UNKNOWN)
        self._reason: Reason | None = None

    def run(self, before: Finding) -> Finding:
        """Rounds of proofs of the open cases, with a thorough search between them.

        Args:
            before: what a search has found.
        """
        self._known, self._effort = before, before.effort
        for number, share in enumerate(_ROUNDS):
            witness = self._round(share)
            if witness is not None:
                return self._sat(witness)
            if np.all(self._proven):
                return self._finding(Answer.UNSAT)
            if number == 0 and self._left() > _LEAST_SECONDS:
                limited = replace(self._budget, time_limit=_THOROUGH_SHARE * self._left())
                found = falsify(self._original, self._property, self._attack, limited)
                self._effort += found.effort
                if found.answer is Answer.SAT:
                    self._require_consistent(found)
                    return replace(found, effort=self._spent())
        out = self._left() <= _LEAST_SECONDS
        return self._finding(Answer.TIMEOUT if out else Answer.UNKNOWN)

    def _round(self, share: float) -> Result | None:
        """Tries to prove each open case; a witness ends the round."""
        open_ = np.flatnonzero(~self._proven).tolist()
        end = time.monotonic() + share * self._left()
        for number, case in enumerate(open_):
            each = (end - time.monotonic()) / (len(open_) - number)
            seconds = min(self._case_limit, each)
            if seconds < _LEAST_SECONDS:
                self._reason = OUT_OF_TIME
                return None
            problem = self._problem(case)
            limited = replace(self._budget, time_limit=seconds)
            (result,) = self._proof.solve(self._model, [problem], limited)
            self._effort += result.effort
            if result.witness is not None:
                return result
            self._bounds[case] = max(self._bounds[case], result.bound)
            self._proven[case] |= result.verdict is Verdict.ROBUST
            if not self._proven[case]:
                self._reason = result.reason
            self._tell(self._finding(Answer.UNKNOWN))
        return None

    def _require_consistent(self, found: Finding) -> None:
        """Raises an error where a counterexample refutes a proof of a case."""
        if found.x is None or found.outputs is None:
            return
        x, outputs = found.x.ravel(), found.outputs.ravel()
        if self._property.joint:
            outputs = np.concatenate([outputs, x])
        for case in np.flatnonzero(self._proven).tolist():
            problem = self._problem(case)
            if problem.stated.is_in_box(x.astype(np.float64)) and contradicts(
                x, outputs, float(self._bounds[case]), problem.unsafe, self._model
            ):
                raise ContradictionError(
                    f"{self._property.source}: case {case} was proven and has a counterexample: "
                    "please report this as a bug, with the model and the property"
                )

    def _problem(self, case: int) -> Problem:
        # A proof may come upon a counterexample anywhere.
        return problem_of(self._model, self._property, case, FARTHEST)

    def _spent(self) -> Effort:
        """The effort of all searches and proofs, with their wall time."""
        return replace(self._effort, seconds=time.monotonic() - self._started)

    def _left(self) -> float:
        return self._deadline - time.monotonic()

    def _sat(self, result: Result) -> Finding:
        found = self._finding(Answer.SAT)
        if result.witness is None:
            return found
        problem = self._problem(result.index)
        rounded = () if problem.claim is None else tuple(sorted(problem.claim.exact_values))
        outputs = result.witness.outputs[: self._property.outputs]
        return replace(
            found, x=result.witness.x, outputs=outputs, rounded=rounded, found_by=result.found_by
        )

    def _finding(self, answer: Answer) -> Finding:
        decided = answer in {Answer.UNSAT, Answer.SAT}
        return replace(
            self._known,
            answer=answer,
            effort=self._spent(),
            bound=float(self._bounds.min()),
            proven_cases=int(self._proven.sum()),
            reason=None if decided else self._reason,
        )
