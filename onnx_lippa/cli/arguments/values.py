"""Values of options: numbers, fractions, numbers by the names of features, lists and files."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from zipfile import ZipFile, is_zipfile

import numpy as np

from onnx_lippa.arrays import AnyArray
from onnx_lippa.data.files import open_file, require_file
from onnx_lippa.data.npy import read_npy
from onnx_lippa.data.npz import read_member
from onnx_lippa.errors import InputError
from onnx_lippa.onnx_io import Preprocess
from onnx_lippa.onnx_io.preprocess import NAMED
from onnx_lippa.spec.feature_names import Amounts
from onnx_lippa.text import listed

_FRACTION: Final = re.compile(r"\s*([^/\s]+)\s*/\s*([^/\s]+)\s*")
_SUFFIXES: Final = (".npy", ".npz")


def radii_from(eps: str | None) -> list[str | None]:
    """The radii of a list like 0.05,0.1; a single radius, or None, gives a list of one.

    Raises:
        InputError: a list that holds anything but different numbers.
    """
    if eps is None or "," not in eps or "=" in eps:
        return [eps]
    radii: list[str | None] = [part.strip() for part in eps.split(",")]
    numbers = [_number(part or "") for part in radii]
    if None in numbers or len(set(numbers)) != len(numbers):
        raise InputError(
            f"--eps {eps!r} is not understood: give different numbers or fractions, as in "
            "0.05,0.1 or 4/255,8/255"
        )
    return radii


def values_from(option: str, text: str) -> Amounts:
    """A number, a fraction like 1/255, a list of such, numbers by name, or the array of a file.

    Raises:
        InputError: none of these.
    """
    numbers = [_number(part) for part in text.split(",")]
    known = [number for number in numbers if number is not None]
    if len(known) == len(numbers):
        return known[0] if len(known) == 1 else known
    if "=" in text:
        return _by_name(option, text)
    if Path(text).suffix.lower() not in _SUFFIXES:
        raise InputError(
            f"{option} {text!r} is not understood: give a number, a fraction like 1/255, numbers "
            "by feature like age=1,*=0, or a .npy or .npz file with one number for each feature"
        )
    return _array(option, Path(text))


def _by_name(option: str, text: str) -> dict[str, float]:
    """Numbers by the names of features, like income=0.1,*=0.02."""
    numbers = {}
    for part in text.split(","):
        name, _, value = part.rpartition("=")
        number = _number(value)
        if not name.strip() or number is None:
            raise InputError(
                f"{option} {text!r} is not understood at {part.strip()!r}: give numbers by "
                "feature, as in income=0.1,*=0.02"
            )
        if name.strip() in numbers:
            raise InputError(f"{option} names {name.strip()!r} twice: give each feature once")
        numbers[name.strip()] = number
    return numbers


def preprocess_from(text: str | None) -> Preprocess | None:
    """A preprocessing by name, in parts like mean=0.5 std=0.25, or a name and parts.

    Raises:
        InputError: it is not understood.
    """
    if text is None:
        return None
    words, parts = text.replace(";", " ").split(), {}
    base = Preprocess()
    if words and words[0] in NAMED:
        base = NAMED[words.pop(0)]
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or name in parts or name not in _PARTS:
            raise InputError(
                f"--preprocess {text!r} is not understood at {word!r}: give {', '.join(NAMED)}, or "
                f"parts as in 'mean=0.5 std=0.25'; the parts are {', '.join(_PARTS)}"
            )
        parts[name] = _part(text, name, value)
    return replace(base, **parts)


_PARTS: Final = ("mean", "std", "scale", "layout", "channels")


def _part(text: str, name: str, value: str) -> Any:  # noqa: ANN401
    if name in ("layout", "channels"):
        return value.upper()
    if Path(value).suffix.lower() in _SUFFIXES:
        return tuple(_array("--preprocess", Path(value)).astype(np.float64).ravel().tolist())
    numbers = [_number(part) for part in value.split(",")]
    known = [number for number in numbers if number is not None]
    if len(known) < len(numbers):
        raise InputError(
            f"--preprocess {text!r}: {name} is {value!r}; give numbers with commas between them, "
            "or a .npy file"
        )
    return known[0] if len(known) == 1 else tuple(known)


def names_from(text: str | None) -> tuple[str, ...] | None:
    """Names with commas between them; None where the option is not given."""
    return None if text is None else tuple(part.strip() for part in text.split(","))


def equations_from(text: str | None) -> list[str]:
    """Equations with semicolons between them."""
    return [] if text is None else [part.strip() for part in text.split(";") if part.strip()]


def fixed_from(text: str, option: str = "--fixed") -> list[int] | list[str] | AnyArray:
    """A list of features like 0,3,7 or age,sex, or the mask of a file.

    Raises:
        InputError: neither.
    """
    if Path(text).suffix.lower() in _SUFFIXES:
        mask = _array(option, Path(text))
        if mask.dtype.kind not in "biuf" or not np.all((mask == 0) | (mask == 1)):
            raise InputError(f"{option} {text} is no mask: store one 0 or 1 for each feature")
        return mask.astype(np.bool_)
    parts = [part.strip() for part in text.split(",")]
    if "" in parts:
        raise InputError(
            f"{option} {text!r} is not understood: give a list of features like 0,3,7 or age,sex, "
            "or a .npy or .npz file with a mask"
        )
    try:
        return [int(part) for part in parts]
    except ValueError:
        return parts


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
