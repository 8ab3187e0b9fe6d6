"""``onnx-lippa check``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from onnx_lippa.cli.arguments.gates import AnswerGatesAndReports, GateOptions, GatesAndReports, end
from onnx_lippa.cli.arguments.options import RUN, option, spread
from onnx_lippa.cli.output.terminal import echo
from onnx_lippa.errors import InputError
from onnx_lippa.runs.properties.answers import Answers, holds_answers


@spread
def check(
    folder: Annotated[
        Path, typer.Argument(metavar="RUN", help="The --out folder of a run or of a curve.")
    ],
    gates: GateOptions,
    quiet: Annotated[bool, option(RUN, "Print nothing but failed gates.", "--quiet")] = False,
    as_json: Annotated[bool, option(RUN, "Print the outcomes as JSON.", "--json")] = False,
) -> None:
    """Hold a finished run against conditions, and write reports of it.

    Exits with code 4 if a condition is not met.
    """
    wanted: GatesAndReports | AnswerGatesAndReports
    is_of_answers = holds_answers(folder)
    wanted = gates.read_for_answers() if is_of_answers else gates.read()
    if not wanted.gates.are_given and not wanted.formats:
        raise InputError(
            "there is nothing to check: give a condition such as --fail-over robust_error=0.10, or "
            "a report with --format"
        )
    if isinstance(wanted, AnswerGatesAndReports):
        found = wanted.check(Answers.read(folder), folder)
    else:
        found = wanted.check(folder, folder)
    if as_json:
        typer.echo(json.dumps([one.as_json() for one in found.outcomes], indent=2))
    elif not quiet:
        for outcome in found.outcomes:
            if outcome.passed:
                echo(f"passed: {outcome.sentence}")
    end(found)
