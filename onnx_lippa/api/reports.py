"""``onnx_lippa.report`` and ``export``: what people read of finished runs."""

from __future__ import annotations

from pathlib import Path

from onnx_lippa.reports.export import ExportedImages, write_images
from onnx_lippa.reports.html import write_report
from onnx_lippa.runs.finished import RunSource


def report(
    *runs: RunSource, out: str | Path = "report.html", png: str | Path | None = None
) -> Path:
    """Writes one self-contained HTML page about one run, or about several side by side.

    It needs the extra: ``pip install 'onnx-lippa[report]'``.

    Args:
        runs: results of a call, or folders of runs; a curve counts as a run at each radius.
        out: the page.
        png: folder for the single figures as PNG files; None writes none.

    Returns:
        The page.

    Raises:
        InputError: there is no run, one that has not ended or has no result, the extra is not
            installed, or a file cannot be written.
        DamagedFolderError: a file of a run is damaged.
    """
    return write_report(runs, out, png)[0]


def export(run: RunSource, *, images: str | Path) -> ExportedImages:
    """Writes the adversarial images of a run as PNG files, and ``images.csv``, which lists them.

    It needs the extra: ``pip install 'onnx-lippa[report]'``.

    Args:
        run: results of a call, or the folder of a run or of a curve.
        images: folder for the images; those of a curve have a folder for each radius in it.

    Returns:
        The files, and how many of them stand for their witness exactly: a PNG file has 256 levels.

    Raises:
        InputError: inputs are no images, the run has not ended, the extra is not installed, or a
            file cannot be written.
        DamagedFolderError: a file of the run is damaged.
    """
    return write_images(run, images)
