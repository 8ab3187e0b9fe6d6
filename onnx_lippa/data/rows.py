"""Inputs that stay as stored, and are converted when they are taken."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final, final

import numpy as np

from onnx_lippa.arrays import AnyArray, Floats, Integers
from onnx_lippa.data.convert import to_floats
from onnx_lippa.errors import InputError

_AT_ONCE: Final = 1024
"""Rows converted at once."""


@final
class Rows:
    """Inputs (n, d) that are converted to floats when they are taken.

    Large arrays stay on disk. A checksum of each row detects changes of the file.

    Args:
        stored: (n, d) the inputs in any type, in memory or mapped from a file.
        where: the file, for messages.
        dtype: the type of the model.

    Raises:
        InputError: not real numbers, or not finite in that type.
    """

    def __init__(self, stored: AnyArray, where: str, dtype: np.dtype[np.floating]) -> None:
        file = _FileRows.of(stored)
        self._source: AnyArray | _FileRows = stored if file is None else file
        self._where, self.dtype = where, dtype
        self._indices, self._width = np.arange(len(stored)), stored.shape[1]
        self._sums = np.zeros(0 if file is None else len(stored), np.uint32)
        for first in range(0, len(stored), _AT_ONCE):
            block = stored[first : first + _AT_ONCE]
            to_floats(block, where, dtype, first)
            if file is not None:
                self._sums[first : first + _AT_ONCE] = [_checksum(row) for row in block]

    @property
    def shape(self) -> tuple[int, int]:
        """``(n, d)``."""
        return len(self._indices), self._width

    def __len__(self) -> int:
        return len(self._indices)

    def __iter__(self) -> Iterator[Floats]:
        return (self[row] for row in range(len(self)))

    def __getitem__(self, key: int | slice | Integers) -> Floats:
        """Rows as floats: (d,) for an index, else (m, d).

        Raises:
            InputError: their file has changed, or cannot be read any more.
        """
        indices = self._indices[key]
        taken = self._source[np.atleast_1d(indices)]
        sums = np.atleast_1d(self._sums[indices]) if self._sums.size else None
        if sums is not None and [_checksum(row) for row in taken] != sums.tolist():
            raise InputError(
                f"{self._where} was changed while it was used: run the same command again"
            )
        floats = to_floats(taken, self._where, self.dtype)
        return floats if np.ndim(indices) else floats[0]

    def take(self, indices: Integers) -> Rows:
        """Some rows, in this order, without reading them."""
        other = object.__new__(Rows)
        other.__dict__ |= self.__dict__ | {"_indices": self._indices[indices]}
        return other


@final
class _FileRows:
    """Rows read from their file. A memory map would fail hard if the file shrank."""

    def __init__(self, path: Path, start: int, width: int, dtype: np.dtype[np.generic]) -> None:
        self._path, self._start, self._width, self._dtype = path, start, width, dtype

    @classmethod
    def of(cls, stored: AnyArray) -> _FileRows | None:
        """The rows of an array that is mapped from a file; else None."""
        mapped = stored if isinstance(stored, np.memmap) else None
        if mapped is None or not mapped.flags.c_contiguous or mapped.filename is None:
            return None
        return cls(Path(mapped.filename), mapped.offset, stored.shape[1], stored.dtype)

    def __getitem__(self, indices: Integers) -> AnyArray:
        size, parts = self._width * self._dtype.itemsize, []
        try:
            with self._path.open("rb") as file:
                for run in np.split(indices, np.flatnonzero(np.diff(indices) != 1) + 1):
                    file.seek(self._start + int(run[:1].sum()) * size)
                    parts.append(file.read(len(run) * size))
        except OSError as error:
            raise InputError(f"cannot read {self._path}: {error.strerror or error}") from error
        content = b"".join(parts)
        if len(content) != len(indices) * size:
            raise InputError(f"{self._path} was cut off while it was used: restore it")
        return np.frombuffer(content, self._dtype).reshape(len(indices), self._width)


def _checksum(row: AnyArray) -> int:
    return zlib.crc32(np.ascontiguousarray(row).data.cast("B"))
