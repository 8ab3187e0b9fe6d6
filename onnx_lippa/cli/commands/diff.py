"""``onnx-lippa diff``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from onnx_lippa.cli.arguments.options import RUN, option, spread
from onnx_lippa.cli.output.terminal import echo
from onnx_lippa.errors import GateError
from onnx_lippa.gates.answer_comparison import compare_answers
from onnx_lippa.gates.comparison import compare
from onnx_lippa.runs.finished import take_baseline
from onnx_lippa.runs.properties.answers import Answers, holds_answers


@spread
def diff(
    old: Annotated[
        Path, typer.Argument(metavar="OLD", help="The --out folder of a run or of a curve.")
    ],
    new: Annotated[
        Path, typer.Argument(metavar="NEW", help="The folder of the run that is held against it.")
    ],
    quiet: Annotated[bool, option(RUN, "Print nothing.", "--quiet")] = False,
    as_json: Annotated[bool, option(RUN, "Print the changes as JSON.", "--json")] = False,
) -> None:
    """Compare two runs input by input: what got worse, and what got better.

    Exits with code 0 where nothing got worse, and with code 4 otherwise.
    """
    if holds_answers(old) and holds_answers(new):
        found = compare_answers(Answers.read(old), Answers.read(new))
    else:
        found = compare(take_baseline(old), take_baseline(new))
    if as_json:
        typer.echo(json.dumps(found.as_json(), indent=2))
    elif not quiet:
        echo(found.summary())
    if found.worse:
        raise typer.Exit(GateError.exit_code)
