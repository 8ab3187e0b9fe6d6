"""``onnx-lippa report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from onnx_lippa.cli.arguments.options import RUN, option, spread
from onnx_lippa.cli.output.terminal import echo
from onnx_lippa.reports.html import write_report


@spread
def report(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN...", help="The --out folders of runs or curves."),
    ],
    out: Annotated[Path, option(RUN, "The page.")] = Path("report.html"),
    png: Annotated[Path | None, option(RUN, "Folder for the single figures as PNG files.")] = None,
) -> None:
    """Write one HTML page about one run, or about several side by side.

    The page is one file and loads nothing from elsewhere.
    """
    page, *figures = write_report(runs, out, png)
    echo(f"written to {page}")
    if png is not None:
        echo(f"{len(figures)} figures in {png}")
