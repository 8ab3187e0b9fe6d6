"""Attacks the cases of a property, the promising ones first, with a share of the time for each."""

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
from onnx_lippa.onnx_io import LoadLimits, Model, Preprocess, load
from onnx_lippa.runs.properties.finding import Answer, Finding, FindingListener, ignore
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
_TOLD_EVERY: Final = 0.2
"""Seconds between two findings that a listener is told."""
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
        tell: is told what is known after each part of the work.
    """

    def __init__(
        self,
        model: Model,
        property: Property,
        method: AttackMethod,
        budget: Budget,
        started: float,
        tell: FindingListener,
    ) -> None:
        self._model = model.joint() if property.joint else model
        self._property, self._started = property, started
        self._method, self._budget = method, budget
        self._tell, self._told = tell, started
        self._effort = Effort()
        self._margins = np.full(len(property.cases), np.inf)
        """(cases,) the least margin in each."""

    def run(self) -> Finding:
        """Samples all cases, attacks each for a short time, and then thoroughly.

        A single case is attacked thoroughly at once, unless an input lacks a bound: then points
        near and far are sampled first.
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
        """Samples points of all cases, within its share of the time."""
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
        """Attacks every case for a short time, the most promising first."""
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
            The finding, if a counterexample was found, and the cases whose time did not suffice.
        """
        cut_short = []
        for number, case in enumerate(cases):
            share = max(self._left() / (len(cases) - number), _LEAST_THOROUGH_SECONDS)
            found, whole = self._attack(case, share, self._thorough(number))
            if found is not None:
                return found, []
            if not whole:
                cut_short.append(case)
        return None, cut_short

    def _thorough(self, number: int) -> AttackMethod:
        """The attack on the case of this number; without a time limit, only a few get all of it."""
        if self._budget.time_limit < np.inf or number < _FEW_CASES:
            return self._method
        return self._method.limit(restarts=1, lp_steps=0)

    def _attack(self, case: int, share: float, method: AttackMethod) -> tuple[Finding | None, bool]:
        """Attacks one case for at most some seconds.

        Returns:
            The finding, if a counterexample was found, and whether time sufficed for the attack.
        """
        limit = min(share, self._left())
        if limit <= 0:
            return None, False
        end, whole = time.monotonic() + limit, True
        distances = self._distances(case)
        for number, distance in enumerate(distances):
            problem = self._problem(case, distance)
            seconds = max((end - time.monotonic()) / (len(distances) - number), _LEAST_SECONDS)
            limited = replace(self._budget, time_limit=seconds)
            for result in method.solve(self._model, [problem], limited):
                self._effort += result.effort
                self._margins[case] = min(self._margins[case], result.best_margin)
                if result.witness is not None and self._is_real(problem, result.witness):
                    return self._sat(problem, result.witness, result.found_by), True
                whole &= result.effort.seconds < seconds
        if time.monotonic() > self._told + _TOLD_EVERY:
            self._told = time.monotonic()
            self._tell(self._finding(Answer.UNKNOWN))
        return None, whole

    def _by_promise(self) -> list[int]:
        return [int(case) for case in np.argsort(self._margins, kind="stable")]

    def _left(self) -> float:
        return self._budget.time_limit - (time.monotonic() - self._started)

    def _problems(self) -> Iterator[Problem]:
        return (
            self._problem(case, distance)
            for case in range(len(self._property.cases))
            for distance in self._distances(case)
        )

    def _is_real(self, problem: Problem, witness: Witness) -> bool:
        """Whether a witness far out, where an input has no bound, holds in float64 too.

        There float32 is so coarse that its rounding alone makes nearly any property hold.
        """
        if not problem.stated.unbounded:
            return True
        outputs = self._model.network.forward(witness.x[None].astype(np.float64))
        return bool(np.any(problem.unsafe.margins(outputs) <= 0))

    def _distances(self, case: int) -> tuple[float, ...]:
        """How far an input without a bound is searched: near, then farther and farther."""
        return SEARCH_DISTANCES[:1] if self._property.cases[case].is_bounded else SEARCH_DISTANCES

    def _problem(self, case: int, distance: float) -> Problem:
        """The problem of one case. It is not kept: there may be very many."""
        return problem_of(self._model, self._property, case, distance)

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
            cases=len(self._margins),
        )


def problem_of(
    model: Model, property: Property, index: int, distance: float = SEARCH_DISTANCES[0]
) -> Problem:
    """The problem of one case of a property, for its model (joint where the property needs it).

    Args:
        model: the model.
        property: the property.
        index: number of the case.
        distance: how far an input without a bound is searched; a proof covers all inputs.
    """
    case = property.cases[index]
    inputs, claim = build_inputs(property, case, model.interface.dtype, distance)
    unsafe = case.unsafe
    if not all(len(one.bound) for one in unsafe.disjuncts):
        unsafe = UnsafeSet(tuple(_with_a_row(one) for one in unsafe.disjuncts))
    return Problem(index, inputs, unsafe, UnsafeSet(()), claim)


def _with_a_row(conjunction: Conjunction) -> Conjunction:
    """The same conjunction; one without rows gets ``0 <= 0``, which every output meets."""
    if len(conjunction.bound):
        return conjunction
    return Conjunction(np.zeros((1, conjunction.matrix.shape[1])), np.zeros(1), strict=False)


_FAR: Final = 1e12
"""Bounds farther away count as none when the import is checked."""


def falsify(
    model: Model,
    property: Property,
    method: AttackMethod,
    budget: Budget,
    tell: FindingListener = ignore,
) -> Finding:
    """Searches for an input that meets a property.

    Args:
        model: the model.
        property: the property.
        method: the attack on each case.
        budget: seed, and seconds of the whole search.
        tell: is told what is known after each part of the work.

    Raises:
        InputError: the property does not fit the model.
    """
    started = time.monotonic()
    check_fits(model, property)
    if not property.cases:
        return Finding(Answer.UNSAT, bound=np.inf, contradiction=property.contradiction)
    with threadpool_limits(limits=1):  # BLAS rounds alike on any number of cores
        return Search(model, property, method, budget, started, tell).run()


def load_for(
    property: Property,
    path: str | Path,
    *,
    output: str | None = None,
    threads: int = 1,
    limits: LoadLimits | None = None,
    preprocess: Preprocess | None = None,
) -> Model:
    """Loads a model for a property, and checks the import on inputs of the property.

    Args:
        property: the property.
        path: the ONNX file.
        output: as in :func:`onnx_lippa.load`.
        threads: threads of ONNX Runtime.
        limits: limits of loading the model.
        preprocess: what becomes of the inputs before the model takes them.

    Raises:
        InputError: the property does not fit the model.
        ModelError: as :func:`onnx_lippa.load` raises it.
    """
    model = load(
        path, output=output, threads=threads, check=False, limits=limits, preprocess=preprocess
    )
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
