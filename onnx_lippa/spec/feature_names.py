"""Numbers and choices of features as a user gives them: for all, one by one, or by name.

A name may be a pattern such as ``pay_*``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from onnx_lippa.arrays import AnyArray
from onnx_lippa.errors import InputError
from onnx_lippa.text import listed

PerFeature: TypeAlias = float | tuple[float, ...]
"""One number for all features, or one for each."""
Amounts: TypeAlias = npt.ArrayLike | Mapping[str, float]
"""A number, one for each feature, or numbers by the names of features."""
FeatureChoice: TypeAlias = Sequence[int] | Sequence[str] | AnyArray | None
"""Features: a boolean mask, or a list of indices or names."""

REST: Final = "*"
"""The pattern of all features that are not named."""


_REST: Final = {"lower": 0.0, "upper": 1.0, "eps": 0.0, "grid": 0.0, "scale": 1.0}
"""What holds for features that are not named."""


def find_features(option: str, name: str, names: Sequence[str]) -> list[int]:
    """The features that a name stands for.

    That is the feature of this name, else the one-hot features ``name=value``, else those that
    match it as a pattern.

    Args:
        option: the argument, for messages.
        name: the name or pattern.
        names: (d,) names of the features.

    Raises:
        InputError: there are none, or features have no names.
    """
    if not names and name != REST:
        raise InputError(
            f"{option} names the feature '{name}', but the features have no names: give them with "
            "the data (the columns of a table, an array 'features'), or with --features"
        )
    exact = [i for i, known in enumerate(names) if known == name]
    values = [i for i, known in enumerate(names) if known.startswith(f"{name}=")]
    matching = [i for i, known in enumerate(names) if fnmatchcase(known, name)]
    found = exact or values or matching
    if not found and name != REST:
        raise InputError(
            f"{option} names the feature '{name}', which is none of {listed(list(names))}"
        )
    return found


def spread_by_name(
    option: str, values: Mapping[str, float], names: Sequence[str], d: int, rest: float
) -> list[float]:
    """(d,) one number for each feature, from numbers by name; a later name counts.

    Args:
        option: the argument, for messages.
        values: numbers by name or pattern; ``*`` is all that are not named.
        names: (d,) names of the features; empty without names.
        d: number of features.
        rest: the number of the features that are not named, without a ``*``.

    Raises:
        InputError: a name of no feature, or features have no names.
    """
    spread = [float(values.get(REST, rest))] * d
    for name, value in values.items():
        if name != REST:
            for feature in find_features(option, name, names):
                spread[feature] = float(value)
    return spread


def by_name(option: str, value: Amounts, d: int, names: Sequence[str]) -> PerFeature:
    """A user's number, array, or numbers by the names of features.

    Raises:
        InputError: it holds no numbers, or names that are no features.
    """
    if not isinstance(value, Mapping):
        return per_feature(option, value)
    numbers: dict[str, float] = {}
    for name, one in value.items():
        number = per_feature(f"{option} of {name}", one)
        if not isinstance(number, float):
            raise InputError(f"{option} of {name} holds {len(number)} numbers: give one")
        numbers[str(name)] = number
    return tuple(spread_by_name(option, numbers, names, d, _REST[option]))


def per_feature(name: str, value: npt.ArrayLike) -> PerFeature:
    """A user's number or array as a number or a tuple.

    Raises:
        InputError: it holds no numbers.
    """
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise InputError(f"{name} is ragged: give one number for each feature") from error
    if array.dtype.kind not in "iuf":
        raise InputError(
            f"{name} holds values of type {array.dtype}: give a number, or one for each feature"
        )
    if array.ndim == 0:
        return float(array)
    return tuple(array.astype(np.float64).ravel().tolist())


def bound_all(lower: Amounts, upper: Amounts) -> tuple[npt.ArrayLike, npt.ArrayLike]:
    """Bounds in which all features lie, whatever their names: the widest of bounds by name."""
    if isinstance(lower, Mapping):
        lower = min([*lower.values(), *([] if REST in lower else [_REST["lower"]])])
    if isinstance(upper, Mapping):
        upper = max([*upper.values(), *([] if REST in upper else [_REST["upper"]])])
    return lower, upper


def choose_features(
    option: str, chosen: FeatureChoice, d: int, names: Sequence[str]
) -> tuple[int, ...]:
    """The features of a user's choice: a mask, indices, or names.

    Raises:
        InputError: it is none of these, or names no feature.
    """
    if chosen is None:
        return ()
    if isinstance(chosen, str):
        chosen = [chosen]
    if any(isinstance(one, str) for one in chosen):
        found = (_find(option, one, names) for one in chosen)
        return tuple(dict.fromkeys(feature for one in found for feature in one))
    array = np.asarray(chosen)
    if array.dtype == np.bool_:
        if array.size != d:
            raise InputError(
                f"the mask of {option} features holds {array.size} values, but the model takes {d} "
                f"features: give {d}"
            )
        return tuple(np.flatnonzero(array).tolist())
    if array.size and (array.dtype.kind not in "iu" or array.ndim != 1):
        raise InputError(
            f"the {option} features have type {array.dtype} and shape {array.shape}: give a list "
            "of whole numbers or names, or a boolean mask"
        )
    return tuple(int(feature) for feature in array)


def _find(option: str, one: object, names: Sequence[str]) -> list[int]:
    """The features of a name, or of a number that is no name."""
    if isinstance(one, str) and (one in names or not one.isdigit()):
        return find_features(option, one, names)
    return [int(str(one))]
