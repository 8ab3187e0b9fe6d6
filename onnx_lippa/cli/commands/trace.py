"""``onnx-lippa trace``."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.table import Table
from rich.text import Text

from onnx_lippa.api.traces import trace_input
from onnx_lippa.attacks import StepKind, Trace, make_attack
from onnx_lippa.cli.arguments.inputs import load_model, specify_inputs
from onnx_lippa.cli.arguments.options import (
    BALL,
    INPUTS,
    METHOD,
    RUN,
    Balls,
    ModelPath,
    option,
    spread,
)
from onnx_lippa.cli.output.terminal import console
from onnx_lippa.cli.run import print_line, print_model
from onnx_lippa.errors import InputError
from onnx_lippa.reports.trace import check_trace_file, write_trace
from onnx_lippa.reports.trace.files import trace_summary
from onnx_lippa.runs.inputs import open_inputs
from onnx_lippa.runs.summary import NORMS
from onnx_lippa.spec import Specification, Targets, get_norm
from onnx_lippa.state import Budget

_SHOWN: Final = 40
"""Points listed on the terminal."""


@dataclass(frozen=True, kw_only=True)
class TraceInputs(Balls):
    """One input, and the ball around it."""

    model: ModelPath = field()  # required, where Balls has a default
    index: Annotated[int, option(INPUTS, "Which input of DATA.")] = 0
    eps: Annotated[
        str | None,
        option(
            BALL,
            "Radius of the ball: a number, a fraction (8/255), radii by feature "
            "('income=0.1,*=0.02'), or a .npy file with one per feature. Default: the distance is "
            "minimised.",
        ),
    ] = None
    targets: Annotated[
        str, option(BALL, "Classes that count as adversarial: all, runner-up, or a list (3,5).")
    ] = "all"
    grid: Annotated[
        str,
        option(
            BALL,
            "Step between the values of a feature (1/255; 0: continuous), steps by feature "
            "('rooms=1'), or a .npy file with one per feature.",
        ),
    ] = "0"


@spread
def trace(
    inputs: TraceInputs,
    method: Annotated[
        str,
        option(
            METHOD,
            "The attack: lippa-paper (Algorithm 1 of the paper, whose path is whole), or lippa, "
            "lippa+mip, pgd (the points at which something improved).",
        ),
    ] = "lippa-paper",
    method_option: Annotated[
        list[str] | None,
        option(METHOD, "A further option of the method, NAME=VALUE; may be repeated."),
    ] = None,
    lp_steps: Annotated[
        int | None, option(METHOD, "LPSteps. Default: the method's own; lippa-paper: 40.")
    ] = None,
    minimize: Annotated[
        bool,
        option(METHOD, "Minimise the distance; implied without --eps.", "--minimize"),
    ] = False,
    time_limit: Annotated[
        float | None, option(METHOD, "Time limit, in seconds. Default: none.")
    ] = None,
    out: Annotated[
        Path | None,
        option(
            RUN,
            "File for the path: a picture (.png, .svg) or the numbers of all points (.json, with "
            "the points in an .npz file beside it, or .csv).",
        ),
    ] = None,
    as_json: Annotated[
        bool, option(RUN, "Print the path as JSON and nothing else.", "--json")
    ] = False,
) -> None:
    """Show the path of an attack on one input: LPSteps, GSSteps, linear regions.

    This is Figure 3 of the paper for any network; without --eps, the distance is minimised.
    """
    terminal = console(quiet=inputs.quiet or as_json)
    if out is not None:
        check_trace_file(out)
    if inputs.index < 0:
        raise InputError(f"--index is {inputs.index}: give at least 0")
    chosen = make_attack(method, method_option or (), lp_steps=lp_steps)
    norm, targets = get_norm(inputs.norm), Targets.parse(inputs.targets)
    budget = Budget(math.inf if time_limit is None else time_limit, inputs.seed)
    model = load_model(inputs)
    model.require_classes()
    opened = open_inputs(
        model, inputs.data, inputs.index + 1, None, inputs.seed, inputs.data_options
    )
    features = specify_inputs(inputs, opened, inputs.eps, inputs.grid)
    specification = Specification(norm, features, targets, minimize or inputs.eps is None)
    checked = opened.check(features)
    print_model(terminal, model)
    if checked.note:
        print_line(terminal, checked.note)
    traced = trace_input(model, checked, specification, inputs.index, chosen, budget)
    where = "minimal distance" if inputs.eps is None else f"distance {inputs.eps}"
    title = f"path of {chosen.name} on input {inputs.index}, {NORMS[norm.name]} {where}"
    terminal.print(_table(traced, title))
    if len(traced.points) > _SHOWN:
        count = len(traced.points)
        terminal.print(f"the first {_SHOWN} of {count} points; --out FILE.csv writes them all")
    print_line(terminal, traced.summary())
    if out is not None:
        files = write_trace(traced, model, out)
        print_line(terminal, f"written to {' and '.join(map(str, files))}")
    if as_json:
        typer.echo(json.dumps(trace_summary(traced, model), indent=2))


def _table(traced: Trace, title: str) -> Table:
    table = Table(title=title, title_justify="left", min_width=len(title))
    for name in ("step", "kind", "margin", "distance", "target", "region", "seconds"):
        table.add_column(name, justify="left" if name == "kind" else "right")
    for step, point in enumerate(traced.points[:_SHOWN]):
        region = f"{point.region} new" if point.is_new else f"{point.region}    "
        style = "bold red" if point.margin < 0 else ""
        if point.kind is StepKind.RESTART:
            table.add_section()
        table.add_row(
            str(step), point.kind.value, Text(f"{point.margin:.5g}", style),
            f"{point.distance:.5g}", str(point.target), region, f"{point.seconds:.3f}",
        )  # fmt: skip
    return table
