"""Inputs to workers, outcomes back as they come."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from onnx_lippa.certify import CertifySettings, ProofMethod
from onnx_lippa.onnx_io import Model
from onnx_lippa.question import Problem
from onnx_lippa.runs.workers import Budgets, Workers, jobs_of
from onnx_lippa.witness import Outcome

_SHARD: Final = 25
"""Inputs explored together: enough to fill a batch, few enough to balance the workers."""
_BATCHED: Final = (ProofMethod.INTERVAL, ProofMethod.LINEAR)
"""Proofs that take many inputs at once; others get one at a time."""


def outcomes(
    model: Model, problems: Sequence[Problem], budgets: Budgets, workers: int
) -> Iterator[Outcome]:
    """The outcome of every problem, in the order in which they are settled.

    Outcomes do not depend on the number of workers (but for a time limit).

    Args:
        model: the model, loaded and checked.
        problems: the inputs.
        budgets: what to do with them.
        workers: processes to use.
    """
    alone = isinstance(budgets, CertifySettings) and budgets.method not in _BATCHED
    jobs = jobs_of(problems, budgets, 1 if alone else _SHARD)
    with Workers(model, min(workers, len(jobs))) as pool:
        yield from pool.run(jobs)
