"""NumPy archives with inputs and labels under the usual names."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Final
from zipfile import ZipFile

import numpy as np

from onnx_lippa.errors import InputError
from onnx_lippa.formats.base import Format, Stored, StoredData
from onnx_lippa.formats.files import opened

INPUT_KEYS: Final = ("images", "x", "inputs")
LABEL_KEYS: Final = ("labels", "y")


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
            with archive.open(members[key]) as member:
                values = np.lib.format.read_array(member, allow_pickle=False)
            return Stored(values, f"array '{key}' of {path}")
    return None


def _no_inputs(path: Path, names: list[str]) -> str:
    found = f"only the arrays {', '.join(map(repr, names))}" if names else "no arrays"
    return (
        f"{path} holds {found}: store the inputs under 'images', 'x' or 'inputs' and the labels "
        "under 'labels' or 'y'"
    )
