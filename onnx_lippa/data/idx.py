"""IDX files, the format of MNIST, gzipped or not."""

from __future__ import annotations

import gzip
import math
import os
import re
import struct
from pathlib import Path
from typing import ClassVar, Final

import numpy as np
from typing_extensions import override

from onnx_lippa.data.files import (
    Format,
    Stored,
    StoredData,
    Stream,
    first_entries,
    open_file,
    read_values,
)
from onnx_lippa.data.rows import LARGE, map_array
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


class Idx(Format):
    """``train-images-idx3-ubyte.gz`` goes with ``train-labels-idx1-ubyte.gz``."""

    naming: ClassVar[str] = "IDX (with idx or ubyte in the name)"

    @override
    def accepts(self, path: Path) -> bool:
        return re.search("idx|ubyte", path.name, re.IGNORECASE) is not None

    @override
    def read(self, path: Path, most: int | None = None) -> StoredData:
        inputs, labels = _array(path, most), companion(path)
        has_labels = labels != path and labels.is_file()
        return StoredData(inputs, _array(labels) if has_labels else None)


def companion(path: Path) -> Path:
    """Possible path of the labels; the path itself if its name does not contain "images"."""
    return path.with_name(re.sub(r"idx\d", "idx1", path.name.replace("images", "labels")))


def _array(path: Path, most: int | None = None) -> Stored:
    with open_file(path, "an IDX file", _REMEDY) as stream:
        zipped = stream.read(2) == _GZIP
        stream.seek(0)
        if not zipped:
            return _read(stream, path, None, os.fstat(stream.fileno()).st_size)
        with gzip.GzipFile(fileobj=stream) as unzipped:
            return _read(unzipped, path, most, None)


def _read(stream: Stream, path: Path, most: int | None, length: int | None) -> Stored:
    """Reads the array of an open file of ``length`` bytes, None if it is gzipped.

    Raises:
        InputError: another magic number, more or fewer bytes than the header declares, or more
            than fit into memory.
    """
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in ELEMENT_TYPES:
        raise InputError(
            f"{path} is not an IDX file, since it starts with the bytes "
            f"'{magic.hex(' ')}' instead of an IDX magic number such as '00 00 08 03': "
            "give an IDX file, gzipped or not"
        )
    element, axes = np.dtype(ELEMENT_TYPES[magic[2]]), magic[3]
    extents, start = stream.read(4 * axes), 4 + 4 * axes
    if len(extents) < 4 * axes:
        raise InputError(f"{path} ends inside its header, so it is incomplete: {_REMEDY}")
    shape = struct.unpack(f">{axes}I", extents)
    expected = math.prod(shape) * element.itemsize
    if length is not None and length - start != expected:
        raise InputError(
            f"{path} declares shape {shape}, which takes {expected} bytes, but holds "
            f"{length - start}, so it is incomplete or damaged: {_REMEDY}"
        )
    if length is not None:
        values = map_array(path, element, shape, start)
        return Stored(read_values(stream, shape, element, path) if values is None else values,
                      str(path))  # fmt: skip
    taken = first_entries(shape, most) if expected >= LARGE else shape
    values = read_values(stream, taken, element, path)
    if taken == shape and stream.read(1):  # and at the end the checksum is compared
        raise InputError(
            f"{path} declares shape {shape}, which takes {expected} bytes, but holds more, so it "
            f"is damaged: {_REMEDY}"
        )
    return Stored(values, str(path), shape)
