"""Several radii, one after the other: what is known at one is known at others."""

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
from onnx_lippa.runs.files import FolderLock, reading, replace_file, writing
from onnx_lippa.runs.folder import SUMMARY
from onnx_lippa.runs.identity import CURVE, LIST, RUN, read_run
from onnx_lippa.runs.summary import Summary
from onnx_lippa.spec import Problem
from onnx_lippa.witness import Effort, Result, Verdict, check_stored


def order_radii(radii: Sequence[float], order: RadiusOrder) -> list[int]:
    """The places of radii in an order."""
    ascending = sorted(range(len(radii)), key=lambda place: radii[place])
    if order is RadiusOrder.BISECTING:
        ends = [ascending[0], *ascending[-1:]] if len(ascending) > 1 else ascending
        return ends + _bisect(ascending[1:-1])
    return ascending if order is RadiusOrder.ASCENDING else ascending[::-1]


def _bisect(places: list[int]) -> list[int]:
    """The middle one, then those below and above it in the same way."""
    if not places:
        return []
    middle = len(places) // 2
    return [places[middle], *_bisect(places[:middle]), *_bisect(places[middle + 1 :])]


def carry_over(
    model: Model, problems: Sequence[Problem], known: Mapping[float, Sequence[Result]]
) -> list[Result]:
    """Verdicts at one radius that follow from those at others.

    A witness of a smaller ball is replayed in this one; a proof for a larger ball holds here.

    Args:
        model: the model.
        problems: the inputs at this radius.
        known: outcomes at other radii.
    """
    found = []
    by_index = {other: {o.index: o for o in outcomes} for other, outcomes in known.items()}
    for problem in problems:
        eps = problem.inputs.eps
        for other in sorted(by_index):
            outcome = by_index[other].get(problem.index)
            taken = None if outcome is None else _carry(model, problem, outcome, other, eps)
            if taken is not None:
                found.append(taken)
                break
    return found


def _carry(
    model: Model, problem: Problem, outcome: Result, other: float, eps: float
) -> Result | None:
    """A result at another radius as one at this radius; None where nothing follows from it."""
    free = replace(outcome, effort=Effort())
    if outcome.verdict is Verdict.MISCLASSIFIED:
        return free
    if outcome.verdict is Verdict.ROBUST and other >= eps:
        return free
    if outcome.witness is not None and other <= eps:
        witness = check_stored(model.runtime, outcome.witness.x, problem.inputs, problem.unsafe)
        if witness is not None:
            return replace(free, witness=witness, bound=float("-inf"))
    return None


def write_curve(folder: Path, summaries: Sequence[Summary]) -> None:
    """Writes the summaries of all radii that are finished into one file.

    Raises:
        InputError: it cannot be written.
    """
    text = json.dumps({"curve": [summary.as_json() for summary in summaries]}, indent=2) + "\n"
    replace_file(folder / CURVE, text.encode())


def lock_curve(folder: Path) -> FolderLock:
    """Makes the folder of a curve and keeps other runs out of it.

    Raises:
        InputError: it cannot be written, is in use, or holds something else.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for name in (RUN, LIST):
        if (folder / name).exists():
            raise InputError(
                f"{folder} holds a {name} that is not of this curve: give another --out"
            )
    return FolderLock(folder)


def folder_of(folder: Path, eps: float, name: str) -> Path:
    """The folder of one radius of a curve: the one that holds it, else a new one of this name."""
    for known in radii_of(folder):
        with suppress(LippaError):
            if read_run(folder / known).identity.features.eps == eps:
                return folder / known
    return folder / f"eps-{name}".replace("/", "_")


def radii_of(folder: Path) -> list[str]:
    """The names of the folders of a curve's radii; none where it is no curve."""
    return sorted(path.parent.name for path in folder.glob(f"eps-*/{RUN}"))


def check_curve(folder: Path, names: Sequence[str]) -> bool:
    """Compares a curve with the summaries of its radii.

    Args:
        folder: the curve's folder.
        names: the folders of its radii.

    Returns:
        Whether it lacks a radius: it goes on, or was killed.

    Raises:
        DamagedFolderError: its file is damaged.
        FalseClaimError: it says something else than its radii do.
    """
    file = folder / CURVE
    if not file.exists():
        return True
    with reading(file, "run the same command again"):
        curve = json.loads(file.read_bytes())["curve"]
        if not isinstance(curve, list) or not all(isinstance(one, dict) for one in curve):
            raise ValueError("it is no list of summaries")
    known = []
    for name in names:
        path = folder / name / SUMMARY
        if path.exists():
            with reading(path, "run the same command again"):
                known.append(_timeless(json.loads(path.read_bytes())))
    for summary in curve:
        if _timeless(summary) not in known:
            raise FalseClaimError(
                f"{file} says of eps {summary.get('eps')} what the folder of no radius says"
            )
    return len(curve) < len(names)


def _timeless(summary: dict[str, Any]) -> dict[str, Any]:
    """A summary but for its wall time, which goes on between the two files."""
    return {name: value for name, value in summary.items() if name != "seconds"}
