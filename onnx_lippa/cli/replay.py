"""``onnx-lippa replay``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from onnx_lippa.api import replay as replay_run
from onnx_lippa.cli.console import echo


def replay(
    out_dir: Annotated[Path, typer.Argument(help="The --out folder of a finished run.")],
    model: Annotated[
        Path | None, typer.Option(help="Where the model is now, if it was moved.")
    ] = None,
) -> None:
    """Re-check every claim of a finished run from its files alone."""
    confirmed = replay_run(out_dir, model=model)
    echo(
        f"confirmed: {confirmed.adversarial} adversarial and {confirmed.misclassified} "
        f"misclassified of {confirmed.inputs} inputs"
    )
    if confirmed.robust:
        echo(
            f"not repeated: the proofs of {confirmed.robust} robust inputs (certify proves them "
            "again)"
        )
