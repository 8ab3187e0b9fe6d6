"""Tables of a run on the terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from rich.table import Table
from rich.text import Text

from onnx_lippa.onnx_io import Model
from onnx_lippa.runs.results import Results
from onnx_lippa.runs.summary import (
    CURVE_COLUMNS,
    ROBUST_ERROR,
    Summary,
    curve_rows,
    curve_title,
    summary_rows,
    summary_title,
)
from onnx_lippa.witness import ProvedBy

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
