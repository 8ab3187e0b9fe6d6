"""A property decided: a counterexample, or a proof that there is none."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from threadpoolctl import threadpool_limits

from onnx_lippa.attacks import AttackMethod
from onnx_lippa.clock import OutOfTimeError
from onnx_lippa.ending import OUT_OF_TIME, Ending, Reason
from onnx_lippa.errors import ContradictionError, ModelError
from onnx_lippa.onnx_io import LoadLimits, Model
from onnx_lippa.proofs import ProofMethod
from onnx_lippa.runs.contradiction import contradict
from onnx_lippa.runs.falsify import falsify, load_for, problem_of
from onnx_lippa.runs.finding import Answer, Finding
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


def answer_property(
    network: Model | str | Path,
    property: Property | str | Path,
    attack: AttackMethod,
    proof: ProofMethod | None,
    budget: Budget,
    *,
    case_limit: float = math.inf,
    output: str | None = None,
    threads: int = 1,
    limits: LoadLimits | None = None,
) -> Finding:
    """The answer to a property; reading it and loading the model count towards the time limit.

    Args:
        network: the model, or the path of one.
        property: the property, or the path of a VNN-LIB file.
        attack: the search for counterexamples.
        proof: how to prove that there is none; None leaves proofs out.
        budget: seed, and seconds of everything.
        case_limit: seconds of the proof of one case.
        output: output of the model to use, as in :func:`onnx_lippa.load`.
        threads: threads of ONNX Runtime.
        limits: limits of loading the model.

    Raises:
        InputError: the property cannot be read, or does not fit the model.
        ModelError: a model that cannot be used.
        ContradictionError: a case was proven in which a counterexample was found.
    """
    deadline = time.monotonic() + budget.time_limit

    def left() -> float:
        return max(deadline - time.monotonic(), 1e-3)

    try:
        wanted = (
            property if isinstance(property, Property) else Property.from_vnnlib(property, deadline)
        )
        if isinstance(network, Model):
            model = network
        else:
            if limits is not None:
                limits = replace(limits, seconds=min(limits.seconds, left()))
            model = load_for(wanted, network, output=output, threads=threads, limits=limits)
        budget = replace(budget, time_limit=left())
        if proof is None:
            return falsify(model, wanted, attack, budget)
        return verify(model, wanted, attack, proof, budget, case_limit)
    except OutOfTimeError as error:
        return Finding(Answer.TIMEOUT, reason=error.reason)
    except ModelError as error:
        if time.monotonic() < deadline:
            raise
        return Finding(Answer.TIMEOUT, reason=Reason(Ending.OUT_OF_TIME, str(error)))


def verify(
    model: Model,
    property: Property,
    attack: AttackMethod,
    proof: ProofMethod,
    budget: Budget,
    case_limit: float = math.inf,
) -> Finding:
    """Looks for an input that meets a property, or proves that none does.

    Args:
        model: the model.
        property: the property.
        attack: the attack on each case.
        proof: the proof of each case.
        budget: seed, and seconds of everything.
        case_limit: seconds of the proof of one case.

    Raises:
        InputError: the property does not fit the model.
        ContradictionError: a case was proven in which a counterexample was found.
    """
    started = time.monotonic()
    limit = budget.time_limit
    quick = replace(budget, time_limit=min(_QUICK_SECONDS, _QUICK_SHARE * limit))
    found = falsify(model, property, attack.limit(restarts=1), quick)
    if found.answer in {Answer.SAT, Answer.UNSAT}:
        return found
    with threadpool_limits(limits=1):
        run = _Proof(model, property, attack, proof, budget, case_limit, started + limit)
        return run.run(found, started)


class _Proof:
    def __init__(
        self,
        model: Model,
        property: Property,
        attack: AttackMethod,
        proof: ProofMethod,
        budget: Budget,
        case_limit: float,
        deadline: float,
    ) -> None:
        self._original, self._property = model, property
        self._attack, self._budget, self._case_limit = attack, budget, case_limit
        self._model = model.joint() if property.joint else model
        self._proof, self._deadline = proof, deadline
        self._bounds = np.full(len(property.cases), -np.inf)
        self._proven = np.zeros(len(property.cases), bool)
        self._effort = Effort()
        self._reason: Reason | None = None

    def run(self, before: Finding, started: float) -> Finding:
        """Rounds of proofs of the open cases, with a thorough search between them."""
        for number, share in enumerate(_ROUNDS):
            witness = self._round(share)
            if witness is not None:
                return self._sat(witness, before, started)
            if np.all(self._proven):
                return self._ended(Answer.UNSAT, before, started)
            if number == 0 and self._left() > _LEAST_SECONDS:
                limited = replace(self._budget, time_limit=_THOROUGH_SHARE * self._left())
                found = falsify(self._original, self._property, self._attack, limited)
                if found.answer is Answer.SAT:
                    self._require_consistent(found)
                    return replace(found, effort=self._spent(before.effort + found.effort, started))
        out = self._left() <= _LEAST_SECONDS
        return self._ended(Answer.TIMEOUT if out else Answer.UNKNOWN, before, started)

    def _round(self, share: float) -> Result | None:
        """Tries to prove each open case; an outcome with a witness ends the round."""
        open_ = np.flatnonzero(~self._proven).tolist()
        end = time.monotonic() + share * self._left()
        for place, case in enumerate(open_):
            each = (end - time.monotonic()) / (len(open_) - place)
            seconds = min(self._case_limit, each)
            if seconds < _LEAST_SECONDS:
                self._reason = OUT_OF_TIME
                return None
            problem = self._problem(case)
            limited = replace(self._budget, time_limit=seconds)
            (outcome,) = self._proof.solve(self._model, [problem], limited)
            self._effort += outcome.effort
            if outcome.witness is not None:
                return outcome
            self._bounds[case] = max(self._bounds[case], outcome.bound)
            self._proven[case] |= outcome.verdict is Verdict.ROBUST
            if not self._proven[case]:
                self._reason = outcome.reason
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
            if problem.stated.is_in_box(x.astype(np.float64)) and contradict(
                x, outputs, float(self._bounds[case]), problem.unsafe, self._model
            ):
                raise ContradictionError(
                    f"{self._property.source}: case {case} was proven and has a counterexample: "
                    "please report this as a bug, with the model and the property"
                )

    def _problem(self, case: int) -> Problem:
        # A proof may come upon a counterexample anywhere.
        return problem_of(self._model, self._property, case, FARTHEST)

    def _spent(self, attacks: Effort, started: float) -> Effort:
        """The work of attacks and of the proofs so far, with the wall time of all."""
        return replace(attacks + self._effort, seconds=time.monotonic() - started)

    def _left(self) -> float:
        return self._deadline - time.monotonic()

    def _sat(self, outcome: Result, before: Finding, started: float) -> Finding:
        found = self._ended(Answer.SAT, before, started)
        if outcome.witness is None:
            return found
        problem = self._problem(outcome.index)
        rounded = () if problem.claim is None else tuple(sorted(problem.claim.exact_values))
        outputs = outcome.witness.outputs[: self._property.outputs]
        return replace(
            found, x=outcome.witness.x, outputs=outputs, rounded=rounded,
            found_by=outcome.found_by,
        )  # fmt: skip

    def _ended(self, answer: Answer, before: Finding, started: float) -> Finding:
        proven = answer is Answer.UNSAT
        return replace(
            before,
            answer=answer,
            effort=self._spent(before.effort, started),
            bound=float(self._bounds.min()),
            reason=None if proven or answer is Answer.SAT else self._reason,
        )
