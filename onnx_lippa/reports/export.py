"""``export``: the adversarial inputs of a run as files that other programs open."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

import numpy as np

from onnx_lippa.errors import InputError
from onnx_lippa.reports.html import open_runs
from onnx_lippa.reports.writing import require_report_extra, write_file
from onnx_lippa.runs.finished import RunSource

LIST: Final = "images.csv"
"""The list of the images."""
_COLUMNS: Final = ("file", "index", "label", "target", "distance", "exact")


@final
@dataclass(frozen=True)
class ExportedImages:
    """The images that were written.

    Attributes:
        files: the images, one for each adversarial input.
        exact: number of images whose bytes stand for the witness exactly. A PNG file has 256 levels
            of each channel, so that the others are pictures of a witness, which
            ``adversarials.npz`` holds.
    """

    files: tuple[Path, ...]
    exact: int


def write_images(run: RunSource, folder: str | Path) -> ExportedImages:
    """Writes the adversarial inputs of a run, or of each radius of a curve, as PNG files.

    Beside them ``images.csv`` lists index, class, adversarial class and distance of each.

    Args:
        run: results, or the folder of a run or a curve.
        folder: where the images go; a curve has a folder for each radius in it.

    Raises:
        InputError: inputs are no images, there is no run, a library of the extra is missing, or a
            file cannot be written.
        DamagedFolderError: a file of the run is damaged.
    """
    require_report_extra("an export of images")
    # Pictures take a second to import; nothing else needs them.
    from onnx_lippa.reports.page.images import are_exact, to_pixels  # noqa: PLC0415
    from onnx_lippa.reports.page.pictures import encode_png  # noqa: PLC0415
    from onnx_lippa.reports.page.reported import name_runs  # noqa: PLC0415

    opened = open_runs([run])
    files: list[Path] = []
    exact = 0
    for one, (group, _, finished) in zip(name_runs(opened), opened, strict=True):
        if not one.is_image:
            shape = "x".join(map(str, finished.input_shape))
            raise InputError(
                f"inputs of shape {shape} are no images, which have rows, columns and 1 or 3 "
                "channels: read adversarials.npz instead"
            )
        target = Path(folder) / (finished.name or group) if len(opened) > 1 else Path(folder)
        box = finished.identity.features.box(int(np.prod(finished.input_shape)))
        rows: list[tuple[object, ...]] = []
        for record in sorted(one.broken, key=lambda record: record.index):
            x = one.witness(record.index)
            if x is None:
                continue
            pixels = to_pixels(x, box)
            name = f"input-{record.index}-class-{record.label}-as-{record.target}.png"
            write_file(target / name, encode_png(pixels), "--images")
            is_exact = are_exact(pixels, x, box)
            files.append(target / name)
            exact += is_exact
            rows.append(
                (name, record.index, record.label, record.target, record.distance, is_exact)
            )
        write_file(target / LIST, _table(rows), "--images")
    return ExportedImages(tuple(files), exact)


def _table(rows: list[tuple[object, ...]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows(rows)
    return text.getvalue().encode()
