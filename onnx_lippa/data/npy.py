"""NumPy arrays, with labels in a companion file of the same folder."""

from __future__ import annotations

import io
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, ClassVar, Final, final

import numpy as np
from typing_extensions import override

from onnx_lippa.arrays import AnyArray, Shape, size
from onnx_lippa.data.files import FormatWithCompanions, Stored, Stream, load_values, open_file

_PARTNERS: Final = (
    ("images", "labels"),
    ("inputs", "labels"),
    ("x", "y"),
    ("X", "y"),
    ("X", "Y"),
)
"""Words in the name of the inputs, and their counterparts in the name of the labels."""


class Npy(FormatWithCompanions):
    """``numpy.save`` files; ``mnist_x.npy`` goes with ``mnist_y.npy``."""

    naming: ClassVar[str] = ".npy"

    @override
    def accepts(self, path: Path) -> bool:
        return path.suffix.lower() == ".npy"

    @override
    def companions(self, path: Path) -> tuple[Path, ...]:
        """The first or the last word of the name is replaced."""
        stems = (
            re.sub(rf"^{word}(?=$|[_.-])|(?<=[_.-]){word}$", partner, path.stem)
            for word, partner in _PARTNERS
        )
        return tuple(path.with_name(stem + path.suffix) for stem in stems if stem != path.stem)

    @override
    def read_array(self, path: Path, most: int | None = None) -> Stored:
        remedy = "write it again with numpy.save as an array of numbers"
        with open_file(path, "a NumPy .npy file", remedy) as stream:
            return Stored(read_npy(stream, path), str(path))


@final
@dataclass(frozen=True)
class Header:
    """The header of a stored array.

    Attributes:
        shape: shape of the array.
        fortran: whether its first axis varies fastest.
        dtype: type of its elements.
        start: size of the header.
    """

    shape: Shape
    fortran: bool
    dtype: np.dtype[np.generic]
    start: int

    @property
    def bytes(self) -> int:
        """Size of the numbers."""
        return size(self.shape) * self.dtype.itemsize


def read_header(stream: Stream) -> Header:
    """Reads a header.

    Raises:
        ValueError: there is none.
    """
    magic = stream.read(np.lib.format.MAGIC_LEN)
    version = np.lib.format.read_magic(io.BytesIO(magic))
    width = _LENGTH_BYTES[version]
    length = stream.read(width)
    announced = int.from_bytes(length, "little")
    if announced > _LONGEST_HEADER:
        raise ValueError(f"a header of {announced} bytes")
    text = io.BytesIO(length + stream.read(announced))
    shape, fortran, dtype = _HEADERS[version](text)
    return Header(shape, fortran, dtype, np.lib.format.MAGIC_LEN + width + announced)


_HEADERS: Final = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
    (3, 0): np.lib.format.read_array_header_2_0,  # with other letters in the names of fields
}
_LENGTH_BYTES: Final = {(1, 0): 2, (2, 0): 4, (3, 0): 4}
_LONGEST_HEADER: Final = 10_000
"""As in NumPy, whose parser may crash on longer ones."""


def read_npy(stream: BinaryIO, path: Path) -> AnyArray:
    """Reads an array from an open file; a large one is mapped.

    Raises:
        InputError: it would take too much memory.
        ValueError: there is no array, or less than it declares.
    """
    header = read_header(stream)
    if stream.tell() + header.bytes > os.fstat(stream.fileno()).st_size:
        raise ValueError("less is there than is declared")
    return load_values(stream, path, header.shape, header.dtype, header.fortran)
