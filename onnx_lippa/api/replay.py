"""``onnx_lippa.replay``."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from onnx_lippa.errors import FalseClaimError, InputError
from onnx_lippa.formats import read_data
from onnx_lippa.onnx_io import load
from onnx_lippa.runs import (
    Replayed,
)
from onnx_lippa.runs import replay as replay_run
from onnx_lippa.runs.folder import DATA, read_asked


def replay(path: str | Path, *, model: str | Path | None = None) -> Replayed:
    """Re-checks a finished run from its files alone, and raises at the first false claim.

    Args:
        path: the run's folder.
        model: where the model is now, if it was moved.

    Raises:
        InputError: a file is missing, damaged, or not the one the run used.
        FalseClaimError: a claim that does not hold.
    """
    folder = Path(path)
    asked = read_asked(folder)
    loaded = load(model or asked.model, check=False)
    if loaded.file.sha256 != asked.model_sha256:
        raise InputError(
            f"{loaded.file.path} is not the model this run attacked (its SHA-256 differs): "
            "give the right one with --model"
        )
    shape = loaded.network.input_shape
    source = Path(asked.data) if asked.data else folder / DATA
    if asked.data and file_sha256(source) != asked.data_sha256:
        raise InputError(f"{source} is not the data this run used (its SHA-256 differs)")
    data = read_data(source, shape, loaded.interface.dtype)
    for index in asked.indices:
        if not 0 <= index < len(data.inputs):
            raise FalseClaimError(f"the run names input {index}, which {source} does not hold")
    chosen = np.array(asked.indices, dtype=np.int64)
    inputs = data.inputs[chosen]
    labels = (
        loaded.runtime.outputs(inputs).argmax(axis=1)
        if data.labels is None
        else data.labels[chosen]
    )
    return replay_run(folder, asked, loaded, inputs, labels)


def file_sha256(path: Path) -> str:
    """Digest of a file.

    Raises:
        InputError: it cannot be read.
    """
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
