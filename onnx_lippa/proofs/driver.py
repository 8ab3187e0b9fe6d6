"""The one loop that runs every proof: the cheapest method first, one case after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from onnx_lippa.ending import Ending
from onnx_lippa.onnx_io import Model
from onnx_lippa.proofs.case import Case, timed
from onnx_lippa.proofs.methods import Proving, methods_for
from onnx_lippa.proofs.settings import CertifySettings
from onnx_lippa.spec import Problem
from onnx_lippa.witness import FoundBy, Result


def certify_batch(
    model: Model, problems: Sequence[Problem], settings: CertifySettings
) -> Iterator[Result]:
    """Proves some inputs robust, or finds that they are not, and yields each as it is settled.

    The outcome of an input depends on the input and the budgets, not on the others in the batch.

    Args:
        model: the model.
        problems: the inputs.
        settings: budgets.
    """
    if not problems:
        return
    cases = [Case(problem, model, settings) for problem in problems]
    outputs = model.runtime.forward(np.array([problem.inputs.center for problem in problems]))
    for case, output in zip(cases, outputs, strict=True):
        if case.problem.wrong.contains(output):
            case.misclassified, case.found_by = True, FoundBy.CLEAN
        elif case.problem.claim is None and not np.isfinite(case.problem.inputs.eps):
            case.reason, case.is_hopeless = "without a radius there is nothing to prove", True
        elif not all(one.exact for one in case.problem.unsafe.disjuncts):
            case.reason = "a coefficient of the property has more digits than float64 holds"
            case.is_hopeless = True
    methods = methods_for(settings.method)
    for method in methods:
        if method.batched and (left := [case for case in cases if case.is_open]):
            _tried(method, left)
    for case in cases:
        for method in methods:
            if not method.batched and case.is_open:
                _tried(method, [case])
        yield case.outcome()


def _tried(method: Proving, cases: Sequence[Case]) -> None:
    """A method on some cases; without memory for it they stay open, and say so."""
    with timed(cases):
        try:
            method.run(cases)
        except MemoryError:
            for case in cases:
                case.reason = Ending.OUT_OF_MEMORY.sentence
