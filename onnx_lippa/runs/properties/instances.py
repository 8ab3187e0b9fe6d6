"""Lists of instances, each a model with a property, and their results, as CSV files."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from onnx_lippa.errors import InputError
from onnx_lippa.runs.files import replace_file

_COLUMNS: Final = ("onnx", "vnnlib", "timeout")
_FIELDS: Final = (*_COLUMNS, "answer", "seconds", "load_seconds", "found_by", "lp_steps", "note")
_MOST_BYTES: Final = 100_000_000
"""Length of a list; one of a million instances is shorter."""


@dataclass(frozen=True)
class Instance:
    """One instance of a list.

    Attributes:
        onnx: path of the model, as in the list.
        vnnlib: path of the property, as in the list.
        timeout: seconds for it.
    """

    onnx: str
    vnnlib: str
    timeout: float

    @property
    def name(self) -> str:
        """The instance in a sentence."""
        return f"{self.onnx} with {self.vnnlib}"

    def as_json(self) -> dict[str, Any]:
        """The instance as plain JSON values; null is no timeout."""
        timeout = None if math.isinf(self.timeout) else float(self.timeout)  # 20 and 20.0 are one
        return vars(self) | {"timeout": timeout}


@dataclass(frozen=True)
class InstanceResult:
    """The result of an instance.

    Attributes:
        instance: the instance.
        answer: ``sat``, ``unsat``, ``unknown``, ``timeout``, or ``error`` with the reason in
            ``note``.
        seconds: wall time, with reading of model and property.
        load_seconds: the part of it that reading the model took.
        found_by: which part of the attack found the witness.
        lp_steps: number of LPSteps.
        note: a note on the answer, or empty.
        model_sha256: digest of the model that was loaded; empty where none was.
        property_sha256: digest of the property's text; empty where it could not be read.
        counterexample: the counterexample in the format of VNN-COMP, or empty.
        gradients: number of gradients.
        queries: number of queries of the outputs alone.
        lps: number of linear programs of proofs.
        mips: number of mixed-integer programs.
        nodes: number of nodes of branch and bound.
        cases: number of cases of the property; 0 where it was not read.
        proven_cases: number of cases that no input meets, as is proven.
        best_margin: the least margin met by any point; None without one.
        bound: proven lower bound of the margin over all cases; None without a finite one.
    """

    instance: Instance
    answer: str
    seconds: float
    load_seconds: float
    found_by: str
    lp_steps: int
    note: str
    model_sha256: str = ""
    property_sha256: str = ""
    counterexample: str = ""
    gradients: int = 0
    queries: int = 0
    lps: int = 0
    mips: int = 0
    nodes: int = 0
    cases: int = 0
    proven_cases: int = 0
    best_margin: float | None = None
    bound: float | None = None

    def as_json(self) -> dict[str, Any]:
        """The result as plain JSON values, those of the instance among them."""
        own = {name: value for name, value in vars(self).items() if name != "instance"}
        return self.instance.as_json() | own

    def line(self) -> str:
        """Its line of the results file."""
        file, one = io.StringIO(), self.instance
        csv.writer(file, lineterminator="\n").writerow(
            [one.onnx, one.vnnlib, f"{one.timeout:g}", self.answer, f"{self.seconds:.3f}",
             f"{self.load_seconds:.3f}", self.found_by, self.lp_steps, self.note]
        )  # fmt: skip
        return file.getvalue()


def read_instances(path: Path) -> list[Instance]:
    """The instances of a CSV file: model, property and timeout, by name or in this order.

    A first line with the names ``onnx``, ``vnnlib`` and ``timeout`` (or ``timeout_s``) may give
    the columns another order, and others beside them.

    Raises:
        InputError: the file cannot be read, or a line is no instance.
    """
    rows = _rows(path, "instances")
    columns, first = (0, 1, 2), 0
    if rows:
        names = [name.strip().lower().removesuffix("_s") for name in rows[0]]
        if set(_COLUMNS) <= set(names):
            columns, first = tuple(names.index(name) for name in _COLUMNS), 1  # type: ignore[assignment]
    instances = [
        _instance(path, number, row, columns)
        for number, row in enumerate(rows[first:], start=first + 1)
        if any(entry.strip() for entry in row)
    ]
    if not instances:
        raise InputError(f"{path} lists no instance: give lines like model.onnx,spec.vnnlib,60")
    return instances


def _rows(path: Path, kind: str) -> list[list[str]]:
    """The rows of a CSV file.

    Raises:
        InputError: it cannot be read, is too long, or is no CSV file.
    """
    try:
        if path.exists() and not path.is_file():
            raise InputError(f"the {kind} {path} are not a regular file: give a CSV file")
        length = path.stat().st_size
        if length > _MOST_BYTES:
            raise InputError(
                f"the {kind} {path} have {length:,} bytes, and at most {_MOST_BYTES:,} are read: "
                "split the list"
            )
        reader = csv.reader(path.read_text(encoding="utf-8-sig").splitlines())
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read the {kind} {path}: {error}") from error
    rows: list[list[str]] = []
    try:
        rows.extend(reader)
    except csv.Error as error:
        raise InputError(
            f"{path}, line {len(rows) + 1}: no CSV, or an entry of more than "
            f"{csv.field_size_limit():,} characters: write the list again"
        ) from error
    return rows


def _instance(path: Path, number: int, row: Sequence[str], columns: tuple[int, ...]) -> Instance:
    try:
        onnx, vnnlib, timeout = (row[column].strip() for column in columns)
        seconds = float(timeout)
    except (IndexError, ValueError) as error:
        raise InputError(
            f"{path}, line {number}: give a model, a property and a timeout in seconds, "
            "as in model.onnx,spec.vnnlib,60"
        ) from error
    if not seconds > 0:
        raise InputError(f"{path}, line {number}: the timeout is {timeout}: give a positive number")
    return Instance(onnx, vnnlib, seconds)


def read_results(path: Path) -> list[InstanceResult]:
    """The results of a list, as far as a CSV file holds them.

    Raises:
        InputError: the file cannot be read, or is no file of results.
    """
    rows = _rows(path, "results")
    if rows and tuple(rows[0]) != _FIELDS:
        raise InputError(f"{path} is no file of results of this program: give another --out")
    results = []
    for row in rows[1:]:
        if len(row) == len(_FIELDS):
            onnx, vnnlib, timeout, answer, seconds, load_seconds, found_by, lp_steps, note = row
            results.append(
                InstanceResult(
                    Instance(onnx, vnnlib, float(timeout)), answer, float(seconds),
                    float(load_seconds), found_by, int(lp_steps), note,
                )
            )  # fmt: skip
    return results


def write_results(path: Path, results: Sequence[InstanceResult]) -> None:
    """Writes a file of results whole.

    Raises:
        InputError: it cannot be written.
    """
    text = ",".join(_FIELDS) + "\n" + "".join(result.line() for result in results)
    replace_file(path, text.encode())
