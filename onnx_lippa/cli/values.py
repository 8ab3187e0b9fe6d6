"""How values of options are read: numbers, fractions, lists, and files of arrays."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final
from zipfile import ZipFile, is_zipfile

import numpy as np
import numpy.typing as npt

from onnx_lippa.arrays import AnyArray
from onnx_lippa.cli.options import Inputs
from onnx_lippa.data.files import open_file, require_file
from onnx_lippa.data.npy import read_npy
from onnx_lippa.data.npz import read_member
from onnx_lippa.errors import InputError
from onnx_lippa.spec import InputSpecification
from onnx_lippa.text import listed

_FRACTION: Final = re.compile(r"\s*([^/\s]+)\s*/\s*([^/\s]+)\s*")
_SUFFIXES: Final = (".npy", ".npz")


def features_from(inputs: Inputs, d: int, eps: str | None, grid: str = "0") -> InputSpecification:
    """The inputs allowed around any clean input, as the options state them.

    Args:
        inputs: the options.
        d: number of features.
        eps: the radius, one of the list that the option may hold.
        grid: the step of the grid.

    Raises:
        InputError: an option that is not understood, or does not fit the model.
    """
    return InputSpecification.build(
        d,
        lower=values_from("--lower", inputs.lower),
        upper=values_from("--upper", inputs.upper),
        eps=None if eps is None else values_from("--eps", eps),
        fixed=None if inputs.fixed is None else fixed_from(inputs.fixed),
        grid=values_from("--grid", grid),
        scale=None if inputs.scale is None else values_from("--scale", inputs.scale),
    )


def radii_from(eps: str | None) -> list[str | None]:
    """The radii of a list like 0.05,0.1; a single radius, or None, gives a list of one.

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
    """The number or fraction in a text; None if it is neither."""
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
    with open_file(path, "an array of NumPy", remedy) as stream:
        if not is_zipfile(stream):
            stream.seek(0)
            return read_npy(stream, path)
        with ZipFile(stream) as archive:
            found = archive.infolist()
            if len(found) == 1:
                return read_member(archive, found[0], path, str(path)).values
        names = listed([one.filename.removesuffix(".npy") for one in found])
    raise InputError(f"{option} {path} must hold one array, but holds {names}: store just one")
