"""Stored numbers as the types that attacks work with."""

from __future__ import annotations

from typing import Final

import numpy as np

from onnx_lippa.arrays import FLOAT32, AnyArray, Floats, Integers
from onnx_lippa.data.base import Stored
from onnx_lippa.errors import InputError

_PIXELS: Final = np.arange(256, dtype=np.uint8) / 255
"""What each byte becomes; a table, so that a whole set of images never passes through float64."""


def to_floats(
    rows: AnyArray, where: str, dtype: np.dtype[np.floating] = FLOAT32, first: int = 0
) -> Floats:
    """Inputs in the model's type: bytes as fractions of 255, all other numbers as they are.

    Args:
        rows: (n, d) inputs of any type.
        where: the file, for messages.
        dtype: float32 or float64.
        first: place of the first row in the file, for messages.

    Raises:
        InputError: not real numbers, or not finite in that type.
    """
    require_numbers(rows, where)
    if rows.dtype == np.uint8:
        return np.ascontiguousarray(_PIXELS.astype(dtype)[rows])
    with np.errstate(all="ignore"):
        converted = np.ascontiguousarray(rows, dtype=dtype)
    finite = np.isfinite(converted)
    if not finite.all():
        index, feature = divmod(int(np.argmin(finite)), rows.shape[1])
        raise InputError(
            f"input {first + index} in {where} holds {rows[index, feature]} at feature {feature}, "
            f"which is not a finite {dtype} number: remove or repair this input"
        )
    return converted


def to_labels(stored: Stored, inputs: int) -> Integers:
    """Class numbers (n,) from any array that holds one whole number per input.

    Args:
        stored: the labels, of shape (n,) or (n, 1), or () for a single input.
        inputs: number n of inputs.

    Raises:
        InputError: another shape or number of labels, or labels that are not whole numbers.
    """
    values, where = stored.values, stored.where
    require_numbers(values, where)
    if values.ndim == 2 and values.shape[1] > 1:
        raise InputError(
            f"the labels in {where} have shape {values.shape}, like one-hot rows: give class "
            "numbers instead, as from numpy.argmax(labels, axis=1)"
        )
    if values.ndim > 1 and values.shape != (len(values), 1):
        raise InputError(
            f"the labels in {where} have shape {values.shape}: give one class number per input, "
            f"as an array of shape ({inputs},)"
        )
    if values.size != inputs:
        raise InputError(
            f"the labels in {where} number {values.size}, but there are {inputs} inputs: give "
            "one label per input"
        )
    labels = values.reshape(-1)
    with np.errstate(all="ignore"):
        number = labels.astype(np.float64)
        whole = (number == np.rint(number)) & (np.abs(number) < 2.0**63)
    if not whole.all():
        index = int(np.argmin(whole))
        raise InputError(
            f"label {labels[index]} of input {index} in {where} is not a class number: give whole "
            "numbers from 0"
        )
    return labels.astype(np.int64)


def require_numbers(values: AnyArray, where: str) -> None:
    """Checks that an array holds real numbers or booleans.

    Raises:
        InputError: text, dates, complex numbers, records.
    """
    if values.dtype.kind not in "biuf":
        raise InputError(
            f"{where} holds values of type {values.dtype}: store real numbers, such as uint8 or "
            "float32"
        )
