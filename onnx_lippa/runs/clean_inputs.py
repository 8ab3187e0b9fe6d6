"""The clean inputs of a stored run, found again by their digest."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from onnx_lippa.arrays import Integers, Shape
from onnx_lippa.data import Data, Rows, open_data
from onnx_lippa.data.options import DEFAULT_OPTIONS
from onnx_lippa.errors import DamagedFolderError, FalseClaimError, InputError, LippaError
from onnx_lippa.runs.folder import DATA
from onnx_lippa.runs.identity import RunFile, digest_inputs


def find_inputs(
    folder: Path, run: RunFile, shape: Shape, dtype: np.dtype[np.floating]
) -> tuple[Rows, Integers | None]:
    """The clean inputs (n, d) of a run and their labels (n,), in the order of its indices.

    Args:
        folder: the run's folder.
        run: the content of ``run.json``.
        shape: shape of one input.
        dtype: type of the model.

    Returns:
        The inputs, and their labels; None where the data has no labels.

    Raises:
        InputError: the data is missing, or not that of the run.
        DamagedFolderError: inputs that are stored in the folder are damaged.
        FalseClaimError: the run names an input that the data does not have.
    """
    found = find_data(folder, run, shape, dtype)
    return found.inputs, found.labels


@dataclass(frozen=True)
class CleanData:
    """The clean inputs of a run, in the order of its indices.

    Attributes:
        inputs: (n, d) the inputs.
        labels: (n,) their labels; None where the data has no labels.
        groups: (n,) their groups; None where the data has no groups.
    """

    inputs: Rows
    labels: Integers | None
    groups: tuple[str, ...] | None


def find_data(folder: Path, run: RunFile, shape: Shape, dtype: np.dtype[np.floating]) -> CleanData:
    """The same with groups; arguments and errors are those of :func:`find_inputs`."""
    if not run.data.path:
        try:
            own = replace(run, reading=DEFAULT_OPTIONS)  # its labels are numbers
            return _read(folder / DATA, own, shape, dtype)
        except InputError as error:
            raise DamagedFolderError(
                f"{folder / DATA} is missing or damaged ({error}): run the attack again with "
                "another --out"
            ) from error
    first: LippaError | None = None
    for path in run.data.candidates(folder):
        try:
            return _read(path, run, shape, dtype)
        except LippaError as error:
            first = first or error
    raise first or InputError(f"{folder} names no data")


def _read(source: Path, run: RunFile, shape: Shape, dtype: np.dtype[np.floating]) -> CleanData:
    if run.data_file_sha256 and file_sha256(source) != run.data_file_sha256:
        raise InputError(f"{source} is not the data this run used (its SHA-256 differs)")
    needed = max(run.identity.indices, default=0) + 1
    data = open_data(source, shape, dtype, max(1, needed), run.reading)
    _require_indices(data, run, source)
    chosen = np.array(run.identity.indices, dtype=np.int64)
    inputs = data.inputs.take(chosen)
    labels = None if data.labels is None else data.labels[chosen]
    digest = run.identity.inputs_sha256
    if digest and digest_inputs(inputs, labels) != digest:
        raise InputError(
            f"{source} is not the data this run used (the SHA-256 of its inputs and labels differs)"
        )
    groups = data.groups
    chosen_groups = None if groups is None else tuple(groups[i] for i in chosen.tolist())
    return CleanData(inputs, labels, chosen_groups)


def _require_indices(data: Data, run: RunFile, source: Path) -> None:
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
