"""The files of a trace, by their suffix."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from onnx_lippa.attacks import Trace, write_settings
from onnx_lippa.errors import InputError
from onnx_lippa.onnx_io import Model
from onnx_lippa.reports.writing import require_report_extra, write_file

_PICTURES: Final = (".png", ".svg")
_NUMBERS: Final = (".json", ".csv")
_COLUMNS: Final = (
    "step", "kind", "margin", "distance", "target", "region", "is_new", "seconds",
)  # fmt: skip


def check_trace_file(path: Path) -> None:
    """Checks, before anything is computed, that a trace can be written to a file.

    Raises:
        InputError: the suffix is unknown, there is no such folder, or a picture needs the extra.
    """
    suffix = path.suffix.lower()
    if suffix not in (*_PICTURES, *_NUMBERS):
        raise InputError(
            f"--out {path} has an unknown suffix: give a .png, .svg, .json or .csv file"
        )
    if not path.parent.is_dir():
        raise InputError(f"cannot write {path}: there is no folder {path.parent}")
    if suffix in _PICTURES:
        require_report_extra("a picture of a trace")


def write_trace(trace: Trace, model: Model, path: Path) -> tuple[Path, ...]:
    """Writes a trace: a picture, or the numbers of all points.

    Args:
        trace: the path of an attack.
        model: the model that was attacked.
        path: the file; beside a ``.json`` file the points lie in an ``.npz`` file.

    Returns:
        The files that were written.

    Raises:
        InputError: the suffix is unknown, or a file cannot be written.
    """
    check_trace_file(path)
    suffix = path.suffix.lower()
    if suffix in _PICTURES:
        # Matplotlib takes a second to import; nothing else needs it.
        from onnx_lippa.reports.trace.figure import draw_trace  # noqa: PLC0415

        write_file(path, draw_trace(trace, model, suffix[1:]), "--out")
        return (path,)
    if suffix == ".csv":
        write_file(path, _table(trace), "--out")
        return (path,)
    points = path.with_suffix(".npz")
    write_file(path, _json(trace, model, points), "--out")
    write_file(points, _arrays(trace, model), "--out")
    return (path, points)


def trace_rows(trace: Trace) -> list[dict[str, Any]]:
    """The numbers of each point."""
    return [
        dict(zip(_COLUMNS, (
            step, point.kind.value, point.margin, point.distance, point.target, point.region,
            point.is_new, point.seconds,
        ), strict=True))
        for step, point in enumerate(trace.points)
    ]  # fmt: skip


def trace_summary(trace: Trace, model: Model) -> Mapping[str, Any]:
    """What was attacked, how it ended, and the numbers of each point."""
    inputs, result = trace.problem.inputs, trace.result
    witness = result.witness
    return {
        "model": model.file.path.name,
        "index": result.index,
        "norm": inputs.norm.name,
        "eps": inputs.eps if math.isfinite(inputs.eps) else None,
        "minimize": trace.problem.minimize,
        "method": trace.method.name,
        "method_options": write_settings(trace.method),
        "seed": trace.seed,
        "verdict": result.verdict.value,
        "found_by": result.found_by.value,
        "target": result.target,
        "distance": None if witness is None else witness.distance,
        "regions": trace.regions,
        "best": trace.best,
        "points": trace_rows(trace),
    }


def _table(trace: Trace) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(trace_rows(trace))
    return text.getvalue().encode()


def _json(trace: Trace, model: Model, points: Path) -> bytes:
    summary = {**trace_summary(trace, model), "arrays": points.name}
    return (json.dumps(summary, indent=1) + "\n").encode()


def _arrays(trace: Trace, model: Model) -> bytes:
    """The points ``x`` in the shape of the input, the clean input, and the witness if any."""
    shape = model.network.input_shape
    x = np.array([point.x for point in trace.points])
    arrays: dict[str, Any] = {
        "x": x.reshape(-1, *shape),
        "clean": trace.problem.inputs.center.reshape(shape),
    }
    if trace.result.witness is not None:
        arrays["witness"] = trace.result.witness.x.reshape(shape)
    stored = io.BytesIO()
    np.savez_compressed(stored, **arrays)
    return stored.getvalue()
