"""``onnx-lippa regions``."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import typer
from rich.progress import track
from rich.table import Table
from threadpoolctl import threadpool_limits

from onnx_lippa.api.models import bounds_named
from onnx_lippa.bounds.stability import Stability, measure_stability
from onnx_lippa.cli.arguments.inputs import load_model, open_data, specify_inputs
from onnx_lippa.cli.arguments.options import METHOD, RUN, BallInputs, option, spread
from onnx_lippa.cli.output.tables import SHOWN
from onnx_lippa.cli.output.terminal import console
from onnx_lippa.cli.run import print_first, print_line, print_model
from onnx_lippa.errors import InputError
from onnx_lippa.runs.files import replace_file
from onnx_lippa.runs.summary import NORMS
from onnx_lippa.spec import get_norm

_COLUMNS: Final = (
    "index", "active", "inactive", "decided", "unstable", "seen_unstable", "regions", "points",
)  # fmt: skip


@spread
def regions(
    inputs: BallInputs,
    bounds: Annotated[
        str,
        option(METHOD, "Bounds that prove neurons stable: linear, or interval (faster, looser)."),
    ] = "linear",
    samples: Annotated[
        int, option(METHOD, "Random points per ball whose regions are counted.")
    ] = 1000,
    out: Annotated[Path | None, option(RUN, "File for one row per input: .csv or .json.")] = None,
    as_json: Annotated[
        bool, option(RUN, "Print one row per input as JSON and nothing else.", "--json")
    ] = False,
) -> None:
    """Count the stable neurons and the linear regions in a ball around each input.

    Bounds prove neurons stable; random points of the ball find unstable ones, and regions.
    """
    terminal = console(quiet=inputs.quiet or as_json)
    if inputs.eps is None:
        raise InputError("there is no radius: give --eps")
    if samples < 0 or inputs.seed < 0:
        name, value = ("--samples", samples) if samples < 0 else ("--seed", inputs.seed)
        raise InputError(f"{name} is {value}: give at least 0")
    if out is not None and out.suffix.lower() not in (".csv", ".json"):
        raise InputError(f"--out {out} has an unknown suffix: give a .csv or a .json file")
    if out is not None and not out.parent.is_dir():
        raise InputError(f"cannot write {out}: there is no folder {out.parent}")
    wanted, method = get_norm(inputs.norm), bounds_named(bounds)
    loaded = load_model(inputs)
    opened = open_data(inputs, loaded)
    features = specify_inputs(inputs, opened, inputs.eps)
    print_model(terminal, loaded)
    chosen = opened.check(features)
    if chosen.note:
        print_line(terminal, chosen.note)
    sets = [features.input_set(x, wanted) for x in chosen.inputs[:]]
    places = chosen.indices.tolist()
    shown = terminal.is_terminal and not terminal.quiet
    counted = measure_stability(loaded.network, sets, places, method, samples, inputs.seed)
    progress = track(
        counted, "counting", len(sets), console=terminal, transient=True, disable=not shown
    )
    with threadpool_limits(limits=1):  # the rounding of BLAS depends on its threads
        found = list(progress)
    where = f"within {NORMS[wanted.name]} distance {inputs.eps}"
    title = f"stability of neurons {where} ({bounds} bounds)"
    print_first(terminal, _table(found, title), len(found), "--out FILE.csv")
    terminal.print(_summary(found, loaded.network.units))
    rows = [_row(one) for one in found]
    if out is not None:
        _write(out, rows)
        print_line(terminal, f"written to {out}")
    if as_json:
        typer.echo(json.dumps({"units": loaded.network.units, "inputs": rows}, indent=2))


def _row(one: Stability) -> dict[str, int]:
    values = (
        one.index, one.proven.active, one.proven.inactive, one.proven.decided,
        one.proven.unstable, one.sampled.unstable, one.sampled.regions, one.sampled.points,
    )  # fmt: skip
    return dict(zip(_COLUMNS, values, strict=True))


def _table(found: Sequence[Stability], title: str) -> Table:
    table = Table(title=title, title_justify="left")
    with_maxima = any(one.proven.decided for one in found)
    headings = ["input", "stable active", "stable inactive", "unstable (upper bound)"]
    headings += ["unstable (lower bound)", "regions sampled"]
    if with_maxima:
        headings.insert(3, "stable maxima")
    for heading in headings:
        table.add_column(heading, justify="right")
    for one in found[:SHOWN]:
        cells = [one.index, one.proven.active, one.proven.inactive, one.proven.unstable]
        cells += [one.sampled.unstable, one.sampled.regions]
        if with_maxima:
            cells.insert(3, one.proven.decided)
        table.add_row(*(f"{cell:,}" for cell in cells))
    return table


def _summary(found: Sequence[Stability], units: int) -> Table:
    """Medians over all inputs."""
    table = Table(show_header=False, title=f"median of {len(found)} inputs", title_justify="left")
    table.add_column(style="bold")
    table.add_column(justify="right")
    unstable = float(np.median([one.proven.unstable for one in found]))
    seen = float(np.median([one.sampled.unstable for one in found]))
    regions_seen = float(np.median([one.sampled.regions for one in found]))
    table.add_row("proven stable", _share(units - unstable, units))
    table.add_row("unstable, upper bound (proven)", _share(unstable, units))
    table.add_row("unstable, lower bound (sampled)", _share(seen, units))
    table.add_row(
        "linear regions sampled", f"{_number(regions_seen)} at {found[0].sampled.points:,} points"
    )
    return table


def _share(count: float, units: int) -> str:
    return f"{_number(count)} of {units:,} ({count / max(1, units):.1%})"


def _number(median: float) -> str:
    """A whole number, or half of one."""
    return f"{median:,.0f}" if median.is_integer() else f"{median:,.1f}"


def _write(path: Path, rows: Sequence[dict[str, int]]) -> None:
    """Raises InputError where the file cannot be written."""
    if path.suffix.lower() == ".json":
        text = json.dumps(rows, indent=2) + "\n"
    else:
        stream = io.StringIO()
        writer = csv.DictWriter(stream, _COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        text = stream.getvalue()
    replace_file(path, text.encode())
