"""The identity of a run: everything that can change its results."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any, Final

import numpy as np

from onnx_lippa.arrays import InputRows, Integers
from onnx_lippa.data.options import DEFAULT_OPTIONS, DataOptions
from onnx_lippa.errors import InputError
from onnx_lippa.onnx_io import Preprocess
from onnx_lippa.runs.files import CHECK, checksum, explain_read_errors
from onnx_lippa.spec import InputSpecification

_AT_ONCE: Final = 1024
"""Rows of inputs that are digested at a time."""


@dataclass(frozen=True)
class Identity:
    """Model, inputs and options of a run. Equal identities have equal results, but for time limits.

    Attributes:
        model_sha256: digest of the model, external weights included.
        output: name of the output tensor; empty in old folders, whose models have only one.
        inputs_sha256: digest of the inputs and their labels (see :func:`digest_inputs`); empty in
            old folders, which have the digest of the data file.
        indices: indices of the inputs in the data.
        norm: name of the norm.
        features: radius, scale, domain, fixed features and grid.
        targets: which wrong classes count.
        options: method and budgets, as text.
        version: version of the program; empty in old folders.
        preprocess: the preprocessing in front of the model; None without one.
    """

    model_sha256: str
    output: str
    inputs_sha256: str
    indices: tuple[int, ...]
    norm: str
    features: InputSpecification
    targets: str
    options: str
    version: str
    preprocess: Preprocess | None = None

    def as_json(self) -> dict[str, Any]:
        """The identity as plain JSON values, with the fields of ``features`` among them."""
        own = {name: value for name, value in vars(self).items() if name not in _VALUES}
        if self.preprocess is not None:
            own["preprocess"] = self.preprocess.as_json()
        return own | self.features.as_json()

    @classmethod
    def parse(cls, values: dict[str, Any]) -> Identity:
        """Parses JSON values; fields that old files lack have their old meaning.

        Raises:
            ValueError, TypeError, KeyError, OverflowError, InputError: they are no identity.
        """
        words: dict[str, Any] = {
            "output": "",
            "inputs_sha256": "",
            "version": "",
        }
        words |= {name: value for name, value in values.items() if name in _NAMES}
        indices = tuple(words.pop("indices"))
        if not indices or not _are(indices, (int,)) or not _are(words.values(), (str,)):
            raise TypeError("a field is of the wrong type")
        if not all(0 <= index < 2**63 for index in indices):
            raise ValueError("an index is out of range")
        stated = values.get("preprocess")
        return cls(
            **words, indices=indices, features=InputSpecification.parse(values),
            preprocess=None if stated is None else Preprocess.parse(stated),
        )  # fmt: skip

    def difference(self, other: Identity) -> str:
        """The fields in which two identities differ, for a message; empty if they are equal."""
        mine, others = self.as_json(), other.as_json()
        names = [name for name in mine | others if mine.get(name) != others.get(name)]
        return ", ".join(_NAMES_IN_MESSAGES.get(name, name) for name in names)


_VALUES: Final = frozenset({"features", "preprocess"})
"""Fields that are values with JSON of their own."""
_NAMES: Final = frozenset({field.name for field in fields(Identity)} - _VALUES)
_NAMES_IN_MESSAGES: Final = {
    "model_sha256": "the model",
    "output": "the output",
    "inputs_sha256": "the inputs or labels",
    "options": "the options",
    "preprocess": "the preprocessing",
    "version": "the version of onnx-lippa",
}
"""Names of fields in messages, where they differ from the fields' own."""


def digest_inputs(inputs: InputRows, labels: Integers | None) -> str:
    """SHA-256 of inputs (n, d), in the type that the model takes, and their labels (n,).

    Args:
        inputs: the inputs.
        labels: their labels; None where the data has none.
    """
    kind = inputs.dtype.newbyteorder("<")
    digest = hashlib.sha256(f"{kind.str} {inputs.shape}".encode())
    for first in range(0, len(inputs), _AT_ONCE):
        rows = np.ascontiguousarray(inputs[first : first + _AT_ONCE], dtype=kind)
        digest.update(rows.tobytes())
    if labels is not None:
        digest.update(b"labels" + np.ascontiguousarray(labels, dtype="<i8").tobytes())
    return digest.hexdigest()


def describe_options(*options: object, minimize: bool = False) -> str:
    """Options as text, which is equal for equal options only.

    Args:
        options: methods and budgets.
        minimize: whether the distance is minimised.
    """
    parts = [f"{type(one).__name__}: {_list_fields(one)}" for one in options]
    return "; ".join([*parts, *(["minimize"] if minimize else [])])


def _list_fields(options: object) -> str:
    return ", ".join(f"{name}={_plain(value)}" for name, value in vars(options).items())


def _plain(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value):
        return f"{type(value).__name__}({_list_fields(value)})"
    if isinstance(value, tuple):
        return "(" + "".join(f"{_plain(one)}, " for one in value) + ")"
    return value


def _are(values: Iterable[object], kinds: tuple[type, ...]) -> bool:
    """Whether all values have some types; booleans are no numbers."""
    return all(isinstance(value, kinds) and not isinstance(value, bool) for value in values)


RUN: Final = "run.json"
CURVE: Final = "curve.json"
LIST: Final = "list.json"
"""The files that identify the folders of runs, curves and lists."""


@dataclass(frozen=True)
class FileLocation:
    """Where a file was when the run began.

    Attributes:
        path: its absolute path; empty if it is in the run's folder.
        beside: its path relative to the run's folder; empty if there is none, or none is known.
    """

    path: str
    beside: str = ""

    @classmethod
    def seen_from(cls, folder: Path, path: Path) -> FileLocation:
        """The location of a file, for a run in some folder."""
        whole = path.resolve()
        try:
            return cls(str(whole), os.path.relpath(whole, folder.resolve()))
        except ValueError:  # another drive
            return cls(str(whole))

    def candidates(self, folder: Path) -> list[Path]:
        """Paths at which the file may be now, the likeliest first."""
        paths = [Path(self.path)]
        if self.beside:
            paths.append(folder / self.beside)
        return paths


@dataclass(frozen=True)
class Checksums:
    """Checksums of a folder's files at the end of a run, or at an interrupt.

    They are those of the values: formatting, and fields that have their defaults, do not count.

    Attributes:
        results: one for each record of ``results.jsonl``.
        summary: that of ``summary.json``, without the paths of model and data.
    """

    results: tuple[int, ...]
    summary: int

    def as_json(self) -> dict[str, str]:
        """The checksums as hexadecimal text."""
        return {
            "results": "".join(f"{check:08x}" for check in self.results),
            "summary": f"{self.summary:08x}",
        }

    @classmethod
    def parse(cls, values: dict[str, str]) -> Checksums:
        """Parses JSON values.

        Raises:
            ValueError, TypeError, KeyError: they are no checksums.
        """
        text = values["results"]
        if len(text) % 8:
            raise ValueError("checksums cut short")
        checks = tuple(int(text[i : i + 8], 16) for i in range(0, len(text), 8))
        return cls(checks, int(values["summary"], 16))


@dataclass(frozen=True)
class RunFile:
    """The content of ``run.json``.

    Attributes:
        identity: the identity of the run.
        model: where the model was.
        data: where the data was.
        data_file_sha256: digest of the data file; in old folders only.
        sealed: checksums of the other files; None in a run that has not ended, and in old folders.
        intact: whether the file has its own checksum.
        reading: how the data was read, with the names of classes and features. It is no part of
            the identity, which has the digest of what was read.
    """

    identity: Identity
    model: FileLocation
    data: FileLocation
    data_file_sha256: str = ""
    sealed: Checksums | None = None
    intact: bool = True
    reading: DataOptions = DEFAULT_OPTIONS

    @property
    def is_old(self) -> bool:
        """Whether it is from before there were journals and checksums."""
        return not self.identity.version

    def content(self) -> bytes:
        """The bytes of the file."""
        values = self._claims() | {
            CHECK: checksum(self._claims()),
            "model": self.model.path,
            "model_beside": self.model.beside,
            "data": self.data.path,
            "data_beside": self.data.beside,
        }
        if self.reading.as_json():
            values["reading"] = self.reading.as_json()
        return json.dumps(values, indent=1).encode()

    def _claims(self) -> dict[str, Any]:
        """All but the paths of files, which may be changed by hand: digests identify the files."""
        sealed = None if self.sealed is None else self.sealed.as_json()
        return self.identity.as_json() | {"sealed": sealed}

    @classmethod
    def parse(cls, values: dict[str, Any]) -> RunFile:
        """Parses JSON values.

        Raises:
            ValueError, TypeError, KeyError, OverflowError, InputError: they are no run.
        """
        identity = Identity.parse(values)
        names = ("model", "data", "model_beside", "data_beside", "data_sha256")
        words = {name: values.get(name, "") for name in names}
        if not all(isinstance(word, str) for word in words.values()):
            raise TypeError("a path is no text")
        if not words["model"]:
            raise ValueError("no model is named")
        sealed = values.get("sealed")
        run = cls(
            identity,
            FileLocation(words["model"], words["model_beside"]),
            FileLocation(words["data"], words["data_beside"]),
            words["data_sha256"],
            None if sealed is None else Checksums.parse(sealed),
            reading=DataOptions.parse(values.get("reading", {})),
        )
        is_older = run.is_old and CHECK not in values
        return replace(run, intact=is_older or values.get(CHECK) == checksum(run._claims()))


def read_run(path: Path) -> RunFile:
    """Reads the ``run.json`` of a folder.

    Raises:
        InputError: the folder holds no run.
        DamagedFolderError: the file is damaged.
    """
    file = path / RUN
    with _readable_run(path):
        content = file.read_bytes()
    with explain_read_errors(file, "give the --out folder of a run"):
        try:
            return RunFile.parse(json.loads(content))
        except InputError as error:
            raise ValueError(str(error)) from error


@contextmanager
def _readable_run(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{path} holds no run that can be read ({RUN}: {error.strerror or error}): give the "
            "--out folder of a run"
        ) from error
