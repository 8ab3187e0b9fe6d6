"""NumPy archives with inputs and labels under the usual names."""

from __future__ import annotations

from os import SEEK_CUR
from pathlib import Path
from typing import ClassVar, Final
from zipfile import ZIP_STORED, ZipFile, ZipInfo

import numpy as np

from onnx_lippa.arrays import AnyArray
from onnx_lippa.errors import InputError
from onnx_lippa.formats.base import Format, Stored, StoredData
from onnx_lippa.formats.files import opened
from onnx_lippa.formats.npy import read_stored
from onnx_lippa.formats.rows import LARGE

INPUT_KEYS: Final = ("images", "x", "inputs")
LABEL_KEYS: Final = ("labels", "y")
_LENGTHS: Final = 26
"""Where in the header of a member the lengths of its name and its extra field stand."""
_AT_ONCE: Final = 1 << 20


class Npz(Format):
    """``numpy.savez`` archives; where several of the names occur, the first one counts."""

    naming: ClassVar[str] = ".npz"

    def accepts(self, path: Path) -> bool:
        """Whether the file ends in ``.npz``."""
        return path.suffix.lower() == ".npz"

    def read(self, path: Path) -> StoredData:
        """Inputs under ``images``, ``x`` or ``inputs``; labels under ``labels`` or ``y``."""
        remedy = "write it again with numpy.savez as arrays of numbers"
        with opened(path, "a NumPy .npz file", remedy) as stream, ZipFile(stream) as archive:
            members = {name.removesuffix(".npy"): name for name in archive.namelist()}
            inputs = _first(archive, path, members, INPUT_KEYS)
            if inputs is None:
                raise InputError(_no_inputs(path, list(members)))
            return StoredData(inputs, _first(archive, path, members, LABEL_KEYS))


def _first(
    archive: ZipFile, path: Path, members: dict[str, str], keys: tuple[str, ...]
) -> Stored | None:
    for key in keys:
        if key in members:
            info = archive.getinfo(members[key])
            values = _in_place(archive, info, path) if info.file_size >= LARGE else None
            if values is None:
                with archive.open(info) as member:
                    values = np.lib.format.read_array(member, allow_pickle=False)
            return Stored(values, f"array '{key}' of {path}")
    return None


def _in_place(archive: ZipFile, info: ZipInfo, path: Path) -> AnyArray | None:
    """A large array that is stored as it is, where it lies in the file; None for any other."""
    if info.compress_type != ZIP_STORED:
        return None
    with archive.open(info) as member:
        while member.read(_AT_ONCE):
            pass  # at the end its checksum is compared
    with path.open("rb") as stream:
        stream.seek(info.header_offset + _LENGTHS)
        lengths = int.from_bytes(stream.read(2), "little"), int.from_bytes(stream.read(2), "little")
        stream.seek(sum(lengths), SEEK_CUR)
        values = read_stored(stream, path)
    return values if isinstance(values, np.memmap) else None


def _no_inputs(path: Path, names: list[str]) -> str:
    found = f"only the arrays {', '.join(map(repr, names))}" if names else "no arrays"
    return (
        f"{path} holds {found}: store the inputs under 'images', 'x' or 'inputs' and the labels "
        "under 'labels' or 'y'"
    )
