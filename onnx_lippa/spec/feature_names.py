"""Features by name: which features a name, or a pattern such as ``pay_*``, stands for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Final

from onnx_lippa.errors import InputError
from onnx_lippa.text import listed

REST: Final = "*"
"""The pattern of all features that are not named."""


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
            "the data (the columns of a table, an array 'features'), or as features"
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
