"""Several runs beside each other, and what changed from the first to the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, final

from onnx_lippa.reports.page.reported import ReportedRun
from onnx_lippa.reports.wording import write_number
from onnx_lippa.witness import Verdict

_RANK: Final = {
    Verdict.MISCLASSIFIED: 0,
    Verdict.ADVERSARIAL: 0,
    Verdict.UNKNOWN: 1,
    Verdict.ROBUST: 2,
}
_LISTED: Final = 12

ROWS: Final[tuple[tuple[str, Callable[[ReportedRun], str]], ...]] = (
    ("model", lambda run: run.model),
    ("allowed change", lambda run: run.ball),
    ("method", lambda run: str(run.figures["method"])),
    ("inputs", lambda run: f"{run.figures['inputs']} of {run.figures['requested']}"),
    ("clean error", lambda run: f"{run.figures['clean_error']:.2%}"),
    ("robust error, at least", lambda run: _end(run, 0)),
    ("robust error, at most", lambda run: _end(run, 1)),
    ("adversarial", lambda run: str(run.figures["counts"]["adversarial"])),
    ("robust", lambda run: str(run.figures["counts"]["robust"])),
    ("unknown", lambda run: str(run.figures["counts"]["unknown"])),
    ("median distance", lambda run: write_number(run.figures["median_distance"])),
    ("seconds", lambda run: f"{run.figures['seconds']:.1f}"),
)
"""The rows of the table of runs: a name, and the cell of a run."""


@final
@dataclass(frozen=True)
class Change:
    """What changed from one run to a later one of the same inputs and allowed changes.

    Attributes:
        before: name of the earlier run.
        after: name of the later one.
        same: number of inputs that stand as they did.
        better: indices of inputs that stand better: unknown or proven now.
        worse: indices of inputs that stand worse: unknown or broken now.
    """

    before: str
    after: str
    same: int
    better: tuple[int, ...]
    worse: tuple[int, ...]

    @property
    def first_worse(self) -> str:
        """The first indices that stand worse, for a cell."""
        listed = ", ".join(map(str, self.worse[:_LISTED]))
        return f"{listed}, …" if len(self.worse) > _LISTED else listed


def compare_runs(runs: Sequence[ReportedRun]) -> tuple[Change, ...]:
    """The changes to each run from the first one that is comparable with it."""
    changes = []
    for place, after in enumerate(runs):
        before = next((one for one in runs[:place] if _are_comparable(one, after)), None)
        if before is not None:
            changes.append(_compare(before, after))
    return tuple(changes)


def _are_comparable(one: ReportedRun, other: ReportedRun) -> bool:
    """Whether both ask the same of the same inputs."""
    a, b = one.run.identity, other.run.identity
    return bool(a.inputs_sha256) and (
        a.inputs_sha256,
        a.indices,
        a.norm,
        a.features,
        a.targets,
    ) == (b.inputs_sha256, b.indices, b.norm, b.features, b.targets)


def _compare(before: ReportedRun, after: ReportedRun) -> Change:
    known = {one.index: _RANK[one.verdict] for one in before.records}
    steps = {
        one.index: _RANK[one.verdict] - known[one.index]
        for one in after.records
        if one.index in known
    }
    return Change(
        before.name, after.name, sum(step == 0 for step in steps.values()),
        tuple(index for index, step in steps.items() if step > 0),
        tuple(index for index, step in steps.items() if step < 0),
    )  # fmt: skip


def _end(run: ReportedRun, end: int) -> str:
    return "–" if run.eps is None else f"{run.interval[end]:.2%}"
