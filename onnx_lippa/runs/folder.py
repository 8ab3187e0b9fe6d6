"""The folder of a run: results and witnesses, written as they come and read back."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, final
from zipfile import ZipFile

import numpy as np

from onnx_lippa.arrays import AnyArray, Floats, Integers, Shape, size
from onnx_lippa.data.npz import read_member
from onnx_lippa.errors import DamagedFolderError, InputError
from onnx_lippa.runs.configuration import CONFIG, Configuration
from onnx_lippa.runs.files import (
    FolderLock,
    LineFile,
    checksum,
    complete_lines,
    explain_read_errors,
    explain_write_errors,
    remove_file,
    replace_file,
    replace_with,
)
from onnx_lippa.runs.identity import (
    CURVE,
    LIST,
    RUN,
    Checksums,
    FileLocation,
    Identity,
    RunFile,
    read_run,
)
from onnx_lippa.runs.inputs import RunInputs
from onnx_lippa.runs.record import JOURNAL, Entry, Journal, Record, parse_records, read_journal
from onnx_lippa.runs.summary import Summary
from onnx_lippa.witness import Result, Verdict, Witness

SUMMARY: Final = "summary.json"
RESULTS: Final = "results.jsonl"
ADVERSARIALS: Final = "adversarials.npz"
DATA: Final = "data.npz"
AGAIN: Final = "run the attack again with another --out"
"""Advice about a damaged folder."""
_ARRAYS: Final = ("index", "inputs", "labels", "predictions", "outputs")
_MODEL_TYPES: Final = (np.float32, np.float64)
"""Types of a model's inputs and outputs."""


@dataclass(frozen=True)
class StoredResults:
    """The results in the files of a run.

    Attributes:
        records: records by index, in the order in which they were written.
        witnesses: witnesses by index.
        has_journal: whether the run has not ended, or was killed.
    """

    records: dict[int, Record]
    witnesses: dict[int, Witness]
    has_journal: bool


def read_stored_results(folder: Path, run: RunFile, sample_shape: Shape) -> StoredResults:
    """Reads the results and witnesses of a run, finished or not.

    A result counts if a checksum or the journal confirms it; in old folders without these, every
    result counts.

    Raises:
        DamagedFolderError: a file is damaged.
    """
    path = folder / RESULTS
    records: dict[int, Record] = {}
    with explain_read_errors(path, AGAIN):
        lines = complete_lines(path.read_bytes()) if path.exists() else []
        if not run.is_old:
            lines = lines[: 0 if run.sealed is None else len(run.sealed.results)]
        listed = parse_records(path, lines)
        check_records(path, listed, run)
        records = {record.index: record for record in listed}
    witnesses: dict[int, Witness] = {}
    with explain_read_errors(folder / ADVERSARIALS, AGAIN):
        if (folder / ADVERSARIALS).exists():
            stored = read_witnesses(folder / ADVERSARIALS, sample_shape)
            for row, index in enumerate(stored.index.tolist()):
                record = records.get(index)
                if record is not None and record.distance is not None:
                    pair = (stored.inputs[row], stored.outputs[row])
                    witnesses[index] = Witness(*pair, record.distance)
    entries = read_journal(folder)
    for entry in entries or ():
        index = entry.record.index
        if entry.witness is not None and entry.witness.x.shape != (size(sample_shape),):
            raise DamagedFolderError(
                f"{folder / JOURNAL} holds a witness of another shape: {AGAIN}"
            )
        records[index] = entry.record
        witnesses.pop(index, None)
        if entry.witness is not None:
            witnesses[index] = entry.witness
    return StoredResults(records, witnesses, entries is not None)


def check_records(path: Path, records: list[Record], run: RunFile) -> None:
    """Raises DamagedFolderError where records differ from their checksums."""
    checks = () if run.sealed is None else run.sealed.results
    for number, (record, check) in enumerate(zip(records, checks, strict=False), start=1):
        if record.checksum() != check:
            raise DamagedFolderError(
                f"line {number} of {path} is damaged (its checksum is another): {AGAIN}"
            )


def summary_checksum(figures: dict[str, Any]) -> int:
    """The checksum of a summary's JSON values, without the paths of model and data."""
    return checksum({name: v for name, v in figures.items() if name not in ("model", "data")})


@dataclass(frozen=True)
class StoredWitnesses:
    """The arrays of ``adversarials.npz``.

    Attributes:
        index: (n,) indices of the clean inputs in the data.
        inputs: (n, d) adversarial inputs in the type of the model.
        labels: (n,) labels of the clean inputs.
        predictions: (n,) classes that the model gives the adversarial inputs.
        outputs: (n, k) the model's outputs for them.
    """

    index: Integers
    inputs: Floats
    labels: Integers
    predictions: Integers
    outputs: Floats


def read_witnesses(path: Path, sample_shape: Shape) -> StoredWitnesses:
    """Reads the adversarial inputs of a run.

    Raises:
        DamagedFolderError: the file is missing or damaged.
    """
    with explain_read_errors(path, AGAIN):
        with ZipFile(path) as archive:
            arrays = [_read_array(archive, path, name) for name in _ARRAYS]
        stored = StoredWitnesses(*arrays)
        n = len(stored.index)
        exact = stored.inputs.dtype in _MODEL_TYPES and stored.outputs.dtype in _MODEL_TYPES
        whole = all(a.dtype == np.int64 and a.shape == (n,)
                    for a in (stored.index, stored.labels, stored.predictions))  # fmt: skip
        if not exact or not whole or stored.inputs.shape != (n, *sample_shape):
            raise ValueError("arrays of other types or shapes")
        if len(stored.outputs) != n:
            raise ValueError("arrays of different lengths")
        return replace(stored, inputs=stored.inputs.reshape(n, size(sample_shape)))


def _read_array(archive: ZipFile, path: Path, name: str) -> AnyArray:
    try:
        found = read_member(archive, archive.getinfo(f"{name}.npy"), path, str(path)).values
    except InputError as error:
        raise DamagedFolderError(f"{error}: {AGAIN}") from error
    return np.array(found) if isinstance(found, np.memmap) else found


@final
class RunFolder:
    """The folder of a run in progress. Opening it resumes an interrupted run of equal identity.

    Args:
        path: the folder.
        identity: the identity of the run.
        model: path of the model.
        inputs: the clean inputs; those that are in no file are stored in the folder.
        sample_shape: shape of one input, in which adversarial inputs are stored.
        configuration: the options of the run, for its ``config.toml``; None writes none.

    Raises:
        InputError: the folder cannot be written, is in use, or holds another run.
        DamagedFolderError: it holds a run whose files are damaged.
    """

    def __init__(
        self,
        path: Path,
        identity: Identity,
        model: Path,
        inputs: RunInputs,
        sample_shape: Shape,
        configuration: Configuration | None = None,
    ) -> None:
        self.path, self._inputs, self._shape = path, inputs, sample_shape
        self._finished: dict[int, Result] = {}
        self._journal: Journal | None = None
        self._results: LineFile | None = None
        self._checks: list[int] = []
        self._is_torn = False
        with explain_write_errors(path):
            path.mkdir(parents=True, exist_ok=True)
        self._lock = FolderLock(path)
        try:
            self._run = self._begin(identity, model, inputs)
            if inputs.path is None:
                self._save_data()
            if configuration is not None:
                replace_file(path / CONFIG, configuration.content())
        except BaseException:
            self._release_files()
            raise

    def _begin(self, identity: Identity, model: Path, inputs: RunInputs) -> RunFile:
        """Reads the folder and writes the first files of the run."""
        data = inputs.path
        run = RunFile(
            identity,
            FileLocation.seen_from(self.path, model),
            FileLocation("") if data is None else FileLocation.seen_from(self.path, data),
            reading=inputs.reading,
        )
        with explain_write_errors(self.path):
            started = (self.path / RUN).exists()
        if started:
            known = read_run(self.path)
            if not known.intact:
                raise DamagedFolderError(
                    f"{self.path / RUN} is not as the run wrote it: give another --out"
                )
            if known.identity != identity:
                raise InputError(
                    f"{self.path} holds the results of another run (it differs in "
                    f"{known.identity.difference(identity)}): give another --out, or the "
                    "arguments of that run to continue it"
                )
            run = self._resume(known, run)
        else:
            for name in (RESULTS, SUMMARY, ADVERSARIALS, DATA, JOURNAL, CONFIG, CURVE, LIST):
                if (self.path / name).exists():
                    raise InputError(
                        f"{self.path} holds a {name} that is not of this run: give another --out"
                    )
        # Written even where nothing changes, so that a full disk is found before the work.
        replace_file(self.path / RUN, run.content())
        self._write_results()
        return run

    @property
    def finished(self) -> list[Result]:
        """The finished results, by index."""
        return [self._finished[index] for index in sorted(self._finished)]

    def add(self, result: Result) -> None:
        """Writes one result and its witness.

        Raises:
            InputError: it cannot be written.
        """
        self._finished[result.index] = result
        record = self._inputs.record(result)
        try:
            if self._journal is None:
                self._journal = Journal(self.path)
            if self._results is None:
                self._results = LineFile(self.path / RESULTS)
            self._journal.append(Entry(record, result.witness))
            self._results.append(record.line().encode())
        except BaseException:
            self._is_torn = True
            raise
        self._checks.append(record.checksum())

    def _save_data(self) -> None:
        """Stores inputs that are in no file."""
        rows, labels = self._inputs.inputs[:], self._inputs.labels
        arrays: dict[str, AnyArray] = {"inputs": rows.reshape(len(labels), *self._shape)}
        if self._inputs.are_labelled:
            arrays["labels"] = labels
        if self._inputs.groups is not None:
            arrays["groups"] = np.array(self._inputs.groups)
        _write_arrays(self.path / DATA, arrays)

    def close(self, summary: Summary) -> None:
        """Writes all files at the end of a run, or at an interrupt, so that they agree.

        Raises:
            InputError: they cannot be written; the journal stays.
        """
        try:
            if self._is_torn:
                self._write_results()
            elif self._results is not None:
                self._results.sync()
            self._save_witnesses()
            figures = summary.as_json()
            replace_file(self.path / SUMMARY, (json.dumps(figures, indent=2) + "\n").encode())
            sealed = Checksums(tuple(self._checks), summary_checksum(figures))
            replace_file(self.path / RUN, replace(self._run, sealed=sealed).content())
            remove_file(self.path / JOURNAL)
        finally:
            self._release_files()

    def _release_files(self) -> None:
        for file in (self._journal, self._results):
            if file is not None:
                file.close()
        self._lock.release()
        self._journal, self._results = None, None

    def _save_witnesses(self) -> None:
        known = [o for o in self.finished if o.witness is not None]
        stored = [o.witness for o in known if o.witness is not None]
        inputs = np.array([w.x for w in stored], dtype=None if stored else np.float32)
        arrays: dict[str, AnyArray] = {
            "index": np.array([o.index for o in known], dtype=np.int64),
            "inputs": inputs.reshape(len(stored), *self._shape),
            "labels": np.array([self._inputs.label(o.index) for o in known], dtype=np.int64),
            "predictions": np.array([w.prediction for w in stored], dtype=np.int64),
            "outputs": np.array([w.outputs for w in stored], dtype=None if stored else np.float32),
        }
        _write_arrays(self.path / ADVERSARIALS, arrays)

    def _write_results(self) -> None:
        records = [self._inputs.record(result) for result in self._finished.values()]
        replace_file(self.path / RESULTS, "".join(record.line() for record in records).encode())
        self._checks, self._is_torn = [record.checksum() for record in records], False

    def _resume(self, known: RunFile, run: RunFile) -> RunFile:
        """Reads the results of an interrupted run; a claim without its witness is dropped.

        Returns:
            The new content of ``run.json``.
        """
        kept = read_stored_results(self.path, known, self._shape)
        for record in kept.records.values():
            index = record.index
            if self._inputs.label(index) != record.label:
                raise InputError(
                    f"{self.path / RESULTS} has another label for input {index} than the data: "
                    "give another --out"
                )
            witness = kept.witnesses.get(index)
            if record.verdict is not Verdict.ADVERSARIAL:
                self._finished[index] = record.result(None)
            elif witness is not None:
                self._finished[index] = record.result(witness)
        entries = [Entry(self._inputs.record(o), o.witness) for o in self._finished.values()]
        checks = tuple(entry.record.checksum() for entry in entries)
        before = None if known.sealed is None else known.sealed.results
        if before is not None and checks[: len(before)] == before:
            run = replace(run, sealed=known.sealed)
            if kept.has_journal:
                # A line that was cut short must not run into the next one.
                _cut_to_whole_lines(self.path / JOURNAL)
        else:
            lines = (entry.line() for entry in entries)
            replace_with(self.path / JOURNAL, lambda file: file.writelines(lines))
        return run


def _cut_to_whole_lines(path: Path) -> None:
    with explain_write_errors(path):
        content = path.read_bytes()
        os.truncate(path, content.rfind(b"\n") + 1)


def _write_arrays(path: Path, arrays: dict[str, AnyArray]) -> None:
    # Not compressed: for images this took longer than the attack.
    replace_with(path, lambda file: np.savez(file, **arrays))  # type: ignore[arg-type]
