"""Runs on the terminal: arguments in, progress and tables out."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from onnx_lippa.cli.arguments.config import effective
from onnx_lippa.cli.arguments.gates import GateOptions
from onnx_lippa.cli.arguments.inputs import load_model, open_data, specify_inputs
from onnx_lippa.cli.arguments.logs import open_log, open_terminal
from onnx_lippa.cli.arguments.options import Arguments
from onnx_lippa.cli.arguments.values import radii_from
from onnx_lippa.cli.output.progress import LiveProgress
from onnx_lippa.cli.output.tables import SHOWN, curve_table, model_line, summary_table
from onnx_lippa.cli.output.terminal import console
from onnx_lippa.errors import InputError
from onnx_lippa.method import Method
from onnx_lippa.onnx_io import Model
from onnx_lippa.runs.pools import WorkerChoice
from onnx_lippa.runs.results import Curve, InterruptedRun, Results
from onnx_lippa.runs.session import Task, run, run_curve
from onnx_lippa.spec import Specification, Targets, get_norm
from onnx_lippa.state import Budget


def run_command(
    arguments: Arguments,
    gates: GateOptions,
    method: Method,
    time_limit: float = math.inf,
    *,
    minimize: bool = False,
    per_input: Callable[[Results], Table] | None = None,
) -> None:
    """Runs at one radius or at each of several, and prints the results.

    Args:
        arguments: the common arguments.
        gates: conditions on the run, and files of reports.
        method: what is done with the inputs.
        time_limit: seconds for each input.
        minimize: whether the nearest adversarial example is sought.
        per_input: makes a table with a row for each of the first inputs; None prints no such table.

    Raises:
        LippaError: something that cannot be used.
        typer.Exit: a gate failed.
    """
    started = time.monotonic()
    terminal, wanted = open_terminal(arguments), gates.read()
    norm, targets = get_norm(arguments.norm), Targets.parse(arguments.targets)
    radii = radii_from(arguments.eps)
    model = load_model(arguments)
    model.require_classes()
    workers = WorkerChoice.of(arguments.workers, arguments.cluster)
    opened = open_data(arguments, model)
    allowed = [specify_inputs(arguments, opened, eps, arguments.grid) for eps in radii]
    specifications = [Specification(norm, one, targets, minimize) for one in allowed]
    print_model(terminal, model)
    inputs = opened.check(allowed[0])
    wanted.gates.require([one.eps for one in allowed], inputs.groups)
    if inputs.note:
        print_line(terminal, inputs.note)
    progress = LiveProgress(terminal)
    task = Task(
        model, inputs, method, Budget(time_limit, arguments.seed), workers,
        (progress.hear, *open_log(arguments)), started, effective(model.file.path, inputs.path),
    )  # fmt: skip
    out = arguments.out
    try:
        found = _run(task, specifications, [str(eps) for eps in radii], out)
    except InterruptedRun as interrupt:
        _print_interrupt(progress, len(inputs.indices), out)
        wanted.report(interrupt.results, out)
        raise
    except InputError:
        if len(radii) == 1 and progress.results is not None:
            # What was found is printed, even if it cannot be written.
            terminal.print(summary_table(progress.results.figures))
        raise
    _print_results(terminal, found, per_input)
    if out is not None:
        print_line(terminal, f"written to {out}; check with: onnx-lippa replay {out}")
    wanted.end(found, _as_json(found) if arguments.as_json else None, out)


def _run(
    task: Task, specifications: Sequence[Specification], radii: Sequence[str], out: Path | None
) -> Results | Curve:
    """A run at one radius, or a curve."""
    if len(specifications) == 1:
        return run(task, specifications[0], out)
    return run_curve(task, specifications, out, radii)


def _print_interrupt(progress: LiveProgress, total: int, out: Path | None) -> None:
    """One line on the standard error with what is done."""
    done = 0 if progress.results is None else len(progress.results)
    kept = "" if out is None else ", kept on disk: the same command continues"
    errors = console(stderr=True, soft_wrap=True)
    errors.print(f"interrupted: {done} of {total} inputs are done{kept}", highlight=False)


def _print_results(
    terminal: Console, found: Results | Curve, per_input: Callable[[Results], Table] | None
) -> None:
    if isinstance(found, Curve):
        terminal.print(curve_table([one.figures for one in found]))
        return
    if per_input is not None:
        print_first(terminal, per_input(found), len(found), "--out DIR")
    terminal.print(summary_table(found.figures))


def _as_json(found: Results | Curve) -> dict[str, Any]:
    if isinstance(found, Curve):
        return {"curve": [one.figures.as_json() for one in found]}
    return found.figures.as_json()


def print_line(terminal: Console, text: str) -> None:
    """Prints a line of text, which the terminal breaks."""
    terminal.print(text, highlight=False, soft_wrap=True)


def print_model(terminal: Console, model: Model) -> None:
    """Prints one line about the model, and one for each note of the importer."""
    print_line(terminal, model_line(model))
    for note in model.network.notes:
        print_line(terminal, f"note: {note}")


def print_first(terminal: Console, table: Table, count: int, option: str) -> None:
    """Prints a table of the first inputs, and where the others are."""
    terminal.print(table)
    if count > SHOWN:
        terminal.print(f"the first {SHOWN} of {count} inputs; {option} writes them all")
