"""Labels as class numbers: from numbers, names or one-hot rows; and names in arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from onnx_lippa.arrays import AnyArray, Integers
from onnx_lippa.data.files import Stored
from onnx_lippa.errors import InputError
from onnx_lippa.text import listed

_MOST_SHOWN: Final = 12
"""Most classes whose numbers a note lists."""


@dataclass(frozen=True)
class Labels:
    """The labels of all inputs.

    Attributes:
        numbers: (n,) class numbers.
        classes: names of the classes, by number; None where the labels are numbers themselves.
        note: how names became numbers, or empty.
    """

    numbers: Integers
    classes: tuple[str, ...] | None = None
    note: str = ""


def to_labels(stored: Stored, inputs: int, classes: Sequence[str] | None = None) -> Labels:
    """Converts labels to class numbers (n,).

    Args:
        stored: the labels: numbers or names of shape (n,) or (n, 1), or () for a single input; or
            one-hot rows (n, k).
        inputs: number n of inputs.
        classes: names of the classes, by number; None for the sorted names among the labels.

    Raises:
        InputError: another shape or number of labels, names that are no classes, or numbers that
            are not whole.
    """
    values, where = stored.values, stored.where
    is_text = values.dtype.kind in "USO"
    if not is_text:
        require_numbers(values, where)
        values = _from_one_hot(values, where)
    if values.ndim > 1 and values.shape != (len(values), 1):
        raise InputError(
            f"the labels in {where} have shape {values.shape}: give one class number or name per "
            f"input, as an array of shape ({inputs},), or one-hot rows"
        )
    if values.size != inputs:
        raise InputError(
            f"the labels in {where} number {values.size}, but there are {inputs} inputs: give "
            "one label per input"
        )
    if is_text:
        return _from_names(as_names(Stored(values, where)), where, classes)
    numbers = _whole(values.reshape(-1), where)
    if classes is None:
        return Labels(numbers)
    names = [str(number) for number in numbers.tolist()]
    if set(names) <= set(classes):  # as of a model that was trained on classes 3, 5 and 7
        return _from_names(names, where, classes)
    return Labels(numbers, tuple(classes))


def _from_one_hot(values: AnyArray, where: str) -> AnyArray:
    """Class numbers in place of one-hot rows; others stay as they are."""
    if values.ndim != 2 or values.shape[1] < 2:
        return values
    is_one_hot = ((values == 0) | (values == 1)).all() and (values.sum(axis=1) == 1).all()
    if not is_one_hot:
        raise InputError(
            f"the labels in {where} have shape {values.shape}, and rows that are not one-hot: give "
            "class numbers instead, as from numpy.argmax(labels, axis=1)"
        )
    return values.argmax(axis=1)


def _from_names(names: Sequence[str], where: str, classes: Sequence[str] | None) -> Labels:
    known = tuple(sorted(set(names)) if classes is None else classes)
    numbers = {name: number for number, name in enumerate(known)}
    for index, name in enumerate(names):
        if name not in numbers:
            raise InputError(
                f"label {name!r} of input {index} in {where} is not a class: the classes are "
                f"{listed(list(known))}"
            )
    shown = ", ".join(f"{name} = {number}" for name, number in list(numbers.items())[:_MOST_SHOWN])
    more = f" and {len(known) - _MOST_SHOWN} more" if len(known) > _MOST_SHOWN else ""
    order = ", sorted by name (other orders with --classes)" if classes is None else ""
    are_numbers = known == tuple(map(str, range(len(known))))
    note = "" if are_numbers else f"classes: {shown}{more}{order}"
    return Labels(np.array([numbers[name] for name in names], dtype=np.int64), known, note)


def _whole(labels: AnyArray, where: str) -> Integers:
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


def as_names(stored: Stored) -> list[str]:
    """The entries of an array as text; whole numbers without a decimal point.

    Raises:
        InputError: an entry is neither a text nor a number.
    """
    names = []
    for value in stored.values.reshape(-1).tolist():
        one = value
        if isinstance(one, bytes):
            one = one.decode("utf-8", errors="replace")
        if isinstance(one, float) and one.is_integer():
            one = int(one)
        if not isinstance(one, str | int | float):
            raise InputError(f"{stored.where} holds {one!r}: give texts or numbers")
        names.append(str(one))
    return names


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
