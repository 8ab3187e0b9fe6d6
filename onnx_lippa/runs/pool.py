"""Inputs to workers, outcomes back as they come."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from onnx_lippa.onnx_io import Model
from onnx_lippa.proofs import CertifySettings, ProofMethod
from onnx_lippa.runs.workers import Budgets, Workers, jobs_of, worth_starting
from onnx_lippa.spec import Problem
from onnx_lippa.witness import Outcome

_SHARD: Final = 25
"""Inputs explored together: enough to fill a batch, few enough to balance the workers."""
_BATCHED: Final = (ProofMethod.INTERVAL, ProofMethod.LINEAR)
"""Proofs that take many inputs at once; others get one at a time."""


def outcomes(
    model: Model, problems: Sequence[Problem], budgets: Budgets, workers: int
) -> Iterator[Outcome]:
    """The outcome of every problem, in the order in which they are settled.

    Outcomes do not depend on the number of workers (but for a time limit). An input whose work
    fails, or ends its process, is unknown, with the reason.

    Args:
        model: the model, loaded and checked.
        problems: the inputs; a slice of them is made and worked on at a time.
        budgets: what to do with them.
        workers: processes to use at most.

    Raises:
        InputError: settings that cannot be used.
        WorkerError: workers cannot be started.
    """
    alone = isinstance(budgets, CertifySettings) and budgets.method not in _BATCHED
    together = 1 if alone else _SHARD
    seconds = budgets.time_limit * len(problems)
    count = worth_starting(workers, -(-len(problems) // together), seconds)
    with Workers(model, count) as pool:
        yield from pool.run(jobs_of(problems, budgets, together))
