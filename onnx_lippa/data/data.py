"""Opening a data file. A new format is one line of :data:`FORMATS`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from onnx_lippa.arrays import FLOAT32, Integers, Shape, size
from onnx_lippa.data.convert import as_rows, to_labels
from onnx_lippa.data.files import Format, require_file
from onnx_lippa.data.idx import Idx
from onnx_lippa.data.npy import Npy
from onnx_lippa.data.npz import Npz
from onnx_lippa.data.rows import Rows
from onnx_lippa.errors import InputError

FORMATS: Final[tuple[Format, ...]] = (Npz(), Npy(), Idx())
"""The first that accepts the name of a file reads it."""


@dataclass(frozen=True)
class Data:
    """The content of a data file.

    Attributes:
        inputs: (m, d) the first inputs, converted when they are taken; m is at most n.
        labels: (n,) class numbers of all inputs, or None.
        source: the path of the file, as given.
        count: number n of inputs in the file.
    """

    inputs: Rows
    labels: Integers | None
    source: str
    count: int


def open_data(
    path: Path,
    sample_shape: Shape,
    dtype: np.dtype[np.floating] = FLOAT32,
    first: int | None = None,
) -> Data:
    """Opens a file of inputs and labels.

    Args:
        path: the file with the inputs.
        sample_shape: shape of one sample of the model.
        dtype: the type the model takes.
        first: number of inputs that are read; None for all.

    Raises:
        InputError: a file that cannot be read, or that does not fit the model.
    """
    require_file(path)
    width = size(sample_shape)
    stored = format_of(path).read(path, None if first is None else first * width)
    rows = Rows(as_rows(stored.inputs, sample_shape)[:first], stored.inputs.where, dtype)
    count = size(stored.inputs.shape) // width
    labels = None if stored.labels is None else to_labels(stored.labels, count)
    return Data(rows, labels, str(path), count)


def format_of(path: Path) -> Format:
    """The format of a file, by its name.

    Raises:
        InputError: a name of no known format.
    """
    for candidate in FORMATS:
        if candidate.accepts(path):
            return candidate
    known = ", ".join(candidate.naming for candidate in FORMATS)
    raise InputError(
        f"{path} has a name of no known data format: give a file of one of these: {known}"
    )
