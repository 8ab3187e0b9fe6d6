"""What a run does with its inputs: attack them, certify them, or audit them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from onnx_lippa.attacks import Settings
from onnx_lippa.certify import CertifySettings, ProofMethod
from onnx_lippa.onnx_io import Model
from onnx_lippa.question import Problem
from onnx_lippa.runs.audit import AuditEvent, AuditSettings, AuditStage, audit
from onnx_lippa.runs.pool import outcomes
from onnx_lippa.runs.workers import Job, Workers

_SHARD: Final = 25
"""Inputs certified together where the method takes many at once."""
_BATCHED: Final = (ProofMethod.INTERVAL, ProofMethod.LINEAR)


def events(
    model: Model,
    problems: Sequence[Problem],
    budgets: Settings | CertifySettings | AuditSettings,
    workers: int,
) -> Iterator[AuditEvent]:
    """The events of a run of any kind; but for audits all of them are final.

    Args:
        model: the model, loaded and checked.
        problems: the inputs.
        budgets: what to do with them.
        workers: processes.
    """
    if isinstance(budgets, AuditSettings):
        yield from audit(model, problems, budgets, workers)
    elif isinstance(budgets, CertifySettings):
        shard = _SHARD if budgets.method in _BATCHED else 1
        jobs = [
            Job(tuple(problems[i : i + shard]), budgets) for i in range(0, len(problems), shard)
        ]
        with Workers(model, min(workers, len(jobs))) as pool:
            for outcome in pool.run(jobs):
                yield AuditEvent(AuditStage.SEARCH, outcome, True)
    else:
        for outcome in outcomes(model, problems, budgets, workers):
            yield AuditEvent(AuditStage.LIPPA, outcome, True)
