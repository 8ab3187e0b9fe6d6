"""Tables and progress of a run on the terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, final

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

from onnx_lippa.method import Finished
from onnx_lippa.onnx_io import Model
from onnx_lippa.runs.results import Ended, Event, Results, Started
from onnx_lippa.runs.summary import (
    CURVE_COLUMNS,
    ROBUST_ERROR,
    Summary,
    curve_rows,
    curve_title,
    summary_rows,
    summary_title,
)
from onnx_lippa.witness import ProvedBy, Result, Verdict

SHOWN: Final = 20
"""Inputs listed on the terminal."""
_PROVED_BY: Final = {
    ProvedBy.COMPLETE: "branch and bound",
    ProvedBy.MIP: "MIP solver's word",
}
"""What proves a lower bound of a distance."""


def model_line(model: Model) -> str:
    """One line about the model."""
    network = model.network
    shape = "x".join(map(str, network.input_shape))
    return (
        f"{model.file.path.name}: {len(network.steps)} layers, {network.units:,} ReLUs, "
        f"{network.parameters:,} parameters, input {shape}, {network.output_size} classes"
    )


@final
class LiveProgress:
    """A listener that shows a progress bar: stage, finished inputs, robust error, and times.

    Attributes:
        results: the results of the last run, finished or interrupted.
    """

    def __init__(self, console: Console) -> None:
        self._console, self._progress = console, Progress(disable=True)
        self._broken, self._proven, self._total, self._has_radius = 0, 0, 1, True
        self._task = TaskID(0)
        self.results: Results | None = None

    def hear(self, event: Event) -> None:
        """Shows an event."""
        if isinstance(event, Started):
            self._start(event)
        elif isinstance(event, Ended):
            self._progress.stop()
            self.results = event.results
        else:
            self._progress.update(self._task, description=event.stage.value)
            if isinstance(event, Finished):
                self._count(event.result)

    def _start(self, event: Started) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[found]}", style="bold"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
            transient=True,
        )
        self._broken, self._proven, self._total = 0, 0, max(1, event.inputs)
        self._task = self._progress.add_task("starting", total=event.inputs, found="")
        self._has_radius = event.specification.features.eps is not None
        self._progress.start()
        for result in event.known:
            self._count(result)

    def _count(self, result: Result) -> None:
        self._broken += result.verdict in (Verdict.ADVERSARIAL, Verdict.MISCLASSIFIED)
        self._proven += result.verdict is Verdict.ROBUST
        lower, upper = self._broken / self._total, 1.0 - self._proven / self._total
        found = f"robust error [{lower:.1%}, {upper:.1%}]"
        if not self._has_radius:
            found = f"{self._broken} broken"
        self._progress.update(self._task, advance=1, found=found)


def summary_table(summary: Summary) -> Table:
    """The figures of a run."""
    title = summary_title(summary.facts)
    table = Table(show_header=False, title=title, title_justify="left", min_width=len(title))
    table.add_column(style="bold")
    table.add_column(justify="right")
    for name, value in summary_rows(summary):
        table.add_row(name, Text(value, "bold red" if name.startswith(ROBUST_ERROR) else ""))
    return table


def distance_table(results: Results) -> Table:
    """One line for each of the first inputs: both bounds, and what proved the lower one."""
    table = Table()
    for name in ("input", "lower bound", "upper bound", "proven by", "seconds"):
        table.add_column(name, justify="left" if name == "proven by" else "right")
    for result, upper in list(zip(results, results.distances, strict=True))[:SHOWN]:
        proved_by = _PROVED_BY.get(result.distance_proved_by, "")
        table.add_row(
            str(result.index), _distance(result.distance_bound), _distance(upper), proved_by,
            f"{result.effort.seconds:.1f}",
        )  # fmt: skip
    return table


def _distance(value: float) -> str:
    return "none" if value == math.inf else f"{value:.6g}"


def curve_table(summaries: Sequence[Summary]) -> Table:
    """One line for each radius of a curve."""
    table = Table(title=curve_title(summaries), title_justify="left")
    for name in CURVE_COLUMNS:
        table.add_column(name, justify="right", no_wrap=name == ROBUST_ERROR)
    for row in curve_rows(summaries):
        table.add_row(*row)
    return table
