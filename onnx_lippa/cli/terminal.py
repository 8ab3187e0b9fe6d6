"""What a run looks like on the terminal."""

from __future__ import annotations

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
from onnx_lippa.runs import RunSpecification, Summary
from onnx_lippa.witness import Outcome, Verdict


def model_line(model: Model) -> str:
    """One line about the model."""
    network = model.network
    shape = "x".join(map(str, network.input_shape))
    return (
        f"{model.file.path.name}: {len(network.steps)} layers, {network.units:,} ReLUs, "
        f"{network.parameters:,} parameters, input {shape}, {network.output_size} classes"
    )


class LiveProgress:
    """A progress bar: inputs done, broken so far, time left."""

    def __init__(self, console: Console, total: int, shown: bool) -> None:
        self._progress = Progress(
            TextColumn("attacking"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("[red]{task.fields[broken]} broken"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            disable=not shown,
            transient=True,
        )
        self._broken = 0
        self._task: TaskID = self._progress.add_task("attack", total=total, broken=0)

    def __enter__(self) -> LiveProgress:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def add(self, outcome: Outcome) -> None:
        """Counts one more outcome."""
        self._broken += outcome.verdict in (Verdict.ADVERSARIAL, Verdict.MISCLASSIFIED)
        self._progress.update(self._task, advance=1, broken=self._broken)


def summary_table(summary: Summary, specification: RunSpecification) -> Table:
    """The figures of a run."""
    table = Table(show_header=False, title=_title(specification), title_justify="left")
    table.add_column(style="bold")
    table.add_column(justify="right")
    counts = summary.counts
    table.add_row("clean error", f"{summary.clean_error:.2%}")
    if summary.facts.features.eps is not None:
        lower = Text(f"{summary.robust_error.lower:.2%}", style="bold red")
        table.add_row("robust error (lower bound)", lower)
    table.add_row("inputs", f"{summary.inputs} of {summary.facts.requested}")
    table.add_row("  misclassified as they are", str(counts.misclassified))
    table.add_row("  adversarial, replayed", str(counts.adversarial))
    table.add_row("    found by gradients", str(summary.found_by.gradient))
    table.add_row("    found only by LPs", str(summary.found_by.lp))
    if summary.found_by.grid:
        table.add_row("    found only on the grid", str(summary.found_by.grid))
    table.add_row("  unknown", str(counts.unknown))
    table.add_row("median distance of adversarial", _number(summary.median_distance))
    table.add_row("time per broken input", _seconds(summary.seconds_per_broken))
    table.add_row("time per unbroken input", _seconds(summary.seconds_per_unbroken))
    rate = summary.lp_steps / summary.lp_seconds if summary.lp_seconds > 0 else 0.0
    table.add_row("LPSteps", f"{summary.lp_steps:,} ({rate:,.0f} a second of LP time)")
    table.add_row("total time", f"{summary.seconds:.1f} s, {summary.facts.workers} workers")
    return table


def _title(specification: RunSpecification) -> str:
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
