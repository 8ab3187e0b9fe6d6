"""Opening a data file. A new format is one line of :data:`FORMATS`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from onnx_lippa.arrays import FLOAT32, Integers, Shape, size
from onnx_lippa.data.arrow import Arrow, Parquet
from onnx_lippa.data.convert import as_rows
from onnx_lippa.data.csv import Csv
from onnx_lippa.data.files import Format, Request, Stored, is_folder, require_file
from onnx_lippa.data.idx import Idx
from onnx_lippa.data.images import ImageFolder, ImageList
from onnx_lippa.data.labels import Labels, as_names, to_labels
from onnx_lippa.data.npy import Npy
from onnx_lippa.data.npz import Npz
from onnx_lippa.data.options import DEFAULT_OPTIONS, DataOptions
from onnx_lippa.data.rows import Rows
from onnx_lippa.errors import InputError

FORMATS: Final[tuple[Format, ...]] = (
    ImageFolder(),
    ImageList(),
    Npz(),
    Npy(),
    Csv(),
    Parquet(),
    Arrow(),
    Idx(),
)
"""The first that accepts the name of a file reads it."""


@dataclass(frozen=True)
class Data:
    """The content of a data file.

    Attributes:
        inputs: (m, d) the first inputs, converted when they are taken; m is at most n.
        labels: (n,) class numbers of all inputs, or None.
        source: the path of the file, as given.
        count: number n of inputs in the file.
        classes: names of the classes, by number, where the labels have names.
        groups: (n,) the group of each input; None without groups.
        features: (d,) names of the features; empty without names.
        categorical: features that stand for categories, and keep their values.
        notes: what the user should know.
    """

    inputs: Rows
    labels: Integers | None
    source: str
    count: int
    classes: tuple[str, ...] | None = None
    groups: tuple[str, ...] | None = None
    features: tuple[str, ...] = ()
    categorical: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()


def open_data(
    path: Path,
    sample_shape: Shape,
    dtype: np.dtype[np.floating] = FLOAT32,
    first: int | None = None,
    options: DataOptions = DEFAULT_OPTIONS,
) -> Data:
    """Opens a file of inputs and labels.

    Args:
        path: the file with the inputs.
        sample_shape: shape of one sample of the model.
        dtype: the type the model takes.
        first: number of inputs that are read; None for all.
        options: how the file is read.

    Raises:
        InputError: a file that cannot be read, or that does not fit the model.
    """
    if not is_folder(path):
        require_file(path)
    reader, width = format_of(path), size(sample_shape)
    stored = reader.read(path, Request(sample_shape, options, first))
    rows = Rows(as_rows(stored.inputs, sample_shape)[:first], stored.inputs.where, dtype)
    count = size(stored.inputs.shape) // width
    labels = None
    if stored.labels is not None:
        labels = to_labels(stored.labels, count, options.classes)
    features = stored.features or tuple(options.features or ())
    if features and len(features) != width:
        raise InputError(
            f"there are {len(features)} names of features, but the model takes {width} features: "
            "give one name for each"
        )
    notes = [stored.note] if labels is None else [stored.note, labels.note]
    return Data(
        rows, None if labels is None else labels.numbers, str(path), count,
        _classes(labels, options),
        None if stored.groups is None else _groups(stored.groups, count),
        features, stored.categorical, tuple(filter(None, notes)),
    )  # fmt: skip


def _classes(labels: Labels | None, options: DataOptions) -> tuple[str, ...] | None:
    if labels is not None:
        return labels.classes
    return None if options.classes is None else tuple(options.classes)


def _groups(stored: Stored, count: int) -> tuple[str, ...]:
    groups = tuple(as_names(stored))
    if len(groups) != count:
        raise InputError(
            f"the groups in {stored.where} number {len(groups)}, but there are {count} inputs: "
            "give one group per input"
        )
    return groups


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
