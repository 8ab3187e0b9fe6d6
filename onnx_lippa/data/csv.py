"""Tables of comma-separated values; the first line names the columns."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar, Final, final

import numpy as np
from typing_extensions import override

from onnx_lippa.arrays import AnyArray
from onnx_lippa.data.files import open_file, require_file
from onnx_lippa.data.tables import Table, TableFormat
from onnx_lippa.errors import InputError

_SUFFIXES: Final = (".csv", ".tsv")
_DELIMITERS: Final = ",;\t"
_LONGEST_LINE: Final = 1 << 24


class Csv(TableFormat):
    """``.csv`` with commas or semicolons, ``.tsv`` with tabs."""

    naming: ClassVar[str] = ".csv"

    @override
    def accepts(self, path: Path) -> bool:
        return path.suffix.lower() in _SUFFIXES

    @override
    def open(self, path: Path) -> Table:
        return CsvTable(path)


@final
class CsvTable:
    """A CSV file, read anew for each call.

    Args:
        path: the file.

    Raises:
        InputError: it cannot be read, or its first line names no columns.
    """

    def __init__(self, path: Path) -> None:
        require_file(path)
        self._path = path
        with self._lines() as lines:
            names = next(lines, [])
        self.names: Sequence[str] = [name.strip() for name in names]
        if not names or "" in self.names:
            raise InputError(
                f"the first line of {path} must name every column, separated by commas: add it"
            )
        if all(_is_number(name) for name in self.names):
            raise InputError(
                f"the first line of {path} holds numbers where the names of the columns are "
                "needed: add a line with names"
            )

    def columns(
        self, wanted: Sequence[str], rows: int | None
    ) -> tuple[Mapping[str, AnyArray], int]:
        """Some columns, as numbers or as texts; see :class:`Table`."""
        places = [self.names.index(name) for name in wanted]
        cells: list[list[str]] = [[] for _ in places]
        count = 0
        with self._lines() as lines:
            next(lines)
            for row in lines:
                if not row:
                    continue
                if len(row) != len(self.names):
                    raise InputError(
                        f"row {count} of {self._path} has {len(row)} cells where there are "
                        f"{len(self.names)} columns: repair it"
                    )
                if rows is None or count < rows:
                    for column, place in zip(cells, places, strict=True):
                        cell = row[place].strip()
                        if not cell:
                            raise InputError(
                                f"row {count} of {self._path} has no value in column "
                                f"'{self.names[place]}': fill it in or remove the row"
                            )
                        column.append(cell)
                count += 1
        return {n: _as_column(c) for n, c in zip(wanted, cells, strict=True)}, count

    @contextmanager
    def _lines(self) -> Iterator[Iterator[list[str]]]:
        remedy = "write it again as a table in UTF-8"
        with open_file(self._path, "a CSV file", remedy) as stream:
            first = stream.readline(_LONGEST_LINE).decode("utf-8-sig")
            delimiter = max(_DELIMITERS, key=first.count)
            stream.seek(0)
            with io.TextIOWrapper(stream, "utf-8-sig", newline="") as text:
                yield csv.reader(text, delimiter=delimiter, strict=True)


def _as_column(cells: list[str]) -> AnyArray:
    """Numbers where all cells are, else texts."""
    try:
        return np.array(cells, dtype=np.float64)
    except ValueError:
        return np.array(cells, dtype=np.str_)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
