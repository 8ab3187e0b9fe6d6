"""Tables and progress of a run on the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
from onnx_lippa.runs.summary import RunFacts, Summary
from onnx_lippa.witness import Result, Verdict

NORMS: Final = {"linf": "ℓ∞", "l1": "ℓ1", "l2": "ℓ2"}
"""How the norms are written."""
_FOUND_BY: Final = {
    "gradient": "found by PGD",
    "lp": "found by LPSteps",
    "grid": "found by grid search",
    "mip": "found by MIPs",
    "search": "found by branch and bound",
}
_PROVED_BY: Final = {
    "interval": "by interval bounds",
    "linear": "by linear bounds",
    "mip": "by MIPs",
    "complete": "by branch and bound",
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
    """A progress bar with the stage, the inputs done, bounds of the robust error, and times."""

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
        self._task: TaskID = self._progress.add_task("starting", total=total, lower=0.0, upper=1.0)

    def __enter__(self) -> LiveProgress:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def stage(self, name: str) -> None:
        """Shows the stage of the run."""
        self._progress.update(self._task, description=name)

    def add(self, outcome: Result) -> None:
        """Counts an input that is finished."""
        self._broken += outcome.verdict in (Verdict.ADVERSARIAL, Verdict.MISCLASSIFIED)
        self._proven += outcome.verdict is Verdict.ROBUST
        self._progress.update(
            self._task,
            advance=1,
            lower=self._broken / self._total,
            upper=1.0 - self._proven / self._total,
        )


def summary_table(summary: Summary) -> Table:
    """The figures of a run."""
    title = _title(summary.facts)
    table = Table(show_header=False, title=title, title_justify="left", min_width=len(title))
    table.add_column(style="bold")
    table.add_column(justify="right")
    for name, value in _rows(summary):
        table.add_row(name, value)
    return table


def _rows(summary: Summary) -> Iterator[tuple[str, str | Text]]:
    counts, facts = summary.counts, summary.facts
    yield "clean error", f"{summary.clean_error:.2%}"
    if facts.features.eps is not None:
        is_bound = not counts.robust and summary.robust_error.lower < summary.robust_error.upper
        name = "robust error (lower bound)" if is_bound else "robust error"
        lower = f"{summary.robust_error.lower:.2%}"
        yield name, Text(lower if is_bound else _robust_error(summary), style="bold red")
    yield "inputs", f"{summary.inputs} of {facts.requested}"
    yield "  misclassified", str(counts.misclassified)
    yield "  adversarial, replayed", str(counts.adversarial)
    for by, count in asdict(summary.found_by).items():
        if count:
            yield f"    {_FOUND_BY[by]}", str(count)
    if counts.robust or facts.method.split()[0] in ("certify", "audit"):
        yield "  robust, proven", str(counts.robust)
    for by, count in asdict(summary.proved_by).items():
        if count:
            yield f"    {_PROVED_BY[by]}", str(count)
    yield "  unknown", str(counts.unknown)
    if summary.median_distance is not None:
        yield "median distance (adversarial)", f"{summary.median_distance:.4g}"
    for verdict, seconds in (
        ("adversarial", summary.seconds_per_broken),
        ("robust", summary.seconds_per_proven),
        ("unknown", summary.seconds_per_unbroken),
    ):
        if seconds is not None:
            yield f"mean time per {verdict} input", f"{seconds:.3f} s"
    effort = summary.effort
    if effort.lp_steps:
        rate = effort.lp_steps / effort.lp_seconds if effort.lp_seconds > 0 else 0.0
        yield "LPSteps", f"{effort.lp_steps:,} ({rate:,.0f} per second of LP time)"
    for name, count in (
        ("linear programs of proofs", effort.lps),
        ("MIPs", effort.mips),
        ("branch-and-bound nodes", effort.nodes),
    ):
        if count:
            yield name, f"{count:,}"
    workers = "1 worker" if facts.workers == 1 else f"{facts.workers} workers"
    yield "total time", f"{summary.seconds:.1f} s, {workers}"


def curve_table(summaries: Sequence[Summary]) -> Table:
    """One line for each radius of a curve."""
    norm = NORMS[summaries[0].facts.norm]
    table = Table(title=f"robust error over the {norm} radius", title_justify="left")
    for name in (
        "eps", "clean error", "robust error", "adversarial", "robust", "unknown", "seconds",
    ):  # fmt: skip
        table.add_column(name, justify="right")
    for summary in summaries:
        counts = summary.counts
        table.add_row(
            f"{summary.facts.features.eps:g}", f"{summary.clean_error:.2%}",
            _robust_error(summary), str(counts.adversarial), str(counts.robust),
            str(counts.unknown), f"{summary.seconds:.1f}",
        )  # fmt: skip
    return table


def _robust_error(summary: Summary) -> str:
    """A number, or an interval."""
    error = summary.robust_error
    if error.lower == error.upper:
        return f"{error.lower:.2%}"
    return f"{error.lower:.2%} to {error.upper:.2%}"


def _title(facts: RunFacts) -> str:
    """The method, what it looked for, and where."""
    method, eps = facts.method, facts.features.eps
    if method == "audit":
        what = "audit: robust error"
    elif method.startswith("certify "):
        what = f"certification ({method.removeprefix('certify ')}): robustness"
    elif facts.minimize:
        what = f"attack ({method}): nearest adversarial examples"
    else:
        what = f"attack ({method}): adversarial examples"
    scale = facts.features.scale
    norm = NORMS[facts.norm]
    where = f"in {norm} distance" if eps is None else f"within {norm} distance {eps:g}"
    scaled = "" if scale is None else f", scaled by {min(scale):g} to {max(scale):g}"
    return f"{what} {where}{scaled}"
