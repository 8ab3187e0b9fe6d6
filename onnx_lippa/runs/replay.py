"""``onnx_lippa.replay``: checks the folders of runs, curves and lists with the files they used."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from onnx_lippa.arrays import Floats
from onnx_lippa.errors import DamagedFolderError, FalseClaimError, InputError, LippaError
from onnx_lippa.onnx_io import LoadLimits, Model, load
from onnx_lippa.runs.claims import Replayed, check_run, read_finished
from onnx_lippa.runs.clean_inputs import find_data
from onnx_lippa.runs.curve import check_curve, list_radius_folders
from onnx_lippa.runs.identity import LIST, RUN, RunFile, read_run
from onnx_lippa.runs.properties.finding import Answer, parse_counterexample
from onnx_lippa.runs.properties.folder import (
    ANSWERS,
    COUNTEREXAMPLES,
    RESULTS,
    ListFile,
    match_answers,
    name_counterexamples,
    read_answers,
    read_list,
)
from onnx_lippa.runs.properties.instances import InstanceResult, read_results
from onnx_lippa.spec import Property, build_inputs, vnnlib

_COUNTS: Final = ("inputs", "adversarial", "misclassified", "robust", "requested", "lost")
"""Counts that are summed over the radii of a curve."""
_CLOSE: Final = 1e-3
"""Relative difference of stated outputs from those of another version or processor."""


def replay(
    path: str | Path, *, model: str | Path | None = None, limits: LoadLimits | None = None
) -> Replayed:
    """Checks the claims of a run from its files alone; raises at the first false one.

    A run that was interrupted or killed is checked as far as it got.

    Args:
        path: the folder of a run, of a curve, or of a list of instances.
        model: where the model is now, if it was moved. If model, data and folder were moved
            together, they are found without it.
        limits: memory and time for loading a model, as in :func:`load`.

    Raises:
        InputError: a file is missing, or not the one the run used.
        DamagedFolderError: a file of the folder is damaged.
        FalseClaimError: a claim that does not hold.
    """
    folder, moved = Path(path), None if model is None else Path(model)
    if (folder / RUN).exists():
        return _check_run(folder, moved, limits)
    if (folder / LIST).exists():
        if moved is not None:
            raise InputError(f"{folder} is of a list, which names its models: leave --model out")
        return _replay_list(folder, limits)
    names = list_radius_folders(folder)
    if not names:
        read_run(folder)  # raises
    parts = tuple((name, _check_run(folder / name, moved, limits)) for name in names)
    killed = check_curve(folder, names)
    counts = {name: sum(getattr(part, name) for _, part in parts) for name in _COUNTS}
    return Replayed(
        **counts,
        killed=killed or any(part.killed for _, part in parts),
        parts=parts,
    )


def _check_run(folder: Path, moved: Path | None, limits: LoadLimits | None) -> Replayed:
    run = read_run(folder)
    try:
        confirmed = _replay(folder, run, moved, limits)
    except FalseClaimError:
        raise
    except LippaError as error:
        if run.intact:
            raise
        raise _damaged(folder) from error
    if not run.intact:
        raise _damaged(folder)
    return confirmed


def _replay(folder: Path, run: RunFile, moved: Path | None, limits: LoadLimits | None) -> Replayed:
    ended = read_finished(folder, run)
    loaded = find_model(folder, run, moved, limits)
    shape, dtype = loaded.network.input_shape, loaded.interface.dtype
    found = find_data(folder, run, shape, dtype)
    inputs, labels = found.inputs, found.labels
    if labels is None:
        labels = loaded.runtime.forward(inputs).argmax(axis=1)
    return check_run(folder, run, ended, loaded, inputs, labels, found.groups)


def _damaged(folder: Path) -> DamagedFolderError:
    return DamagedFolderError(
        f"{folder / RUN} is not as the run wrote it: run the attack again with another --out"
    )


def find_model(folder: Path, run: RunFile, moved: Path | None, limits: LoadLimits | None) -> Model:
    """The model of a run, at its old path or beside the folder; its digest identifies it."""
    identity, first = run.identity, None
    for path in run.model.candidates(folder) if moved is None else [moved]:
        try:
            model = load(
                path, output=identity.output or None, check=False, limits=limits,
                preprocess=identity.preprocess,
            )  # fmt: skip
        except LippaError as error:
            first = first or error
            continue
        # Old folders hold the digest of the file without its external weights.
        digest = model.file.file_sha256 if run.is_old else model.file.sha256
        if digest == identity.model_sha256:
            return model
        first = first or InputError(
            f"{path} is not the model this run used (its SHA-256 differs): give the right one "
            "with --model"
        )
    raise first or InputError(f"{folder} names no model: give it with --model")


def _replay_list(folder: Path, limits: LoadLimits | None = None) -> Replayed:
    """Checks the answers of a list, as far as it got.

    Args:
        folder: its folder.
        limits: memory and time for loading a model.

    Raises:
        InputError: a model or a property is missing or has changed.
        DamagedFolderError: a file of the folder is damaged.
        FalseClaimError: the first claim that does not hold.
    """
    listing = read_list(folder)
    answers = match_answers(listing, read_answers(folder))
    _check_table(folder, list(answers.values()))
    names, found, unsat = name_counterexamples(listing.instances), 0, 0
    for place, result in sorted(answers.items()):
        if result.answer == Answer.SAT.value:
            _check_file(folder / COUNTEREXAMPLES / names[place], result)
            _check_answer(result, folder, listing, limits)
            found += 1
        elif result.counterexample:
            raise FalseClaimError(
                f"{result.instance.name}: it is {result.answer}, with a counterexample"
            )
        unsat += result.answer == Answer.UNSAT.value
    return Replayed(
        len(answers),
        found,
        0,
        unsat,
        len(listing.instances),
        len(answers) < len(listing.instances),
        what="instances",
    )


def _check_table(folder: Path, answers: Sequence[InstanceResult]) -> None:
    """Compares ``results.csv``, which may be behind after a kill, with the journal."""
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
                f"{folder / ANSWERS} lacks the answer to {result.instance.name}: run the same "
                "command again"
            )
        if result.line() not in known:
            raise FalseClaimError(
                f"{result.instance.name}: {RESULTS} says {result.answer}, but {ANSWERS} does not"
            )
        known.remove(result.line())


def _check_file(path: Path, result: InstanceResult) -> None:
    """Compares the file of a counterexample with the journal."""
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


def _check_answer(
    result: InstanceResult, folder: Path, listing: ListFile, limits: LoadLimits | None
) -> None:
    """Replays a counterexample, alone and in a batch, and evaluates the property exactly."""
    property, model = _read(result, folder, listing, limits)
    x, y = parse_counterexample(result.counterexample)
    if x is None or y is None or (x.size, y.size) != (property.inputs, property.outputs):
        raise FalseClaimError(
            f"{result.instance.name}: its counterexample does not state each number"
        )
    point = x.astype(model.interface.dtype)
    if not np.array_equal(point.astype(np.float64), x):
        raise FalseClaimError(f"{result.instance.name}: its inputs are no {model.interface.dtype}")
    alone = model.runtime.forward_alone(point[None])[0]
    together = model.runtime.forward(np.stack([point, point]))[1]
    close = np.allclose(alone, y, rtol=_CLOSE, atol=_CLOSE * float(np.abs(y).max()))
    if not close or not all(_holds(property, model, point, found) for found in (alone, together)):
        raise FalseClaimError(f"{result.instance.name}: its counterexample does not replay")


def _holds(property: Property, model: Model, x: Floats, y: Floats) -> bool:
    """Whether the formula holds exactly, for the floats or for the decimals they stand for."""
    if property.holds(x, y):
        return True
    exact_values = (
        build_inputs(property, case, model.interface.dtype)[1].exact_values
        for case in property.cases
    )
    return any(property.holds(x, y, numbers) for numbers in exact_values if numbers)


def _read(
    result: InstanceResult, folder: Path, listing: ListFile, limits: LoadLimits | None
) -> tuple[Property, Model]:
    """The property and the model of an answer, identified by their digests."""
    instance, first = result.instance, None
    for base in listing.base.candidates(folder):
        spec, path = base / instance.vnnlib, base / instance.onnx
        try:
            if vnnlib.digest(spec) != result.property_sha256:
                raise InputError(f"{spec} is not the property of the list (its SHA-256 differs)")
            model = load(
                path, output=listing.output, check=False, limits=limits,
                preprocess=listing.preprocess,
            )  # fmt: skip
            if model.file.sha256 != result.model_sha256:
                raise InputError(f"{path} is not the model of the list (its SHA-256 differs)")
            return Property.from_vnnlib(spec), model
        except LippaError as error:
            first = first or error
    raise first or InputError(f"{result.instance.name}: its files are not found")
