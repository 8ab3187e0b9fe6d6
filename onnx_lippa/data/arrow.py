"""Parquet and Arrow tables, read by pyarrow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np
from typing_extensions import override

from onnx_lippa.arrays import AnyArray
from onnx_lippa.data.files import open_file, require_extra, require_file
from onnx_lippa.data.tables import Table, TableFormat
from onnx_lippa.errors import InputError

if TYPE_CHECKING:
    import pyarrow


class Parquet(TableFormat):
    """``.parquet`` files."""

    naming: ClassVar[str] = ".parquet"

    @override
    def accepts(self, path: Path) -> bool:
        return path.suffix.lower() in (".parquet", ".pq")

    @override
    def open(self, path: Path) -> Table:
        require_file(path)
        parquet = require_extra("pyarrow.parquet", "tables", path)
        with open_file(path, "a Parquet file", "write it again") as stream:
            return ArrowTable(parquet.read_table(stream), path)


class Arrow(TableFormat):
    """Arrow files and streams, ``.arrow`` or ``.feather``."""

    naming: ClassVar[str] = ".arrow"

    @override
    def accepts(self, path: Path) -> bool:
        return path.suffix.lower() in (".arrow", ".arrows", ".feather")

    @override
    def open(self, path: Path) -> Table:
        require_file(path)
        ipc = require_extra("pyarrow.ipc", "tables", path)
        with open_file(path, "an Arrow file", "write it again") as stream:
            is_file = stream.read(6) == b"ARROW1"
            stream.seek(0)
            reader = ipc.open_file(stream) if is_file else ipc.open_stream(stream)
            return ArrowTable(reader.read_all(), path)


@final
class ArrowTable:
    """A table of pyarrow.

    Args:
        table: the table.
        path: its file, for messages.
    """

    def __init__(self, table: pyarrow.Table, path: Path) -> None:
        self._table, self._path = table, path
        self.names: Sequence[str] = [str(name) for name in table.column_names]

    def columns(
        self, wanted: Sequence[str], rows: int | None
    ) -> tuple[Mapping[str, AnyArray], int]:
        """Some columns, as numbers or as texts; see :class:`Table`."""
        taken = self._table if rows is None else self._table.slice(0, rows)
        return {name: self._column(taken, name) for name in wanted}, self._table.num_rows

    def _column(self, table: pyarrow.Table, name: str) -> AnyArray:
        column = table.column(self.names.index(name))
        if column.null_count:
            row = column.is_null().to_pylist().index(True)
            raise InputError(
                f"row {row} of {self._path} has no value in column '{name}': fill it in or remove "
                "the row"
            )
        kind = str(column.type)
        if kind.startswith("decimal"):
            return np.array([float(value) for value in column.to_pylist()])
        values = column.to_pylist() if kind.startswith("dictionary") else column.to_numpy()
        array = np.asarray(values)
        if array.dtype.kind in "biuf":
            return array
        if array.size and all(isinstance(value, str) for value in array.tolist()):
            return array.astype(np.str_)
        raise InputError(
            f"column '{name}' of {self._path} holds values of type {kind}: give numbers or texts, "
            "or leave it out with --features"
        )
