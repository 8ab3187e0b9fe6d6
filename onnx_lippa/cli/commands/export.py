"""``onnx-lippa export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from onnx_lippa.cli.arguments.options import RUN, option, spread
from onnx_lippa.cli.output.terminal import echo
from onnx_lippa.reports.export import write_images


@spread
def export(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="The --out folder of a run or a curve.")
    ],
    images: Annotated[Path, option(RUN, "Folder for the adversarial images, as PNG files.")],
) -> None:
    """Write the adversarial inputs of a run as PNG files."""
    written = write_images(run, images)
    count = len(written.files)
    echo(f"{count} adversarial image{'' if count == 1 else 's'} in {images}")
    if written.exact < count:
        echo(
            f"{count - written.exact} of them are rounded to the 256 levels of a PNG file: the "
            f"exact inputs are in adversarials.npz (or use --grid 1/255)"
        )
