"""What a run looks like on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from onnx_lippa.onnx_io import Model
from onnx_lippa.runs.specification import RunSpecification
from onnx_lippa.runs.summary import Summary
from onnx_lippa.witness import Outcome, Verdict

_PROOFS: Final = {
    "interval": "by intervals",
    "linear": "by linear bounds",
    "mip": "by mixed-integer programs",
    "complete": "by complete search",
}


def model_line(model: Model) -> str:
    """One line about the model."""
    network = model.network
    shape = "x".join(map(str, network.input_shape))
    return (
        f"{model.file.path.name}: {len(network.steps)} layers, {network.units:,} ReLUs, "
        f"{network.parameters:,} parameters, input {shape}, {network.output_size} classes"
    )


class LiveProgress:
    """A progress bar: inputs done, the robust error as it narrows, the stage, time so far."""

    def __init__(self, console: Console, total: int, shown: bool) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("[bold]robust error [{task.fields[lower]:.1%}, {task.fields[upper]:.1%}]"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            disable=not shown,
            transient=True,
        )
        self._broken, self._proven, self._total = 0, 0, max(1, total)
        self._task: TaskID = self._progress.add_task("begins", total=total, lower=0.0, upper=1.0)

    def __enter__(self) -> LiveProgress:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def stage(self, name: str) -> None:
        """Says what is being done."""
        self._progress.update(self._task, description=name)

    def add(self, outcome: Outcome) -> None:
        """Counts one more outcome."""
        self._broken += outcome.verdict in (Verdict.ADVERSARIAL, Verdict.MISCLASSIFIED)
        self._proven += outcome.verdict is Verdict.ROBUST
        self._progress.update(
            self._task,
            advance=1,
            lower=self._broken / self._total,
            upper=1.0 - self._proven / self._total,
        )


def summary_table(summary: Summary, specification: RunSpecification) -> Table:
    """The figures of a run."""
    table = Table(show_header=False, title=_title(specification), title_justify="left")
    table.add_column(style="bold")
    table.add_column(justify="right")
    counts = summary.counts
    table.add_row("clean error", f"{summary.clean_error:.2%}")
    if summary.facts.features.eps is not None:
        error = summary.robust_error
        if error.lower == error.upper:
            table.add_row("robust error", Text(f"{error.lower:.2%}", style="bold red"))
        elif counts.robust:
            between = f"{error.lower:.2%} to {error.upper:.2%}"
            table.add_row("robust error, between", Text(between, style="bold red"))
        else:
            lower = Text(f"{error.lower:.2%}", style="bold red")
            table.add_row("robust error (lower bound)", lower)
    table.add_row("inputs", f"{summary.inputs} of {summary.facts.requested}")
    table.add_row("  misclassified as they are", str(counts.misclassified))
    table.add_row("  adversarial, replayed", str(counts.adversarial))
    table.add_row("    found by gradients", str(summary.found_by.gradient))
    table.add_row("    found only by LPs", str(summary.found_by.lp))
    if summary.found_by.grid:
        table.add_row("    found only on the grid", str(summary.found_by.grid))
    if summary.found_by.mip:
        table.add_row("    found only by MIPs", str(summary.found_by.mip))
    if summary.found_by.search:
        table.add_row("    found by complete search", str(summary.found_by.search))
    if counts.robust:
        table.add_row("  robust, proven", str(counts.robust))
        for name, count in asdict(summary.proved_by).items():
            if count:
                table.add_row(f"    {_PROOFS[name]}", str(count))
    table.add_row("  unknown", str(counts.unknown))
    table.add_row("median distance of adversarial", _number(summary.median_distance))
    table.add_row("time per broken input", _seconds(summary.seconds_per_broken))
    if counts.robust:
        table.add_row("time per proven input", _seconds(summary.seconds_per_proven))
    left = "unknown" if counts.robust else "unbroken"
    table.add_row(f"time per {left} input", _seconds(summary.seconds_per_unbroken))
    rate = summary.lp_steps / summary.lp_seconds if summary.lp_seconds > 0 else 0.0
    table.add_row("LPSteps", f"{summary.lp_steps:,} ({rate:,.0f} a second of LP time)")
    if summary.nodes:
        table.add_row("subproblems", f"{summary.nodes:,}")
    table.add_row("total time", f"{summary.seconds:.1f} s, {summary.facts.workers} workers")
    return table


def curve_table(summaries: Sequence[Summary]) -> Table:
    """One line for each radius of a curve."""
    table = Table(title="robust error over the radius", title_justify="left")
    for name in ("eps", "clean error", "robust error, from", "to", "adversarial", "robust"):
        table.add_column(name, justify="right")
    table.add_column("unknown", justify="right")
    table.add_column("seconds", justify="right")
    for summary in summaries:
        counts, error = summary.counts, summary.robust_error
        table.add_row(
            f"{summary.facts.features.eps:g}", f"{summary.clean_error:.2%}",
            f"{error.lower:.2%}", f"{error.upper:.2%}", str(counts.adversarial),
            str(counts.robust), str(counts.unknown), f"{summary.seconds:.1f}",
        )  # fmt: skip
    return table


def _title(specification: RunSpecification) -> str:
    """What was looked for."""
    norm = {"linf": "ℓ∞", "l1": "ℓ1", "l2": "ℓ2"}.get(specification.norm.name)
    eps = specification.features.eps
    if eps is None:
        return f"nearest adversarial examples, {norm}"
    if isinstance(eps, tuple):
        return (
            f"adversarial examples within {norm} distance 1, in units of each feature's eps "
            f"({min(eps):g} to {max(eps):g})"
        )
    return f"adversarial examples within {norm} distance {eps:g}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f} s"
