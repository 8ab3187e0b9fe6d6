"""``onnx_lippa.replay``."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

import numpy as np

from onnx_lippa.arrays import Integers
from onnx_lippa.data import Data, Rows, open_data
from onnx_lippa.errors import DamagedFolderError, FalseClaimError, InputError, LippaError
from onnx_lippa.onnx_io import LoadLimits, Model, load
from onnx_lippa.runs.claims import Replayed, check_run, read_ended
from onnx_lippa.runs.curve import check_curve, radii_of
from onnx_lippa.runs.folder import DATA
from onnx_lippa.runs.identity import LIST, RUN, RunFile, digest_inputs, read_run
from onnx_lippa.runs.instances_replay import replay_list

_COUNTS: Final = ("inputs", "adversarial", "misclassified", "robust", "requested", "lost")
"""What a curve's folders are counted together by."""


def replay(
    path: str | Path, *, model: str | Path | None = None, limits: LoadLimits | None = None
) -> Replayed:
    """Re-checks a run from its files alone, and raises at the first false claim.

    A run that was interrupted or killed is checked as far as it got.

    Args:
        path: the folder of a run, of a curve, or of a list of properties.
        model: where the model is now, if it was moved. Where model, data and folder were moved
            together they are found without it.
        limits: what loading a model may take, as in :func:`load`.

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
        return replay_list(folder, limits)
    names = radii_of(folder)
    if not names:
        read_run(folder)  # which says what is wrong
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
    ended = read_ended(folder, run)
    loaded = _model_of(folder, run, moved, limits)
    inputs, labels = _inputs_of(folder, run, loaded)
    return check_run(folder, run, ended, loaded, inputs, labels)


def _damaged(folder: Path) -> DamagedFolderError:
    return DamagedFolderError(
        f"{folder / RUN} is not as the run wrote it: run the attack again with another --out"
    )


def _model_of(folder: Path, run: RunFile, moved: Path | None, limits: LoadLimits | None) -> Model:
    """The model that a run used, where it lay or beside the folder: its digest decides."""
    identity, first = run.identity, None
    for path in run.model.candidates(folder) if moved is None else [moved]:
        try:
            model = load(path, output=identity.output or None, check=False, limits=limits)
        except LippaError as error:
            first = first or error
            continue
        # Folders of before held the digest of the file without its external weights.
        digest = model.file.file_sha256 if run.is_old else model.file.sha256
        if digest == identity.model_sha256:
            return model
        first = first or InputError(
            f"{path} is not the model this run used (its SHA-256 differs): give the right one "
            "with --model"
        )
    raise first or InputError(f"{folder} names no model: give it with --model")


def _inputs_of(folder: Path, run: RunFile, model: Model) -> tuple[Rows, Integers]:
    """The clean inputs of a run and their labels, in the order of its indices."""
    if not run.data.path:
        try:
            return _chosen(folder / DATA, run, model)
        except InputError as error:
            raise DamagedFolderError(
                f"{folder / DATA} is missing or damaged ({error}): run the attack again with "
                "another --out"
            ) from error
    first: LippaError | None = None
    for path in run.data.candidates(folder):
        try:
            return _chosen(path, run, model)
        except LippaError as error:
            first = first or error
    raise first or InputError(f"{folder} names no data")


def _chosen(source: Path, run: RunFile, model: Model) -> tuple[Rows, Integers]:
    if run.data_file_sha256 and file_sha256(source) != run.data_file_sha256:
        raise InputError(f"{source} is not the data this run used (its SHA-256 differs)")
    needed = max(run.identity.indices, default=0) + 1
    data = open_data(source, model.network.input_shape, model.interface.dtype, max(1, needed))
    _require_held(data, run, source)
    chosen = np.array(run.identity.indices, dtype=np.int64)
    inputs = data.inputs.take(chosen)
    given = None if data.labels is None else data.labels[chosen]
    digest = run.identity.inputs_sha256
    if digest and digest_inputs(inputs, given) != digest:
        raise InputError(
            f"{source} is not the data this run used (the SHA-256 of its inputs and labels differs)"
        )
    return inputs, model.runtime.forward(inputs).argmax(axis=1) if given is None else given


def _require_held(data: Data, run: RunFile, source: Path) -> None:
    for index in run.identity.indices:
        if not 0 <= index < len(data.inputs):
            raise FalseClaimError(f"the run names input {index}, which {source} does not hold")


def file_sha256(path: Path) -> str:
    """Digest of a file.

    Raises:
        InputError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
