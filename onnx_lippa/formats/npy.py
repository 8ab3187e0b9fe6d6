"""Single NumPy arrays, with labels in a companion file of the same folder."""

from __future__ import annotations

import re
from pathlib import Path
from typing import BinaryIO, ClassVar, Final

import numpy as np

from onnx_lippa.arrays import AnyArray
from onnx_lippa.formats.base import Format, Stored, StoredData
from onnx_lippa.formats.files import opened
from onnx_lippa.formats.rows import mapped

_PARTNERS: Final = (
    ("images", "labels"),
    ("inputs", "labels"),
    ("x", "y"),
    ("X", "y"),
    ("X", "Y"),
)
"""What the name of the inputs says, and what the name of the labels says instead."""


class Npy(Format):
    """``numpy.save`` files; ``mnist_x.npy`` goes with ``mnist_y.npy``."""

    naming: ClassVar[str] = ".npy"

    def accepts(self, path: Path) -> bool:
        """Whether the file ends in ``.npy``."""
        return path.suffix.lower() == ".npy"

    def read(self, path: Path) -> StoredData:
        """The file holds the inputs; without a companion there are no labels."""
        inputs = _array(path)
        for companion in companions(path):
            if companion.is_file():
                return StoredData(inputs, _array(companion))
        return StoredData(inputs, None)


_HEADERS: Final = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def companions(path: Path) -> tuple[Path, ...]:
    """Where the labels may be, best first: the first or last word of the name is replaced."""
    stems = (
        re.sub(rf"^{word}(?=$|[_.-])|(?<=[_.-]){word}$", partner, path.stem)
        for word, partner in _PARTNERS
    )
    return tuple(path.with_name(stem + path.suffix) for stem in stems if stem != path.stem)


def _array(path: Path) -> Stored:
    remedy = "write it again with numpy.save as an array of numbers"
    with opened(path, "a NumPy .npy file", remedy) as stream:
        return Stored(read_stored(stream, path), str(path))


def read_stored(stream: BinaryIO, path: Path) -> AnyArray:
    """The array behind a stream's position in a file; a large one stays there.

    Raises:
        ValueError: there is none, or one of Python objects.
    """
    start = stream.tell()
    version = np.lib.format.read_magic(stream)
    if version in _HEADERS:
        shape, fortran, dtype = _HEADERS[version](stream)
        large = None if fortran else mapped(path, dtype, shape, stream.tell())
        if large is not None:
            return large
    stream.seek(start)
    return np.lib.format.read_array(stream, allow_pickle=False)
