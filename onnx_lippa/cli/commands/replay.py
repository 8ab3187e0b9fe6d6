"""``onnx-lippa replay``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from onnx_lippa.cli.arguments.options import MODEL, Loading, option, spread
from onnx_lippa.cli.output.terminal import echo
from onnx_lippa.runs.claims import Replayed
from onnx_lippa.runs.replay import replay as replay_run


@spread
def replay(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="The --out folder of a run, a curve or a list.")
    ],
    loading: Loading,
    model: Annotated[Path | None, option(MODEL, "Path of the model, if it has moved.")] = None,
) -> None:
    """Check every claim of a run again, from the files of its folder alone.

    A run that was interrupted or killed is checked as far as it got.
    """
    confirmed = replay_run(folder, model=model, limits=loading.limits)
    if confirmed.parts and confirmed.killed:
        echo("unfinished: the curve lacks a radius; it has not ended, or was killed")
    for name, part in confirmed.parts:
        _say(part, f"{name}: ")
    if not confirmed.parts:
        _say(confirmed, "")


def _say(confirmed: Replayed, name: str) -> None:
    what = confirmed.what
    if not confirmed.is_finished:
        state = "has not ended, or was killed" if confirmed.killed else "was interrupted"
        echo(
            f"{name}unfinished: the run {state}; {confirmed.inputs} of {confirmed.requested} "
            f"{what} have a result"
        )
    if what == "instances":
        echo(f"{name}confirmed: {confirmed.adversarial} sat of {confirmed.inputs} instances")
        proven = f"{confirmed.robust} unsat instances"
    else:
        echo(
            f"{name}confirmed: {confirmed.adversarial} adversarial and {confirmed.misclassified} "
            f"misclassified of {confirmed.inputs} inputs"
        )
        proven = f"{confirmed.robust} robust inputs"
    if confirmed.lost:
        echo(
            f"{name}left out: {confirmed.lost} results whose witnesses were lost when the run was "
            "killed"
        )
    if confirmed.robust:
        echo(f"{name}not repeated: the proofs of {proven} (certify proves them again)")
    if confirmed.bounded:
        echo(
            f"{name}not repeated: the lower bounds of {confirmed.bounded} distances (distance "
            "proves them again)"
        )
