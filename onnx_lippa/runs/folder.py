"""The folder of a run: what had finished is on disk, whatever happens next.

A run in progress appends each outcome, with its witness, to ``journal.jsonl`` and then to
``results.jsonl``. At its end, or at an interrupt, the witnesses are gathered in
``adversarials.npz``, the figures in ``summary.json``, checksums of both texts go into
``run.json``, and the journal is removed. What of the two texts lies behind these checksums and in
no journal is not believed.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from onnx_lippa.arrays import AnyArray, Floats, Integers, Shape
from onnx_lippa.errors import DamagedFolderError, InputError
from onnx_lippa.runs.files import (
    FolderLock,
    LineFile,
    remove_file,
    replace_file,
    replace_with,
    writing,
)
from onnx_lippa.runs.identity import Identity
from onnx_lippa.runs.journal import JOURNAL, Entry, Journal
from onnx_lippa.runs.records import Record
from onnx_lippa.runs.run_file import CURVE, LIST, RUN, Place, RunFile, Sealed, read_run
from onnx_lippa.runs.stored import ADVERSARIALS, DATA, RESULTS, SUMMARY, read_kept, summary_checksum
from onnx_lippa.runs.summary import Summary
from onnx_lippa.witness import Outcome, Verdict


class RunFolder:
    """Writes results as they come, and reads them back.

    Args:
        path: the folder.
        sample_shape: shape of one input, in which adversarial inputs are stored.
    """

    def __init__(self, path: Path, sample_shape: Shape) -> None:
        self.path, self._shape = path, sample_shape
        self._outcomes: dict[int, Outcome] = {}
        self._labels: dict[int, int] = {}
        self._predictions: dict[int, int] = {}
        self._run: RunFile | None = None
        self._lock: FolderLock | None = None
        self._journal: Journal | None = None
        self._results: LineFile | None = None
        self._checks: list[int] = []
        self._is_torn = False

    def open(
        self,
        identity: Identity,
        model: Path,
        data: Path | None,
        predictions: dict[int, int],
        labels: dict[int, int],
    ) -> None:
        """Prepares the folder; takes up an interrupted run that asked the same.

        Args:
            identity: what this run is asked.
            model: where the model is.
            data: where the data is; None where the inputs go into the folder.
            predictions: class the model gives each clean input, by index.
            labels: label of each input, by index.

        Raises:
            InputError: the folder cannot be written, is in use, or holds another run.
            DamagedFolderError: it holds a run whose files are damaged.
        """
        self._labels, self._predictions = labels, predictions
        with writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        self._lock = FolderLock(self.path)
        try:
            self._begin(identity, model, data)
        except BaseException:
            self._let_go()
            raise

    def _begin(self, identity: Identity, model: Path, data: Path | None) -> None:
        run = RunFile(
            identity,
            Place.seen_from(self.path, model),
            Place("") if data is None else Place.seen_from(self.path, data),
        )
        with writing(self.path):
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
            run = self._take_up(known, run)
        else:
            for name in (RESULTS, SUMMARY, ADVERSARIALS, DATA, JOURNAL, CURVE, LIST):
                if (self.path / name).exists():
                    raise InputError(
                        f"{self.path} holds a {name} that is not of this run: give another --out"
                    )
        # Written even where nothing changes, so that a full disk is found before the work.
        replace_file(self.path / RUN, run.content())
        self._write_results()
        self._run = run

    @property
    def finished(self) -> list[Outcome]:
        """Outcomes that are known, by index."""
        return [self._outcomes[index] for index in sorted(self._outcomes)]

    def add(self, outcome: Outcome) -> None:
        """Writes one outcome and its witness.

        Raises:
            InputError: it cannot be written.
        """
        self._outcomes[outcome.index] = outcome
        record = self._record(outcome)
        try:
            if self._journal is None:
                self._journal = Journal(self.path)
            if self._results is None:
                self._results = LineFile(self.path / RESULTS)
            self._journal.append(Entry(record, outcome.witness))
            self._results.append(record.line().encode())
        except BaseException:
            self._is_torn = True
            raise
        self._checks.append(record.checksum())

    def save_data(self, inputs: Floats, labels: Integers) -> None:
        """Keeps inputs that exist nowhere else."""
        shaped = inputs.reshape(len(inputs), *self._shape)
        _write_arrays(self.path / DATA, {"inputs": shaped, "labels": labels})

    def close(self, summary: Summary) -> None:
        """Writes what is known at the end, or at an interrupt: files that agree.

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
            if self._run is not None:
                sealed = Sealed(tuple(self._checks), summary_checksum(figures))
                run = replace(self._run, sealed=sealed)
                replace_file(self.path / RUN, run.content())
            remove_file(self.path / JOURNAL)
        finally:
            self._let_go()

    def _let_go(self) -> None:
        for file in (self._journal, self._results):
            if file is not None:
                file.close()
        if self._lock is not None:
            self._lock.release()
        self._journal, self._results, self._lock = None, None, None

    def _save_witnesses(self) -> None:
        known = [o for o in self.finished if o.witness is not None]
        stored = [o.witness for o in known if o.witness is not None]
        inputs = np.array([w.x for w in stored], dtype=None if stored else np.float32)
        arrays: dict[str, AnyArray] = {
            "index": np.array([o.index for o in known], dtype=np.int64),
            "inputs": inputs.reshape(len(stored), *self._shape),
            "labels": np.array([self._labels[o.index] for o in known], dtype=np.int64),
            "predictions": np.array([w.prediction for w in stored], dtype=np.int64),
            "outputs": np.array([w.outputs for w in stored], dtype=None if stored else np.float32),
        }
        _write_arrays(self.path / ADVERSARIALS, arrays)

    def _write_results(self) -> None:
        records = [self._record(outcome) for outcome in self._outcomes.values()]
        replace_file(self.path / RESULTS, "".join(record.line() for record in records).encode())
        self._checks, self._is_torn = [record.checksum() for record in records], False

    def _record(self, outcome: Outcome) -> Record:
        index = outcome.index
        return Record.of(outcome, self._labels[index], self._predictions[index])

    def _take_up(self, known: RunFile, run: RunFile) -> RunFile:
        """Reads the outcomes of an interrupted run; a claim without its witness is dropped.

        Returns:
            What ``run.json`` is to hold now.
        """
        kept = read_kept(self.path, known, self._shape)
        for record in kept.records.values():
            index = record.index
            if self._labels.get(index) != record.label:
                raise InputError(
                    f"{self.path / RESULTS} has another label for input {index} than the data: "
                    "give another --out"
                )
            witness = kept.witnesses.get(index)
            if record.verdict is not Verdict.ADVERSARIAL:
                self._outcomes[index] = record.outcome(None)
            elif witness is not None:
                self._outcomes[index] = record.outcome(witness)
        entries = [Entry(self._record(o), o.witness) for o in self._outcomes.values()]
        checks = tuple(entry.record.checksum() for entry in entries)
        before = None if known.sealed is None else known.sealed.results
        if before is not None and checks[: len(before)] == before:
            run = replace(run, sealed=known.sealed)
            if kept.has_journal:
                # A last line that was cut short must not meet the next one.
                _cut_to_whole_lines(self.path / JOURNAL)
        else:
            lines = (entry.line() for entry in entries)
            replace_with(self.path / JOURNAL, lambda file: file.writelines(lines))
        return run


def _cut_to_whole_lines(path: Path) -> None:
    with writing(path):
        content = path.read_bytes()
        os.truncate(path, content.rfind(b"\n") + 1)


def _write_arrays(path: Path, arrays: dict[str, AnyArray]) -> None:
    # Not compressed: that took longer than the attack itself on images.
    replace_with(path, lambda file: np.savez(file, **arrays))  # type: ignore[arg-type]
