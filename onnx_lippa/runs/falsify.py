"""The cases of a property, attacked in turn: the promising ones first, none at the cost of all."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from threadpoolctl import threadpool_limits

from onnx_lippa.attacks import AttackMethod, sample_boxes
from onnx_lippa.errors import InputError
from onnx_lippa.ir.network import OutputActivation
from onnx_lippa.onnx_io import LoadLimits, Model, load
from onnx_lippa.runs.finding import Answer, Finding
from onnx_lippa.spec import (
    SEARCH_DISTANCES,
    Conjunction,
    InputSpecification,
    Problem,
    Property,
    UnsafeSet,
    build_inputs,
)
from onnx_lippa.state import Budget
from onnx_lippa.witness import Effort, FoundBy, Witness

_SAMPLE_SHARE: Final = 0.1
_QUICK_SHARE: Final = 0.2
"""Shares of the time limit for samples of all cases, and then for short attacks."""
_FEW_CASES: Final = 8
"""As many cases get even in a short attack, and without a time limit, what takes long."""
_LEAST_SECONDS: Final = 0.02
_LEAST_THOROUGH_SECONDS: Final = 1.0
"""What an attack on one case gets, the last ones at the cost of others: less is worth nothing."""


class Search:
    """The search for an input that meets one of the cases of a property.

    Args:
        model: the model.
        property: the property; it fits the model.
        method: the attack on each case.
        budget: seed, and seconds of the whole search.
        started: ``time.monotonic()`` from which it counts.
    """

    def __init__(
        self, model: Model, property: Property, method: AttackMethod, budget: Budget, started: float
    ) -> None:
        self._model = model.joint() if property.joint else model
        self._property, self._started = property, started
        self._method, self._budget = method, budget
        self._effort = Effort()
        self._margins = np.full(len(property.cases), np.inf)
        """(cases,) the least margin met in each."""

    def run(self) -> Finding:
        """Samples all cases, attacks them all for a short time, and then at length.

        One case alone is attacked thoroughly at once, unless an input lacks a bound: then it is
        looked at near and far before.
        """
        several = len(self._property.cases) > 1 or not self._property.cases[0].is_bounded
        if several and (found := self._sample() or self._quickly()):
            return found
        pending = self._by_promise()
        while pending:
            found, pending = self._thoroughly(pending)
            if found is not None:
                return found
            if self._left() <= 0:
                return self._finding(Answer.TIMEOUT)
        return self._finding(Answer.UNKNOWN)

    def _sample(self) -> Finding | None:
        """Looks at all cases at once, as far as its share of the time goes."""
        deadline = time.monotonic() + _SAMPLE_SHARE * self._budget.time_limit
        for seen in sample_boxes(self._model, self._problems(), self._budget.seed):
            index = seen.problem.index
            self._margins[index] = min(self._margins[index], seen.margin)
            if seen.witness is not None and self._is_real(seen.problem, seen.witness):
                return self._sat(seen.problem, seen.witness, FoundBy.SAMPLING)
            if time.monotonic() > deadline:
                break
        return None

    def _quickly(self) -> Finding | None:
        """Attacks every case shortly, the most promising first."""
        limit, cases = self._budget.time_limit, len(self._property.cases)
        share = max(_QUICK_SHARE * limit / cases, _LEAST_SECONDS)
        method = self._method.limit(restarts=0, lp_steps=0 if cases > _FEW_CASES else None)
        deadline = time.monotonic() + 2 * _QUICK_SHARE * limit
        for case in self._by_promise():
            if time.monotonic() > deadline:
                break
            found, _ = self._attack(case, share, method)
            if found is not None:
                return found
        return None

    def _thoroughly(self, cases: list[int]) -> tuple[Finding | None, list[int]]:
        """Attacks the cases in turn.

        Returns:
            What was found, and the cases for which there was too little time.
        """
        cut_short = []
        for place, case in enumerate(cases):
            share = max(self._left() / (len(cases) - place), _LEAST_THOROUGH_SECONDS)
            found, whole = self._attack(case, share, self._thorough(place))
            if found is not None:
                return found, []
            if not whole:
                cut_short.append(case)
        return None, cut_short

    def _thorough(self, place: int) -> AttackMethod:
        """The attack on the case at one place: without a time limit, not all get all of it."""
        if self._budget.time_limit < np.inf or place < _FEW_CASES:
            return self._method
        return self._method.limit(restarts=1, lp_steps=0)

    def _attack(self, case: int, share: float, method: AttackMethod) -> tuple[Finding | None, bool]:
        """Attacks one case for at most some seconds.

        Returns:
            What was found, and whether time sufficed for the whole attack.
        """
        limit = min(share, self._left())
        if limit <= 0:
            return None, False
        end, whole = time.monotonic() + limit, True
        reaches = self._reaches(case)
        for place, reach in enumerate(reaches):
            problem = self._problem(case, reach)
            seconds = max((end - time.monotonic()) / (len(reaches) - place), _LEAST_SECONDS)
            limited = replace(self._budget, time_limit=seconds)
            for outcome in method.solve(self._model, [problem], limited):
                self._effort += outcome.effort
                self._margins[case] = min(self._margins[case], outcome.best_margin)
                if outcome.witness is not None and self._is_real(problem, outcome.witness):
                    return self._sat(problem, outcome.witness, outcome.found_by), True
                whole &= outcome.effort.seconds < seconds
        return None, whole

    def _by_promise(self) -> list[int]:
        return [int(case) for case in np.argsort(self._margins, kind="stable")]

    def _left(self) -> float:
        return self._budget.time_limit - (time.monotonic() - self._started)

    def _problems(self) -> Iterator[Problem]:
        return (
            self._problem(case, reach)
            for case in range(len(self._property.cases))
            for reach in self._reaches(case)
        )

    def _is_real(self, problem: Problem, witness: Witness) -> bool:
        """Whether a witness that may be far out, for want of bounds, holds in float64 too.

        Far out float32 is so coarse that nearly everything holds somewhere by its rounding.
        """
        if not problem.stated.unbounded:
            return True
        outputs = self._model.network.forward(witness.x[None].astype(np.float64))
        return bool(np.any(problem.unsafe.margins(outputs) <= 0))

    def _reaches(self, case: int) -> tuple[float, ...]:
        """How far is searched where an input has no bound: near, and then farther and farther."""
        return SEARCH_DISTANCES[:1] if self._property.cases[case].is_bounded else SEARCH_DISTANCES

    def _problem(self, index: int, reach: float) -> Problem:
        """The problem of one case; not kept, since there may be very many."""
        return problem_of(self._model, self._property, index, reach)

    def _sat(self, problem: Problem, witness: Witness, found_by: FoundBy) -> Finding:
        margins = problem.unsafe.margins(witness.outputs[None])
        self._margins[problem.index] = min(self._margins[problem.index], margins.min())
        rounded = () if problem.claim is None else tuple(sorted(problem.claim.exact_values))
        found = self._finding(Answer.SAT)
        outputs = witness.outputs[: self._property.outputs]
        return replace(found, x=witness.x, outputs=outputs, rounded=rounded, found_by=found_by)

    def _finding(self, answer: Answer) -> Finding:
        return Finding(
            answer,
            effort=replace(self._effort, seconds=time.monotonic() - self._started),
            best_margin=float(self._margins.min()),
        )


def problem_of(
    model: Model, property: Property, index: int, reach: float = SEARCH_DISTANCES[0]
) -> Problem:
    """The problem of one case of a property, for its model (joint where the property needs it).

    Args:
        model: the model.
        property: the property.
        index: which case.
        reach: how far is searched where there is no bound; a proof covers all there is.
    """
    case = property.cases[index]
    inputs, claim = build_inputs(property, case, model.interface.dtype, reach)
    sought = case.unsafe
    if not all(len(one.bound) for one in sought.disjuncts):
        sought = UnsafeSet(tuple(_with_a_row(one) for one in sought.disjuncts))
    return Problem(index, inputs, sought, UnsafeSet(()), claim)


def _with_a_row(conjunction: Conjunction) -> Conjunction:
    """The same conjunction; one without rows gets ``0 <= 0``, which every output meets."""
    if len(conjunction.bound):
        return conjunction
    return Conjunction(np.zeros((1, conjunction.matrix.shape[1])), np.zeros(1), strict=False)


_FAR: Final = 1e12
"""Bounds further away are taken for none at all when the import is checked."""


def falsify(model: Model, property: Property, method: AttackMethod, budget: Budget) -> Finding:
    """Looks for an input that meets a property.

    Args:
        model: the model.
        property: the property.
        method: the attack on each case.
        budget: seed, and seconds of the whole search.

    Raises:
        InputError: the property does not fit the model.
    """
    started = time.monotonic()
    check_fits(model, property)
    if not property.cases:
        return Finding(Answer.UNSAT, bound=np.inf, contradiction=property.contradiction)
    with threadpool_limits(limits=1):  # threads are the runtime's, and BLAS rounds alike
        return Search(model, property, method, budget, started).run()


def load_for(
    property: Property,
    path: str | Path,
    *,
    output: str | None = None,
    threads: int = 1,
    limits: LoadLimits | None = None,
) -> Model:
    """Loads a model for a property, and checks the import on inputs the property is about.

    Args:
        property: the property.
        path: the ONNX file.
        output: as in :func:`onnx_lippa.load`.
        threads: threads of ONNX Runtime.
        limits: limits of loading the model.

    Raises:
        InputError: the property does not fit the model.
        ModelError: as :func:`onnx_lippa.load` raises it.
    """
    model = load(path, output=output, threads=threads, check=False, limits=limits)
    check_fits(model, property)
    if not property.cases:
        model.check(InputSpecification.build(property.inputs, lower=-np.inf, upper=np.inf))
        return model
    lower = np.min([case.lower for case in property.cases], axis=0)
    upper = np.max([case.upper for case in property.cases], axis=0)
    lower, upper = np.where(lower < -_FAR, -np.inf, lower), np.where(upper > _FAR, np.inf, upper)
    above = np.nextafter(lower, np.inf)  # a domain needs some width
    model.check(InputSpecification.build(lower.size, lower=lower, upper=np.maximum(upper, above)))
    return model


def check_fits(model: Model, property: Property) -> None:
    """Raises InputError where a property is about other inputs or outputs than a model's."""
    network = model.network
    for kind, stated, real in (
        ("input", property.inputs, network.input_size),
        ("output", property.outputs, network.output_size),
    ):
        if stated != real:
            raise InputError(
                f"{property.source} is about {stated} {kind}s, but {model.file.path.name} has "
                f"{real}: give the property that belongs to this model"
            )
    ends = network.output_activation
    if ends is not OutputActivation.IDENTITY and not _compares_outputs(property):
        raise InputError(
            f"{property.source} compares outputs with numbers, but {model.file.path.name} ends in "
            f"a {ends.value}, behind which only the order of the outputs is "
            "piecewise linear: state the property for the model without its last step"
        )


def _compares_outputs(property: Property) -> bool:
    """Whether every row compares two outputs, ``y_i <= y_j``, or is about inputs alone."""
    for case in property.cases:
        for conjunction in case.unsafe.disjuncts:
            y, x = np.split(conjunction.matrix, [property.outputs], axis=1)
            two = (np.count_nonzero(y, axis=1) == 2) & (y.sum(axis=1) == 0)
            compared = two & (conjunction.bound == 0) & ~x.any(axis=1)
            if not np.all(compared | ~y.any(axis=1)):
                return False
    return True
