"""The figures of each class and of each group of inputs."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar, final

from onnx_lippa.reports.page.reported import ReportedRun
from onnx_lippa.runs.record import Record
from onnx_lippa.witness import Verdict

Key = TypeVar("Key", int, str)


@final
@dataclass(frozen=True)
class Share:
    """A part of the inputs.

    Attributes:
        name: its class or group.
        inputs: number of inputs.
        counts: number of inputs with each verdict.
        median_distance: median distance of the witnesses; None without any.
    """

    name: str
    inputs: int
    counts: Mapping[Verdict, int]
    median_distance: float | None

    @property
    def clean_error(self) -> float:
        """Share of inputs that are misclassified."""
        return self.counts[Verdict.MISCLASSIFIED] / self.inputs

    @property
    def lower(self) -> float:
        """Lower end of the robust error."""
        broken = self.counts[Verdict.MISCLASSIFIED] + self.counts[Verdict.ADVERSARIAL]
        return broken / self.inputs

    @property
    def upper(self) -> float:
        """Upper end of the robust error."""
        return 1.0 - self.counts[Verdict.ROBUST] / self.inputs


def split_by_class(run: ReportedRun) -> tuple[Share, ...]:
    """The figures of each class, by its number."""
    return _split(run, lambda record: record.label, run.class_name)


def split_by_group(run: ReportedRun) -> tuple[Share, ...]:
    """The figures of each group of inputs, by name; none where no input has a group."""
    if not any(run.group(record) for record in run.records):
        return ()
    return _split(run, run.group, lambda group: group or "(no group)")


def _split(
    run: ReportedRun, key: Callable[[Record], Key], name: Callable[[Key], str]
) -> tuple[Share, ...]:
    parts: dict[Key, list[Record]] = {}
    for record in run.records:
        parts.setdefault(key(record), []).append(record)
    ordered = sorted(parts.items(), key=lambda part: part[0])
    return tuple(_share(name(value), records) for value, records in ordered)


def _share(name: str, records: list[Record]) -> Share:
    counts = {verdict: sum(one.verdict is verdict for one in records) for verdict in Verdict}
    known = [
        one.distance
        for one in records
        if one.verdict is Verdict.ADVERSARIAL and one.distance is not None
    ]
    return Share(name, len(records), counts, statistics.median(known) if known else None)
