"""``onnx-lippa doctor``."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from onnx_lippa.api.doctor import doctor as examine
from onnx_lippa.cli.arguments.options import RUN, option, spread
from onnx_lippa.cli.output.terminal import echo
from onnx_lippa.errors import WorkerError


@spread
def doctor(
    as_json: Annotated[bool, option(RUN, "Print the findings as JSON.", "--json")] = False,
) -> None:
    """Try everything that runs need: versions, solvers, processes, a self-test.

    Exit code 71 says that something does not work.
    """
    found = examine()
    if as_json:
        typer.echo(json.dumps(found.as_json(), indent=2))
    else:
        echo(found.summary())
    if not found.is_healthy:
        raise typer.Exit(WorkerError.exit_code)
