"""``onnx-lippa rerun``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from onnx_lippa.cli.arguments.options import MODEL, RUN, ClusterAddress, Loading, option, spread
from onnx_lippa.cli.output.answer_progress import AnswerProgress
from onnx_lippa.cli.output.progress import LiveProgress
from onnx_lippa.cli.output.terminal import console, echo
from onnx_lippa.errors import GateError
from onnx_lippa.method import Finished, Improved
from onnx_lippa.runs.properties.events import AnswerEvent
from onnx_lippa.runs.rerun import rerun as repeat
from onnx_lippa.runs.results import Ended, Event, Started


@spread
def rerun(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="RUN", help="The --out folder of a run, a curve, a property or a list."
        ),
    ],
    loading: Loading,
    out: Annotated[
        Path | None, option(RUN, "New folder for the repetition. Default: it is not kept.")
    ] = None,
    workers: Annotated[
        int | None,
        option(RUN, "Worker processes; results do not depend on them. Default: all cores."),
    ] = None,
    cluster: ClusterAddress = None,
    as_json: Annotated[
        bool, option(RUN, "Print the comparison as JSON and nothing else.", "--json")
    ] = False,
    model: Annotated[Path | None, option(MODEL, "Path of the model, if it has moved.")] = None,
) -> None:
    """Repeat a run or answers from their folder, and compare the results.

    Exit code 4 says that they differ.
    """
    runs = LiveProgress(console(quiet=as_json))
    with AnswerProgress(as_json) as answers:

        def hear(event: Event | AnswerEvent) -> None:
            if isinstance(event, Started | Improved | Finished | Ended):
                runs.hear(event)
            else:
                answers.hear(event)

        found = repeat(
            folder, model=model, workers=workers, cluster=cluster, out=out, limits=loading.limits,
            on_event=hear,
        )  # fmt: skip
    if as_json:
        typer.echo(json.dumps(found.as_json(), indent=2))
    else:
        echo(found.summary())
    if not found.is_identical:
        raise typer.Exit(GateError.exit_code)
