"""Options that hold one number for all features, or a file with one for each."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final
from zipfile import ZipFile, is_zipfile

import numpy as np
import numpy.typing as npt

from onnx_lippa.arrays import AnyArray
from onnx_lippa.data.files import opened, require_file
from onnx_lippa.data.npy import read_npy
from onnx_lippa.data.npz import read_member
from onnx_lippa.errors import InputError
from onnx_lippa.spec import Features
from onnx_lippa.text import listed

_FRACTION: Final = re.compile(r"\s*([^/\s]+)\s*/\s*([^/\s]+)\s*")
_SUFFIXES: Final = (".npy", ".npz")


def features_from(
    d: int, eps: str | None, lower: str, upper: str, fixed: str | None, grid: str
) -> Features:
    """What the options say of a model's d features.

    Raises:
        InputError: an option that is not understood, or does not fit the model.
    """
    return Features.given(
        d,
        lower=values_from("--lower", lower),
        upper=values_from("--upper", upper),
        eps=None if eps is None else values_from("--eps", eps),
        fixed=None if fixed is None else fixed_from(fixed),
        grid=values_from("--grid", grid),
    )


def radii_from(eps: str | None) -> list[str | None]:
    """The radii of a list like 0.05,0.1; one radius, or none at all, is a list of one.

    Raises:
        InputError: a list that holds anything but different numbers.
    """
    if eps is None or "," not in eps:
        return [eps]
    radii: list[str | None] = [part.strip() for part in eps.split(",")]
    numbers = [_number(part or "") for part in radii]
    if None in numbers or len(set(numbers)) != len(numbers):
        raise InputError(
            f"--eps {eps!r} is not understood: give different numbers or fractions, as in "
            "0.05,0.1 or 4/255,8/255"
        )
    return radii


def values_from(option: str, text: str) -> npt.ArrayLike:
    """A number, a fraction like 1/255, or the array of a file.

    Raises:
        InputError: none of these.
    """
    number = _number(text)
    if number is not None:
        return number
    if Path(text).suffix.lower() not in _SUFFIXES:
        raise InputError(
            f"{option} {text!r} is not understood: give a number, a fraction like 1/255, or a "
            ".npy or .npz file with one number for each feature"
        )
    return _array(option, Path(text))


def fixed_from(text: str) -> list[int] | AnyArray:
    """A list of features like 0,3,7, or the mask of a file.

    Raises:
        InputError: neither.
    """
    if Path(text).suffix.lower() in _SUFFIXES:
        mask = _array("--fixed", Path(text))
        if mask.dtype.kind not in "biuf" or not np.all((mask == 0) | (mask == 1)):
            raise InputError(f"--fixed {text} is no mask: store one 0 or 1 for each feature")
        return mask.astype(np.bool_)
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise InputError(
            f"--fixed {text!r} is not understood: give a list of features like 0,3,7, or a .npy "
            "or .npz file with a mask"
        ) from error


def _number(text: str) -> float | None:
    """The number that a text says; None where it says none."""
    fraction = _FRACTION.fullmatch(text)
    try:
        if fraction is not None:
            return float(fraction[1]) / float(fraction[2])
        return float(text)
    except (ValueError, ZeroDivisionError):
        return None


def _array(option: str, path: Path) -> AnyArray:
    """The one array of a file."""
    require_file(path)
    remedy = "write it again with numpy.save as one array of numbers"
    with opened(path, "an array of NumPy", remedy) as stream:
        if not is_zipfile(stream):
            stream.seek(0)
            return read_npy(stream, path)
        with ZipFile(stream) as archive:
            found = archive.infolist()
            if len(found) == 1:
                return read_member(archive, found[0], path, str(path)).values
        names = listed([one.filename.removesuffix(".npy") for one in found])
    raise InputError(f"{option} {path} must hold one array, but holds {names}: store just one")
