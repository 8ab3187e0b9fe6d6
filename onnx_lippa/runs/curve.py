"""Curves: runs at several radii, among which verdicts carry over."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from onnx_lippa.errors import FalseClaimError, InputError, LippaError
from onnx_lippa.method import RadiusOrder
from onnx_lippa.onnx_io import Model
from onnx_lippa.runs.configuration import CONFIG, Configuration, is_written_by_us
from onnx_lippa.runs.files import (
    FolderLock,
    explain_read_errors,
    explain_write_errors,
    replace_file,
)
from onnx_lippa.runs.folder import SUMMARY
from onnx_lippa.runs.identity import CURVE, LIST, RUN, read_run
from onnx_lippa.runs.summary import Summary
from onnx_lippa.spec import Problem
from onnx_lippa.witness import Effort, Result, Verdict, check_stored


def order_radii(radii: Sequence[float], order: RadiusOrder) -> list[int]:
    """The positions of radii, in the order in which they are run."""
    ascending = sorted(range(len(radii)), key=lambda position: radii[position])
    if order is RadiusOrder.BISECTING:
        ends = [ascending[0], *ascending[-1:]] if len(ascending) > 1 else ascending
        return ends + _bisect(ascending[1:-1])
    return ascending if order is RadiusOrder.ASCENDING else ascending[::-1]


def _bisect(positions: list[int]) -> list[int]:
    """The middle one, then those below and above it, likewise bisected."""
    if not positions:
        return []
    middle = len(positions) // 2
    return [positions[middle], *_bisect(positions[:middle]), *_bisect(positions[middle + 1 :])]


def carry_over(
    model: Model, problems: Sequence[Problem], known: Mapping[float, Sequence[Result]]
) -> list[Result]:
    """The results at one radius that follow from results at others.

    A witness of a smaller ball is replayed in this one; a proof for a larger ball holds here.

    Args:
        model: the model.
        problems: the inputs at this radius.
        known: results at other radii.
    """
    found = []
    by_index = {other: {one.index: one for one in results} for other, results in known.items()}
    for problem in problems:
        eps = problem.inputs.eps
        for other in sorted(by_index):
            result = by_index[other].get(problem.index)
            carried = None if result is None else _carry(model, problem, result, other, eps)
            if carried is not None:
                found.append(carried)
                break
    return found


def _carry(
    model: Model, problem: Problem, result: Result, other: float, eps: float
) -> Result | None:
    """The result at this radius that follows from one at another; None if nothing follows."""
    free = replace(result, effort=Effort())
    if result.verdict is Verdict.MISCLASSIFIED:
        return free
    if result.verdict is Verdict.ROBUST and other >= eps:
        return free
    if result.witness is not None and other <= eps:
        witness = check_stored(model.runtime, result.witness.x, problem.inputs, problem.unsafe)
        if witness is not None:
            return replace(free, witness=witness, bound=float("-inf"))
    return None


def write_curve(folder: Path, summaries: Sequence[Summary]) -> None:
    """Writes the summaries of all finished radii into one file.

    Raises:
        InputError: it cannot be written.
    """
    text = json.dumps({"curve": [summary.as_json() for summary in summaries]}, indent=2) + "\n"
    replace_file(folder / CURVE, text.encode())


def open_curve(folder: Path, configuration: Configuration) -> FolderLock:
    """Makes the folder of a curve, locks it, and writes its ``config.toml``.

    Raises:
        InputError: it cannot be written, is in use, or holds something else.
    """
    with explain_write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for name in (RUN, LIST):
        if (folder / name).exists():
            raise InputError(
                f"{folder} holds a {name} that is not of this curve: give another --out"
            )
    if not is_written_by_us(folder / CONFIG):
        raise InputError(f"{folder} holds a {CONFIG} that is not of this curve: give another --out")
    lock = FolderLock(folder)
    try:
        replace_file(folder / CONFIG, configuration.content())
    except BaseException:
        lock.release()
        raise
    return lock


def find_radius_folder(folder: Path, eps: float, name: str) -> Path:
    """The folder of one radius of a curve; if there is none, a new one of this name."""
    for known in list_radius_folders(folder):
        with suppress(LippaError):
            if read_run(folder / known).identity.features.eps == eps:
                return folder / known
    return folder / f"eps-{name}".replace("/", "_")


def list_radius_folders(folder: Path) -> list[str]:
    """The names of the folders of a curve's radii; none if the folder is no curve."""
    return sorted(path.parent.name for path in folder.glob(f"eps-*/{RUN}"))


def check_curve(folder: Path, names: Sequence[str]) -> bool:
    """Compares a curve with the summaries of its radii.

    Args:
        folder: the curve's folder.
        names: the folders of its radii.

    Returns:
        Whether it lacks a radius: it is still running, or was killed.

    Raises:
        DamagedFolderError: its file is damaged.
        FalseClaimError: it differs from the summaries of its radii.
    """
    file = folder / CURVE
    if not file.exists():
        return True
    with explain_read_errors(file, "run the same command again"):
        curve = json.loads(file.read_bytes())["curve"]
        if not isinstance(curve, list) or not all(isinstance(one, dict) for one in curve):
            raise ValueError("it is no list of summaries")
    known = []
    for name in names:
        path = folder / name / SUMMARY
        if path.exists():
            with explain_read_errors(path, "run the same command again"):
                known.append(_timeless(json.loads(path.read_bytes())))
    for summary in curve:
        if _timeless(summary) not in known:
            raise FalseClaimError(
                f"{file} says of eps {summary.get('eps')} what the folder of no radius says"
            )
    return len(curve) < len(names)


def _timeless(summary: dict[str, Any]) -> dict[str, Any]:
    """A summary without its wall time, which differs between the two files."""
    return {name: value for name, value in summary.items() if name != "seconds"}
