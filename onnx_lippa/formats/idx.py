"""IDX files, the format of MNIST, gzipped or not."""

from __future__ import annotations

import gzip
import math
import re
import struct
from pathlib import Path
from typing import ClassVar, Final

import numpy as np

from onnx_lippa.arrays import AnyArray
from onnx_lippa.errors import InputError
from onnx_lippa.formats.base import Format, Stored, StoredData
from onnx_lippa.formats.files import opened

ELEMENT_TYPES: Final = {
    0x08: ">u1",
    0x09: ">i1",
    0x0B: ">i2",
    0x0C: ">i4",
    0x0D: ">f4",
    0x0E: ">f8",
}
_REMEDY: Final = "download or export it again"


class Idx(Format):
    """``train-images-idx3-ubyte.gz`` goes with ``train-labels-idx1-ubyte.gz``."""

    naming: ClassVar[str] = "IDX (with idx or ubyte in the name)"

    def accepts(self, path: Path) -> bool:
        """Whether the name says ``idx`` or ``ubyte``."""
        return re.search("idx|ubyte", path.name, re.IGNORECASE) is not None

    def read(self, path: Path) -> StoredData:
        """The file holds the inputs; without a companion there are no labels."""
        inputs, labels = _array(path), companion(path)
        has_labels = labels != path and labels.is_file()
        return StoredData(inputs, _array(labels) if has_labels else None)


def companion(path: Path) -> Path:
    """Where the labels may be; the path itself where its name does not say images."""
    return path.with_name(re.sub(r"idx\d", "idx1", path.name.replace("images", "labels")))


def parse(content: bytes, where: str) -> AnyArray:
    """The array in the bytes of an IDX file.

    Args:
        content: the bytes, decompressed.
        where: the file, for messages.

    Raises:
        InputError: another magic number, or more or fewer bytes than the header declares.
    """
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in ELEMENT_TYPES:
        raise InputError(
            f"{where} is not an IDX file, since it starts with the bytes "
            f"'{content[:4].hex(' ')}' instead of an IDX magic number such as '00 00 08 03': "
            "give an IDX file, gzipped or not"
        )
    element, axes = np.dtype(ELEMENT_TYPES[content[2]]), content[3]
    start = 4 + 4 * axes
    if len(content) < start:
        raise InputError(f"{where} ends inside its header, so it is incomplete: {_REMEDY}")
    shape = struct.unpack(f">{axes}I", content[4:start])
    expected, found = math.prod(shape) * element.itemsize, len(content) - start
    if expected != found:
        raise InputError(
            f"{where} declares shape {shape}, which takes {expected} bytes, but holds {found}, "
            f"so it is incomplete or damaged: {_REMEDY}"
        )
    return np.ndarray(shape, element, content, offset=start)


def _array(path: Path) -> Stored:
    with opened(path, "an IDX file", _REMEDY) as stream:
        content = stream.read()
        if content.startswith(b"\x1f\x8b"):
            content = gzip.decompress(content)
        return Stored(parse(content, str(path)), str(path))
