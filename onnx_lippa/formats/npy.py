"""Single NumPy arrays, with labels in a companion file of the same folder."""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar, Final

import numpy as np

from onnx_lippa.formats.base import Format, Stored, StoredData
from onnx_lippa.formats.files import opened

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
        return Stored(np.lib.format.read_array(stream, allow_pickle=False), str(path))
