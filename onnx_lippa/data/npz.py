"""NumPy archives with inputs and labels under the usual names."""

from __future__ import annotations

from os import SEEK_CUR
from pathlib import Path
from typing import ClassVar, Final
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from typing_extensions import override

from onnx_lippa.arrays import AnyArray
from onnx_lippa.data.files import (
    Format,
    Request,
    Stored,
    StoredData,
    Stream,
    first_entries,
    is_large,
    open_file,
    read_values,
)
from onnx_lippa.data.labels import as_names
from onnx_lippa.data.npy import read_header, read_npy
from onnx_lippa.errors import InputError
from onnx_lippa.text import listed

INPUT_KEYS: Final = ("images", "x", "inputs")
LABEL_KEYS: Final = ("labels", "y")
GROUP_KEY: Final = "groups"
FEATURE_KEY: Final = "features"
_LENGTHS: Final = 26
"""Offset of the lengths of name and extra field in the header of a member."""
_AT_ONCE: Final = 1 << 20


class Npz(Format):
    """``numpy.savez`` archives: inputs ``images``, ``x`` or ``inputs``, labels ``labels`` or ``y``.

    The first of these names that occurs counts. ``groups`` are the groups of the inputs, and
    ``features`` the names of the features.
    """

    naming: ClassVar[str] = ".npz"

    @override
    def accepts(self, path: Path) -> bool:
        return path.suffix.lower() == ".npz"

    @override
    def read(self, path: Path, request: Request) -> StoredData:
        options = request.options
        remedy = "write it again with numpy.savez as arrays of numbers"
        with open_file(path, "a NumPy .npz file", remedy) as stream, ZipFile(stream) as archive:
            members = {name.removesuffix(".npy"): name for name in archive.namelist()}
            inputs = _first(archive, path, members, INPUT_KEYS, request.most)
            if inputs is None:
                raise InputError(_no_inputs(path, list(members)))
            for name, wanted in (("--label", options.label), ("--groups", options.group_column)):
                if wanted is not None and wanted not in members:
                    raise InputError(
                        f"{name} {wanted!r}: {path} holds only the arrays {listed(list(members))}"
                    )
            if options.categorical:
                raise InputError(f"--categorical: {path} has no columns; leave --categorical out")
            labels = LABEL_KEYS if options.label is None else (options.label,)
            groups = options.group_column or GROUP_KEY
            names = _first(archive, path, members, (FEATURE_KEY,))
            return StoredData(
                inputs,
                _first(archive, path, members, labels),
                _first(archive, path, members, (groups,)),
                () if names is None else tuple(as_names(names)),
            )


def _first(
    archive: ZipFile,
    path: Path,
    members: dict[str, str],
    keys: tuple[str, ...],
    most: int | None = None,
) -> Stored | None:
    for key in keys:
        if key in members:
            where = f"array '{key}' of {path}"
            return read_member(archive, archive.getinfo(members[key]), path, where, most)
    return None


def read_member(
    archive: ZipFile, info: ZipInfo, path: Path, where: str, most: int | None = None
) -> Stored:
    """Reads an array of an archive. Its declared size is checked before anything is unpacked.

    Args:
        archive: the open archive.
        info: the directory entry of the array.
        path: its path.
        where: name of the array in messages.
        most: numbers that are needed, the first ones of a large array; None for all. A checksum
            is compared only where all are read.

    Raises:
        InputError: it would take too much memory.
        Exception: whatever the archive raises where it is damaged.
    """
    with archive.open(info) as member:
        header = read_header(member)
        if header.start + header.bytes != info.file_size:
            raise ValueError("archive and array declare different lengths")
        in_order = not header.fortran
        stored = info.compress_type == ZIP_STORED
        if in_order and stored and is_large(header.shape, header.dtype):
            return Stored(_in_place(member, info, path, whole=most is None), where)
        shape = first_entries(header.shape, header.dtype, most if in_order else None)
        values = read_values(member, shape, header.dtype, path, header.fortran)
        if shape == header.shape:
            member.read(1)  # at the end the checksum is compared
        return Stored(values, where, header.shape)


def _in_place(member: Stream, info: ZipInfo, path: Path, whole: bool) -> AnyArray:
    """A large uncompressed array, mapped from the file."""
    while whole and member.read(_AT_ONCE):
        pass  # at the end its checksum is compared
    with path.open("rb") as stream:
        stream.seek(info.header_offset + _LENGTHS)
        lengths = int.from_bytes(stream.read(2), "little"), int.from_bytes(stream.read(2), "little")
        stream.seek(sum(lengths), SEEK_CUR)
        return read_npy(stream, path)


def _no_inputs(path: Path, names: list[str]) -> str:
    found = f"only the arrays {listed(names)}" if names else "no arrays"
    return (
        f"{path} holds {found}: store the inputs under 'images', 'x' or 'inputs' and the labels "
        "under 'labels' or 'y'"
    )
