"""Inputs from Python: arrays, and iterables of pairs (x, y) such as a data loader."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt

from onnx_lippa.arrays import FLOAT32, AnyArray, Floats, Shape, size
from onnx_lippa.data.convert import as_rows, to_floats
from onnx_lippa.data.files import MOST_BYTES, Stored
from onnx_lippa.data.labels import Labels, to_labels
from onnx_lippa.errors import InputError

_PAIR: Final = 2


def convert_arrays(
    x: npt.ArrayLike | Iterable[Any],
    y: npt.ArrayLike | None,
    sample_shape: Shape,
    dtype: np.dtype[np.floating] = FLOAT32,
    classes: Sequence[str] | None = None,
) -> tuple[Floats, Labels | None]:
    """Arrays from Python as inputs (n, d) and labels (n,), by the rules of data files.

    Args:
        x: the inputs, of any type and shape that :func:`as_rows` accepts; or, where there are no
            labels, an iterable of pairs (x, y), of single inputs or of batches.
        y: their labels, or None.
        sample_shape: shape of one sample of the model.
        dtype: the type of the model.
        classes: names of the classes.

    Raises:
        InputError: they do not fit the model, or are not numbers.
    """
    if _is_iterable_of_pairs(x):
        if y is not None:
            raise InputError("x gives pairs of inputs and labels, so leave y out")
        x, y = _gather(cast("Iterable[Any]", x), sample_shape)
    rows = as_rows(Stored(_as_array(x, "x"), "x"), sample_shape)
    labels = None
    if y is not None:
        labels = to_labels(Stored(_as_array(y, "y"), "y"), len(rows), classes)
    return to_floats(rows, "x", dtype), labels


def _is_iterable_of_pairs(x: object) -> bool:
    """Whether an object is read by iterating: no array, no sequence of numbers."""
    if isinstance(x, list | tuple | str | bytes | int | float | np.generic):
        return False
    if hasattr(x, "__array__") or hasattr(x, "__array_interface__") or hasattr(x, "__buffer__"):
        return False
    return isinstance(x, Iterable) or (hasattr(x, "__getitem__") and hasattr(x, "__len__"))


def _gather(pairs: Iterable[Any], sample_shape: Shape) -> tuple[AnyArray, AnyArray]:
    """The inputs and labels of an iterable of pairs, in two arrays."""
    d, inputs, labels, taken = size(sample_shape), [], [], 0
    for number, pair in enumerate(pairs):
        if not isinstance(pair, tuple | list) or len(pair) != _PAIR:
            raise InputError(
                f"x is an iterable whose item {number} is no pair (x, y): give arrays, or an "
                "iterable of pairs"
            )
        part, label = _as_array(pair[0], f"x of item {number}"), np.asarray(pair[1])
        rows = as_rows(Stored(part, f"x of item {number}"), sample_shape)
        if part.size == d and label.size == 1:
            label = label.reshape(1)
        elif label.shape[:1] != (len(rows),):
            raise InputError(
                f"item {number} of x has {len(rows)} inputs and labels of shape {label.shape}: "
                "give one label per input"
            )
        inputs.append(rows)
        labels.append(label)
        taken += rows.nbytes
        if taken > MOST_BYTES:
            raise InputError(
                f"x gives more than {MOST_BYTES / 1e9:g} GB of inputs: give fewer, or store them "
                "with numpy.save, which leaves them on disk"
            )
    if not inputs:
        raise InputError("x gives no inputs: an iterator that was read before is empty")
    try:
        return np.concatenate(inputs), np.concatenate(labels)
    except ValueError as error:
        raise InputError("the labels that x gives have different shapes: give numbers") from error


def _as_array(values: npt.ArrayLike | Iterable[Any], where: str) -> AnyArray:
    try:
        return np.asarray(values)
    except ValueError as error:
        raise InputError(f"{where} is ragged: give an array of numbers") from error
