"""Runs on the terminal: arguments in, progress and tables out."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from rich.console import Console
from rich.table import Table

from onnx_lippa.cli.arguments.config import effective
from onnx_lippa.cli.arguments.gates import GateOptions
from onnx_lippa.cli.arguments.options import Arguments
from onnx_lippa.cli.arguments.values import features_from, preprocess_from, radii_from, values_from
from onnx_lippa.cli.output.progress import LiveProgress
from onnx_lippa.cli.output.tables import SHOWN, curve_table, model_line, summary_table
from onnx_lippa.cli.output.terminal import console
from onnx_lippa.errors import InputError
from onnx_lippa.method import Method
from onnx_lippa.onnx_io import load
from onnx_lippa.runs.event_log import STDOUT, EventLog
from onnx_lippa.runs.finished import RunSource
from onnx_lippa.runs.inputs import open_inputs
from onnx_lippa.runs.pools import WorkerChoice
from onnx_lippa.runs.results import InterruptedRun, Results
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
    started, budget = time.monotonic(), Budget(time_limit, arguments.seed)
    if arguments.model is None:
        raise InputError("there is no MODEL: give the path of an ONNX file, or --example")
    terminal = _open_terminal(arguments)
    wanted = gates.read()
    radii = radii_from(arguments.eps)
    norm, targets = get_norm(arguments.norm), Targets.parse(arguments.targets)
    preprocess = preprocess_from(arguments.preprocess)
    loaded = load(
        arguments.model,
        output=arguments.output,
        lower=values_from("--lower", arguments.lower),
        upper=values_from("--upper", arguments.upper),
        limits=arguments.limits,
        preprocess=preprocess,
    )
    loaded.require_classes()
    workers = WorkerChoice.of(arguments.workers, arguments.cluster)
    opened = open_inputs(
        loaded, arguments.data, arguments.first, arguments.indices, arguments.seed,
        arguments.data_options,
    )  # fmt: skip
    specifications = [
        Specification(
            norm,
            features_from(arguments, opened, eps, arguments.grid),
            targets, minimize,
        )
        for eps in radii
    ]  # fmt: skip
    terminal.print(model_line(loaded), highlight=False, soft_wrap=True)
    for note in loaded.network.notes:
        terminal.print(f"note: {note}", highlight=False, soft_wrap=True)
    inputs = opened.check(specifications[0].features)
    wanted.gates.require([one.features.eps for one in specifications], inputs.groups)
    if inputs.note:
        terminal.print(inputs.note, highlight=False, soft_wrap=True)
    out, progress = arguments.out, LiveProgress(terminal)
    options = effective(arguments.model, inputs.path)
    task = Task(
        loaded, inputs, method, budget, workers, (progress.hear, *_open_log(arguments)), started,
        options,
    )  # fmt: skip
    try:
        if len(radii) == 1:
            source: RunSource
            source = results = run(task, specifications[0], out)
            if per_input is not None:
                print_first(terminal, per_input(results), len(results), "--out DIR")
            terminal.print(summary_table(results.figures))
            printed = results.figures.as_json()
        else:
            source = curve = run_curve(task, specifications, out, [str(eps) for eps in radii])
            terminal.print(curve_table([one.figures for one in curve]))
            printed = {"curve": [one.figures.as_json() for one in curve]}
    except InterruptedRun as interrupt:
        done = 0 if progress.results is None else len(progress.results)
        kept = "" if out is None else ", kept on disk: the same command continues"
        console(stderr=True, soft_wrap=True).print(
            f"interrupted: {done} of {len(inputs.indices)} inputs are done{kept}", highlight=False
        )
        wanted.report(interrupt.results, out)
        raise
    except InputError:
        if len(radii) == 1 and progress.results is not None:
            # What was found is printed, even if it cannot be written.
            terminal.print(summary_table(progress.results.figures))
        raise
    if out is not None:
        check = f"check with: onnx-lippa replay {out}"
        terminal.print(f"written to {out}; {check}", highlight=False, soft_wrap=True)
    wanted.end(source, printed if arguments.as_json else None, out)


def _open_terminal(arguments: Arguments) -> Console:
    """Where tables go; it is quiet where the standard output is for JSON."""
    is_log = str(arguments.log_json) == STDOUT
    if is_log and arguments.as_json:
        raise InputError("--log-json - and --json exclude each other: write one of them to a file")
    return console(quiet=arguments.quiet or arguments.as_json or is_log)


def _open_log(arguments: Arguments) -> tuple[EventLog, ...]:
    return () if arguments.log_json is None else (EventLog(arguments.log_json),)


def print_first(terminal: Console, table: Table, count: int, option: str) -> None:
    """Prints a table of the first inputs, and where the others are."""
    terminal.print(table)
    if count > SHOWN:
        terminal.print(f"the first {SHOWN} of {count} inputs; {option} writes them all")
