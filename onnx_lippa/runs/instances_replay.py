"""The answers to a list of properties, re-checked from their folder and the files of the list."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from onnx_lippa.arrays import Floats
from onnx_lippa.errors import DamagedFolderError, FalseClaimError, InputError, LippaError
from onnx_lippa.onnx_io import LoadLimits, Model, load
from onnx_lippa.runs.claims import Replayed
from onnx_lippa.runs.finding import Answer
from onnx_lippa.runs.instances import InstanceResult, read_results
from onnx_lippa.runs.instances_folder import (
    ANSWERS,
    COUNTEREXAMPLES,
    RESULTS,
    match_answers,
    name_counterexamples,
    read_answers,
    read_list,
)
from onnx_lippa.spec import Property, build_inputs, vnnlib

_PAIR: Final = re.compile(r"\(([XY])_(\d+) ([^()\s]+)\)")
_CLOSE: Final = 1e-3
"""Relative difference of stated outputs from those of another version or processor."""


def replay_list(folder: Path, limits: LoadLimits | None = None) -> Replayed:
    """Checks every ``sat`` of a list; one that was interrupted or killed, as far as it got.

    Args:
        folder: its folder.
        limits: what loading a model may take, as :func:`onnx_lippa.load` has it.

    Raises:
        InputError: a model or a property is missing, or not the one that was asked about.
        DamagedFolderError: a file of the folder is damaged.
        FalseClaimError: the first claim that does not hold.
    """
    asked = read_list(folder)
    answers = match_answers(asked, read_answers(folder))
    _check_table(folder, list(answers.values()))
    names, found, unsat = name_counterexamples(asked.instances), 0, 0
    for place, result in sorted(answers.items()):
        if result.answer == Answer.SAT.value:
            _check_file(folder / COUNTEREXAMPLES / names[place], result)
            _check_answer(result, asked.base.candidates(folder), limits)
            found += 1
        elif result.counterexample:
            raise FalseClaimError(f"{_named(result)}: it is {result.answer}, with a counterexample")
        unsat += result.answer == Answer.UNSAT.value
    return Replayed(
        len(answers), found, 0, unsat, len(asked.instances), len(answers) < len(asked.instances),
        what="instances",
    )  # fmt: skip


def _check_table(folder: Path, answers: Sequence[InstanceResult]) -> None:
    """Compares what ``results.csv`` says, which may be less after a kill, with the journal."""
    if not (folder / RESULTS).exists():
        raise DamagedFolderError(f"{folder / RESULTS} is missing: run the same command again")
    try:
        listed = read_results(folder / RESULTS)
    except (InputError, ValueError) as error:
        raise DamagedFolderError(
            f"{folder / RESULTS} is damaged ({error}): run the same command again"
        ) from error
    known = [result.line() for result in answers]
    answered = {result.instance for result in answers}
    for result in listed:
        if result.instance not in answered:
            raise DamagedFolderError(
                f"{folder / ANSWERS} lacks the answer to {_named(result)}: run the same command "
                "again"
            )
        if result.line() not in known:
            raise FalseClaimError(
                f"{_named(result)}: {RESULTS} says {result.answer}, but {ANSWERS} does not"
            )
        known.remove(result.line())


def _check_file(path: Path, result: InstanceResult) -> None:
    """A counterexample's file, where it could be written, is what was found."""
    try:
        stored = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return
    except (OSError, UnicodeDecodeError) as error:
        raise DamagedFolderError(f"{path} cannot be read: run the same command again") from error
    if stored != result.counterexample + "\n":
        raise DamagedFolderError(
            f"{path} is not the counterexample that was found: run the same command again"
        )


def _check_answer(result: InstanceResult, bases: Sequence[Path], limits: LoadLimits | None) -> None:
    """Replays a counterexample: exactly, alone and in a batch."""
    asked, model = _read(result, bases, limits)
    stated: dict[str, dict[int, float]] = {"X": {}, "Y": {}}
    for kind, index, value in _PAIR.findall(result.counterexample):
        stated[kind][int(index)] = _number(value)
    x, y = _vector(stated["X"], asked.inputs), _vector(stated["Y"], asked.outputs)
    if x is None or y is None:
        raise FalseClaimError(f"{_named(result)}: its counterexample does not state each number")
    point = x.astype(model.interface.dtype)
    if not np.array_equal(point.astype(np.float64), x):
        raise FalseClaimError(f"{_named(result)}: its inputs are no {model.interface.dtype}")
    alone = model.runtime.forward_alone(point[None])[0]
    together = model.runtime.forward(np.stack([point, point]))[1]
    close = np.allclose(alone, y, rtol=_CLOSE, atol=_CLOSE * float(np.abs(y).max()))
    if not close or not all(_is_sought(asked, model, point, found) for found in (alone, together)):
        raise FalseClaimError(f"{_named(result)}: its counterexample does not replay")


def _is_sought(asked: Property, model: Model, x: Floats, y: Floats) -> bool:
    """Whether the formula holds exactly, for the numbers themselves or for those that they are the
    nearest floats of."""
    if asked.holds(x, y):
        return True
    exact_values = (
        build_inputs(asked, case, model.interface.dtype)[1].exact_values for case in asked.cases
    )
    return any(asked.holds(x, y, numbers) for numbers in exact_values if numbers)


def _read(
    result: InstanceResult, bases: Sequence[Path], limits: LoadLimits | None
) -> tuple[Property, Model]:
    """The property and the model of an answer, where their digests are those of the answer."""
    instance, first = result.instance, None
    for base in bases:
        spec, path = base / instance.vnnlib, base / instance.onnx
        try:
            if vnnlib.digest(spec) != result.property_sha256:
                raise InputError(f"{spec} is not the property that was asked (its SHA-256 differs)")
            model = load(path, check=False, limits=limits)
            if model.file.sha256 != result.model_sha256:
                raise InputError(f"{path} is not the model that was asked (its SHA-256 differs)")
            return Property.from_vnnlib(spec), model
        except LippaError as error:
            first = first or error
    raise first or InputError(f"{_named(result)}: nothing says where its files are")


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _vector(stated: dict[int, float], size: int) -> Floats | None:
    if set(stated) != set(range(size)):
        return None
    return np.array([stated[index] for index in range(size)])


def _named(result: InstanceResult) -> str:
    return f"{result.instance.onnx} with {result.instance.vnnlib}"
