"""IDX files, the format of MNIST, gzipped or not."""

from __future__ import annotations

import gzip
import os
import re
import struct
from pathlib import Path
from typing import ClassVar, Final

import numpy as np
from typing_extensions import override

from onnx_lippa.arrays import Shape, size
from onnx_lippa.data.files import (
    FormatWithCompanions,
    Stored,
    Stream,
    first_entries,
    load_values,
    open_file,
    read_values,
)
from onnx_lippa.errors import InputError

ELEMENT_TYPES: Final = {
    0x08: ">u1",
    0x09: ">i1",
    0x0B: ">i2",
    0x0C: ">i4",
    0x0D: ">f4",
    0x0E: ">f8",
}
_GZIP: Final = b"\x1f\x8b"
_REMEDY: Final = "download or export it again"


class Idx(FormatWithCompanions):
    """``train-images-idx3-ubyte.gz`` goes with ``train-labels-idx1-ubyte.gz``."""

    naming: ClassVar[str] = "IDX (with idx or ubyte in the name)"

    @override
    def accepts(self, path: Path) -> bool:
        return re.search("idx|ubyte", path.name, re.IGNORECASE) is not None

    @override
    def companions(self, path: Path) -> tuple[Path, ...]:
        name = re.sub(r"idx\d", "idx1", path.name.replace("images", "labels"))
        return () if name == path.name else (path.with_name(name),)

    @override
    def read_array(self, path: Path, most: int | None = None) -> Stored:
        with open_file(path, "an IDX file", _REMEDY) as stream:
            zipped = stream.read(2) == _GZIP
            stream.seek(0)
            if zipped:
                with gzip.GzipFile(fileobj=stream) as unzipped:
                    return _unzip_array(unzipped, path, most)
            element, shape = _read_header(stream, path)
            expected = size(shape) * element.itemsize
            held = os.fstat(stream.fileno()).st_size - stream.tell()
            if held != expected:
                raise InputError(
                    f"{path} declares shape {shape}, which takes {expected} bytes, but holds "
                    f"{held}, so it is incomplete or damaged: {_REMEDY}"
                )
            return Stored(load_values(stream, path, shape, element), str(path))


def _unzip_array(stream: Stream, path: Path, most: int | None) -> Stored:
    element, shape = _read_header(stream, path)
    taken = first_entries(shape, element, most)
    values = read_values(stream, taken, element, path)
    if taken == shape and stream.read(1):  # and at the end the checksum is compared
        raise InputError(
            f"{path} declares shape {shape}, which takes {size(shape) * element.itemsize} bytes, "
            f"but holds more, so it is damaged: {_REMEDY}"
        )
    return Stored(values, str(path), shape)


def _read_header(stream: Stream, path: Path) -> tuple[np.dtype[np.generic], Shape]:
    """The type of the elements and the shape.

    Raises:
        InputError: another magic number, or the file ends.
    """
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in ELEMENT_TYPES:
        raise InputError(
            f"{path} is not an IDX file, since it starts with the bytes "
            f"'{magic.hex(' ')}' instead of an IDX magic number such as '00 00 08 03': "
            "give an IDX file, gzipped or not"
        )
    axes = magic[3]
    extents = stream.read(4 * axes)
    if len(extents) < 4 * axes:
        raise InputError(f"{path} ends inside its header, so it is incomplete: {_REMEDY}")
    return np.dtype(ELEMENT_TYPES[magic[2]]), struct.unpack(f">{axes}I", extents)
