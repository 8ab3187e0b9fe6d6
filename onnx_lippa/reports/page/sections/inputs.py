"""The table of all inputs, which the page's script filters and sorts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, final

from onnx_lippa.reports.page.reported import ReportedRun
from onnx_lippa.reports.wording import describe_finder
from onnx_lippa.runs.record import Record
from onnx_lippa.runs.summary import PROVED_BY
from onnx_lippa.witness import Verdict

_MOST: Final = 2000
"""Most rows; a browser sorts them at once, and the page stays below some megabytes."""
_ORDER: Final = (Verdict.ADVERSARIAL, Verdict.UNKNOWN, Verdict.MISCLASSIFIED, Verdict.ROBUST)
"""The order in which inputs are kept where there are too many."""


@final
@dataclass(frozen=True)
class InputTable:
    """The rows of the table.

    Attributes:
        records: the records shown, by index.
        left_out: number of inputs that are not shown.
        has_groups: whether inputs belong to groups.
    """

    records: tuple[Record, ...]
    left_out: int
    has_groups: bool


def list_inputs(run: ReportedRun) -> InputTable:
    """All inputs, or those of most interest: what is proven robust is left out first."""
    kept = [record for verdict in _ORDER for record in run.by_verdict[verdict]][:_MOST]
    shown = tuple(sorted(kept, key=lambda one: one.index))
    return InputTable(
        shown, len(run.records) - len(shown), any(run.group(one) for one in run.records)
    )


def describe_cause(record: Record) -> str:
    """What settled an input, in words."""
    if record.verdict is Verdict.ADVERSARIAL:
        return describe_finder(record)
    if record.verdict is Verdict.ROBUST:
        return PROVED_BY.get(record.proved_by, "")
    return record.reason
