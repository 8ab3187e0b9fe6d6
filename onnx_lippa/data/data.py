"""Inputs and labels from a data file, ready for a model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from onnx_lippa.arrays import FLOAT32, Floats, Integers, Shape, size
from onnx_lippa.data.base import Format
from onnx_lippa.data.convert import to_labels
from onnx_lippa.data.files import require_file
from onnx_lippa.data.idx import Idx
from onnx_lippa.data.npy import Npy
from onnx_lippa.data.npz import Npz
from onnx_lippa.data.rows import Rows
from onnx_lippa.data.shapes import as_rows
from onnx_lippa.errors import InputError

FORMATS: Final[tuple[Format, ...]] = (Npz(), Npy(), Idx())
"""All formats; the first that accepts a name reads the file."""


@dataclass(frozen=True)
class Data:
    """What a data file holds.

    Attributes:
        inputs: (n, d) inputs, flattened in the model's order; n is at least 1.
        labels: (n,) class numbers, None where the file has none.
        source: the path of the file, as given.
    """

    inputs: Floats
    labels: Integers | None
    source: str


@dataclass(frozen=True)
class OpenData:
    """The same, its inputs not yet converted, and perhaps only the first ones.

    Attributes:
        inputs: (m, d) the inputs, m at most n.
        labels: (n,) class numbers of all inputs, None where the file has none.
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
) -> OpenData:
    """Opens a file of inputs and labels: inputs become what the model takes when they are taken.

    Bytes become fractions of 255; all other numbers keep their value.

    Args:
        path: the file with the inputs.
        sample_shape: shape of one sample of the model.
        dtype: the type the model takes.
        first: inputs that are needed, the first ones; None for all. The others are not looked at.

    Raises:
        InputError: a file that cannot be read, or that does not fit the model.
    """
    require_file(path)
    width = size(sample_shape)
    stored = format_of(path).read(path, None if first is None else first * width)
    rows = Rows(as_rows(stored.inputs, sample_shape)[:first], stored.inputs.where, dtype)
    count = size(stored.inputs.shape) // width
    labels = None if stored.labels is None else to_labels(stored.labels, count)
    return OpenData(rows, labels, str(path), count)


def read_data(path: Path, sample_shape: Shape, dtype: np.dtype[np.floating] = FLOAT32) -> Data:
    """The same with all inputs in memory; see :func:`open_data`."""
    opened = open_data(path, sample_shape, dtype)
    return Data(opened.inputs[:], opened.labels, opened.source)


def format_of(path: Path) -> Format:
    """The format that the name of a file says.

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
