"""Tables with named columns: which of them are features, labels and groups."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import numpy as np
from typing_extensions import override

from onnx_lippa.arrays import AnyArray, size
from onnx_lippa.data.files import MOST_BYTES, Format, Request, Stored, StoredData
from onnx_lippa.data.options import DataOptions
from onnx_lippa.errors import InputError
from onnx_lippa.text import listed

LABEL_COLUMNS: Final = ("label", "labels", "y", "target", "class")
"""Columns that hold the labels where none is named."""


class Table(Protocol):
    """A table that is open."""

    @property
    def names(self) -> Sequence[str]:
        """Names of the columns, in their order."""

    def columns(
        self, wanted: Sequence[str], rows: int | None
    ) -> tuple[Mapping[str, AnyArray], int]:
        """Some columns, as numbers or as texts.

        Args:
            wanted: names of columns.
            rows: how many rows are needed; None for all.

        Returns:
            Columns by name, and the number of rows of the whole table.

        Raises:
            InputError: a cell is empty, or the table is damaged.
        """


class TableFormat(Format):
    """A format of tables."""

    @abstractmethod
    def open(self, path: Path) -> Table:
        """Opens a file.

        Raises:
            InputError: it is no table of this format.
        """

    @override
    def read(self, path: Path, request: Request) -> StoredData:
        return read_table(self.open(path), path, request)


@dataclass(frozen=True)
class _Roles:
    """Which columns are what."""

    features: tuple[str, ...]
    label: str | None
    groups: str | None


def read_table(table: Table, path: Path, request: Request) -> StoredData:
    """The inputs, labels and groups of a table.

    Raises:
        InputError: a column is missing, or the columns do not fit the model.
    """
    options, d = request.options, size(request.shape)
    roles = _assign_roles(table.names, options, d, path)
    categorical = [name for name in roles.features if name in options.categorical]
    whole = [name for name in (roles.label, roles.groups, *categorical) if name is not None]
    kept, count = table.columns(list(dict.fromkeys(whole)), None)
    rows = count if request.first is None else min(count, request.first)
    if count == 0:
        raise InputError(f"{path} has no rows below the names of its columns: give at least one")
    if 8 * rows * d > MOST_BYTES:
        raise InputError(
            f"{path} holds inputs that take {8 * rows * d / 1e9:,.3g} GB of memory, and at most "
            f"{MOST_BYTES / 1e9:g} GB are read: take fewer inputs with --first"
        )
    coded = {name: _encode(kept[name]) for name in categorical}
    one_hot = d != len(roles.features)
    names: list[str] = []
    held: list[int] = []
    for name in roles.features:
        values = coded[name][1] if one_hot and name in coded else None
        width = 1 if values is None else len(values)
        held += range(len(names), len(names) + width) if name in coded else ()
        names += [name] if values is None else [f"{name}={value}" for value in values]
    if len(names) != d:
        raise InputError(
            f"{path} gives {len(names)} features ({listed(names)}), but the model takes {d}: name "
            "the columns to take with --features, those of labels and groups with --label and "
            "--groups"
        )
    found, _ = table.columns([name for name in roles.features if name not in coded], rows)
    parts = []
    for name in roles.features:
        if name not in coded:
            parts.append(_read_numbers(found[name], name, path)[:, None])
            continue
        codes, values = coded[name]
        parts.append(np.eye(len(values))[codes[:rows]] if one_hot else codes[:rows, None])
    inputs = np.concatenate([part.astype(np.float64) for part in parts], axis=1)
    listing = listed([name for name in roles.features if name in categorical])
    return StoredData(
        Stored(inputs, str(path), (count, d)),
        None if roles.label is None else Stored(kept[roles.label], f"column '{roles.label}'"),
        None if roles.groups is None else Stored(kept[roles.groups], f"column '{roles.groups}'"),
        tuple(names),
        tuple(held),
        f"categorical columns become {'one-hot' if one_hot else 'codes'} and keep their values: "
        f"{listing}"
        if categorical
        else "",
    )


def _assign_roles(names: Sequence[str], options: DataOptions, d: int, path: Path) -> _Roles:
    """Which columns are what, by the options and by the number of features.

    The column of groups is a feature too where the model has as many features.
    """
    known = set(names)
    if len(known) < len(names):
        twice = next(name for name in names if list(names).count(name) > 1)
        raise InputError(f"{path} has two columns '{twice}': give each column its own name")
    label, groups = options.label, options.group_column
    for option, wanted in (
        ("--label", () if label is None else (label,)),
        ("--groups", () if groups is None else (groups,)),
        ("--categorical", options.categorical),
    ):
        for name in wanted:
            if name not in known:
                raise InputError(
                    f"{option} {name}: {path} has no such column, but {listed(list(names))}"
                )
    if label is None:
        usual = [name for name in names if name.lower() in LABEL_COLUMNS]
        has_room = len(names) > d or len(options.categorical) > 0
        label = usual[0] if len(usual) == 1 and has_room else None
    left = tuple(name for name in names if name != label)
    apart = tuple(name for name in left if name != groups)
    chosen = left if len(left) == d else apart
    if options.features is not None and set(options.features) <= known:
        chosen = tuple(options.features)
    elif options.features is not None:
        # Names of one-hot features, as color=red, or of the model's own features.
        stems = dict.fromkeys(name.rpartition("=")[0] or name for name in options.features)
        if not set(stems) <= known:
            missing = [name for name in stems if name not in known]
            raise InputError(
                f"{path} has no columns {listed(missing)}, which are features of the model: it "
                f"has {listed(list(names))}"
            )
        chosen = tuple(stems)
    return _Roles(chosen, label, groups)


def _read_numbers(column: AnyArray, name: str, path: Path) -> AnyArray:
    if column.dtype.kind in "biuf":
        return column.astype(np.float64)
    index, value = _find_text(column)
    raise InputError(
        f"column '{name}' of {path} holds the text {value!r} in row {index}: name it with "
        "--categorical, --label or --groups, or leave it out with --features"
    )


def _find_text(column: AnyArray) -> tuple[int, object]:
    """Place and value of the first entry that is no number, else of the first."""
    values = column.tolist()
    for index, value in enumerate(values):
        try:
            float(value)
        except (TypeError, ValueError):
            return index, value
    return 0, values[0]


def _encode(column: AnyArray) -> tuple[AnyArray, list[str]]:
    """Each entry as the place of its value among the sorted values, and these."""
    values, codes = np.unique(column, return_inverse=True)
    return codes.reshape(-1), [str(value) for value in values.tolist()]
