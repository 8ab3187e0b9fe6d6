"""A summary in Markdown, for the job pages of CI systems and for comments."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from onnx_lippa.gates.outcome import Check
from onnx_lippa.reports.wording import (
    BROKEN,
    describe_error,
    describe_record,
    describe_run,
    name_model,
    write_replay_command,
)
from onnx_lippa.runs.finished import FinishedRun
from onnx_lippa.runs.record import Record
from onnx_lippa.text import printable
from onnx_lippa.witness import Verdict

_LISTED: Final = 20
"""Inputs that a table lists."""
_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]<>#|~&$])")


def render(runs: Sequence[FinishedRun], check: Check) -> bytes:
    """The file: gates first, then each run."""
    lines: list[str] = []
    names = sorted({name_model(run) for run in runs})
    lines += [f"## onnx-lippa: {escape(', '.join(names))}", ""]
    if check.outcomes:
        lines += list_gates(check)
    if len(runs) > 1:
        lines += _list_radii(runs)
    for run in runs:
        lines += _describe(run)
    return ("\n".join(lines).rstrip() + "\n").encode()


def list_gates(check: Check) -> Iterator[str]:
    """The outcomes of gates as a table."""
    failed = len(check.failures)
    total = len(check.outcomes)
    verdict = "All gates passed." if check.passed else f"{failed} of {total} gates failed."
    yield f"**{verdict}**"
    yield ""
    yield from write_table(
        ("gate", "", "found"),
        (
            (one.condition, "passed" if one.passed else "**failed**", one.sentence)
            for one in check.outcomes
        ),
        plain=(1,),
    )


def _list_radii(runs: Sequence[FinishedRun]) -> Iterator[str]:
    columns = ("eps", "clean error", "robust error", "adversarial", "robust", "unknown")
    yield from write_table(columns, (_radius_row(run) for run in runs))


def _radius_row(run: FinishedRun) -> tuple[str, ...]:
    counts, eps = run.figures["counts"], run.identity.features.eps
    return (
        "" if eps is None else f"{eps:g}", f"{run.figures['clean_error']:.2%}",
        describe_error(run), str(counts["adversarial"]), str(counts["robust"]),
        str(counts["unknown"]),
    )  # fmt: skip


def _describe(run: FinishedRun) -> Iterator[str]:
    figures, counts = run.figures, run.figures["counts"]
    yield f"### {escape(describe_run(run))}"
    yield ""
    rows = []
    if run.identity.features.eps is not None:
        rows.append(("robust error", describe_error(run)))
    rows += [
        ("clean error", f"{figures['clean_error']:.2%}"),
        ("inputs", f"{len(run.records)} of {figures['requested']}"),
        ("misclassified", str(counts["misclassified"])),
        ("adversarial, replayed", str(counts["adversarial"])),
        ("robust, proven", str(counts["robust"])),
        ("unknown", str(counts["unknown"])),
    ]
    for key, name in (
        ("median_distance", "median distance (adversarial)"),
        ("median_distance_bound", "median lower bound (adversarial)"),
    ):
        if figures[key] is not None:
            rows.append((name, f"{figures[key]:.6g}"))
    rows.append(("total time", f"{figures['seconds']:.1f} s"))
    yield from write_table(("figure", "value"), rows)
    yield from _list_inputs(run)
    yield from _list_reasons(run)
    yield escape(f"model {figures['model']}, SHA-256 {figures['model_sha256']}")
    yield ""
    yield escape(f"data {figures['data']}, seed {figures['seed']}, {_list_versions(run)}")
    yield ""
    if write_replay_command(run):
        yield f"Check every claim: {write_code(write_replay_command(run))}"
        yield ""


def _list_inputs(run: FinishedRun) -> Iterator[str]:
    """The broken inputs, the nearest first."""
    broken = [record for record in run.records if record.verdict in BROKEN]
    if not broken:
        return
    broken.sort(key=lambda record: (record.distance or 0.0, record.index))
    yield "<details><summary>"
    yield _summarise(len(broken), "broken input")
    yield "</summary>"
    yield ""
    yield from write_table(("input", "verdict"), (_input_row(run, one) for one in broken[:_LISTED]))
    yield "</details>"
    yield ""


def _input_row(run: FinishedRun, record: Record) -> tuple[str, str]:
    return str(record.index), describe_record(record, run.classes)


def _summarise(count: int, what: str) -> str:
    plural = "" if count == 1 else "s"
    shown = f", the nearest {_LISTED}" if count > _LISTED else ""
    return f"{count} {what}{plural}{shown}"


def _list_reasons(run: FinishedRun) -> Iterator[str]:
    """Why inputs are unknown, counted."""
    unknown = [record for record in run.records if record.verdict is Verdict.UNKNOWN]
    if not unknown:
        return
    reasons = Counter(
        record.reason or "no attack succeeded, nothing was proven" for record in unknown
    )
    yield "Unknown inputs are neither broken nor proven robust:"
    yield ""
    yield from write_table(
        ("reason", "inputs"), ((reason, str(count)) for reason, count in reasons.most_common(10))
    )


def _list_versions(run: FinishedRun) -> str:
    return ", ".join(f"{name} {version}" for name, version in run.figures["versions"].items())


def write_table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], plain: Sequence[int] = ()
) -> Iterator[str]:
    """A table, and an empty line; text in it is escaped but for the plain columns."""
    yield f"| {' | '.join(columns)} |"
    yield f"|{' --- |' * len(columns)}"
    for row in rows:
        cells = [text if i in plain else escape(text) for i, text in enumerate(row)]
        yield f"| {' | '.join(cells)} |"
    yield ""


def write_code(text: str) -> str:
    """One line as a code span, between more backticks than any that it holds."""
    fence = "`" * (max(map(len, re.findall("`+", text)), default=0) + 1)
    return f"{fence}{text}{fence}" if len(fence) == 1 else f"{fence} {text} {fence}"


def escape(text: str) -> str:
    """One line that Markdown shows as it is."""
    return _SPECIAL.sub(r"\\\1", printable(text))
