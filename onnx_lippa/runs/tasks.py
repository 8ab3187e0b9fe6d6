"""What a run does with its inputs: attack them, certify them, or audit them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from onnx_lippa.attacks import Settings
from onnx_lippa.onnx_io import Model
from onnx_lippa.proofs import CertifySettings
from onnx_lippa.runs.audit import AuditEvent, AuditSettings, AuditStage, audit
from onnx_lippa.runs.workers import outcomes
from onnx_lippa.spec import Problem


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
        return
    stage = AuditStage.SEARCH if isinstance(budgets, CertifySettings) else AuditStage.LIPPA
    for outcome in outcomes(model, problems, budgets, workers):
        yield AuditEvent(stage, outcome, True)
