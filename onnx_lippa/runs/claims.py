"""Checks the claims of a run from its files alone."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from onnx_lippa.arrays import Floats, InputRows, Integers
from onnx_lippa.errors import DamagedFolderError, FalseClaimError
from onnx_lippa.onnx_io import Model
from onnx_lippa.runs.files import explain_read_errors
from onnx_lippa.runs.folder import (
    ADVERSARIALS,
    AGAIN,
    RESULTS,
    SUMMARY,
    StoredWitnesses,
    check_records,
    read_stored_results,
    read_witnesses,
    summary_checksum,
)
from onnx_lippa.runs.identity import RunFile
from onnx_lippa.runs.record import JOURNAL, Record, read_records
from onnx_lippa.runs.summary import RunFacts, complete, summarise
from onnx_lippa.spec import Problem, Specification, Targets, UnsafeSet, get_norm
from onnx_lippa.witness import FoundBy, ProvedBy, Verdict, Witness, check_stored

_NOT_CHECKED: Final = ("versions",)
"""Fields of a summary that neither options nor results determine."""
_OF_IDENTITY: Final = frozenset({"features", "preprocess"})
_FACTS: Final = tuple(one.name for one in fields(RunFacts) if one.name not in _OF_IDENTITY)
"""Options that a summary holds unchanged."""
_LEFT_OUT: Final = frozenset({"broken_by"})
"""Figures that are left out where they are empty."""


@dataclass(frozen=True)
class Replayed:
    """The claims that a replay confirmed.

    Attributes:
        inputs: number of results.
        adversarial: number of witnesses that were replayed.
        misclassified: number of clean inputs that are misclassified.
        robust: number of inputs that the run calls robust. A replay does not repeat their proofs.
        requested: number of inputs of the run; more than ``inputs`` if it was interrupted or
            killed.
        killed: whether the run has not ended: it is still running, or was killed.
        lost: number of results that are left out because an old version was killed before it stored
            their witnesses.
        parts: the claims in each folder of a curve, by the folder's name.
        what: what is counted: inputs, or the instances of a list, where ``adversarial`` counts the
            answers ``sat`` and ``robust`` the answers ``unsat``.
        bounded: number of adversarial inputs with a lower bound of their minimal distortion, whose
            proofs are not repeated either.
    """

    inputs: int
    adversarial: int
    misclassified: int
    robust: int = 0
    requested: int = 0
    killed: bool = False
    lost: int = 0
    parts: tuple[tuple[str, Replayed], ...] = ()
    what: str = "inputs"
    bounded: int = 0

    @property
    def is_finished(self) -> bool:
        """Whether the run has a result for every input."""
        return not self.killed and self.inputs >= self.requested


def check_run(
    path: Path,
    run: RunFile,
    ended: list[Record] | None,
    model: Model,
    inputs: InputRows,
    labels: Integers,
    groups: Sequence[str] | None = None,
) -> Replayed:
    """Checks every claim of a run. Witnesses are replayed alone, in a pair, and all in one batch.

    A run that has not ended has the claims in its journal.

    Args:
        path: the run's folder.
        run: the content of ``run.json``.
        ended: the records of :func:`read_finished`.
        model: the model, freshly loaded.
        inputs: (n, d) the clean inputs, in the order of the run's indices.
        labels: (n,) their labels.
        groups: (n,) their groups; None where the data has none.

    Raises:
        InputError: a file of the run is missing or damaged.
        FalseClaimError: the first claim that does not hold.
    """
    identity = run.identity
    clean = _CleanInputs(_specification(run), model, identity.indices, inputs, labels)
    if ended is None:
        records, stored, lost = _in_progress(path, run, model)
    else:
        records, lost = ended, 0
        stored = read_witnesses(path / ADVERSARIALS, model.network.input_shape)
        _check_that_claims_have_witnesses(records, stored)
    rows = {index: row for row, index in enumerate(identity.indices)}
    for record in records:
        clean.check(record)
        if groups is not None:
            is_same = record.group in ("", groups[rows[record.index]])  # old records have none
            _make_check(record.index)(is_same, "its group is not that of the data")
    witnesses = _witnesses(model, stored, records, clean, run.is_old)
    if ended is not None:
        summary = _check_summary(path / SUMMARY, run, records, witnesses)
        _check_checksums(path, run, records, summary)
    wrong = sum(record.verdict is Verdict.MISCLASSIFIED for record in records)
    proven = sum(record.verdict is Verdict.ROBUST for record in records)
    bounded = sum(bool(r.distance_bound) for r in records if r.verdict is Verdict.ADVERSARIAL)
    return Replayed(
        len(records), len(witnesses), wrong, proven, len(identity.indices), ended is None, lost,
        bounded=bounded,
    )  # fmt: skip


def read_finished(path: Path, run: RunFile) -> list[Record] | None:
    """The records of a run that has ended; None if it is still running, or was killed.

    Raises:
        DamagedFolderError: the file is damaged.
        FalseClaimError: a record of an input that the run does not have.
    """
    is_killed = run.sealed is None or (path / JOURNAL).exists()
    if not (path / SUMMARY).exists() if run.is_old else is_killed:
        return None
    records, indices = read_records(path / RESULTS), set(run.identity.indices)
    for record in records:
        _make_check(record.index)(record.index in indices, "the run has no such input")
    return records


def _in_progress(
    path: Path, run: RunFile, model: Model
) -> tuple[list[Record], StoredWitnesses, int]:
    """Records and witnesses of a run that has not ended, and the number of lost witnesses."""
    listed = read_records(path / RESULTS)  # first: the journal of a running run is ahead of it
    kept = read_stored_results(path, run, model.network.input_shape)
    records = list(kept.records.values())
    if not run.is_old and [r.checksum() for r in listed] != [
        r.checksum() for r in records[: len(listed)]
    ]:
        raise DamagedFolderError(
            f"{path / RESULTS} lists other results than {JOURNAL}: run the same command again to "
            "write it anew"
        )
    claims = [r for r in records if r.verdict is Verdict.ADVERSARIAL]
    whole = [r for r in claims if r.index in kept.witnesses]
    found = [kept.witnesses[r.index] for r in whole]
    d, dtype = model.network.input_size, model.interface.dtype
    stored = StoredWitnesses(
        np.array([r.index for r in whole], dtype=np.int64),
        np.array([w.x for w in found]) if found else np.zeros((0, d), dtype),
        np.array([r.label for r in whole], dtype=np.int64),
        np.array([w.prediction for w in found], dtype=np.int64),
        np.array([w.outputs for w in found]) if found else np.zeros((0, 0), dtype),
    )
    lost = [r for r in claims if r.index not in kept.witnesses]
    if lost and not run.is_old:
        raise DamagedFolderError(
            f"{path / JOURNAL} lacks {len(lost)} adversarial inputs: run the same command again "
            "to look for them anew"
        )
    left_out = {r.index for r in lost}
    return [r for r in records if r.index not in left_out], stored, len(lost)


def _check_checksums(
    path: Path, run: RunFile, records: list[Record], summary: dict[str, Any]
) -> None:
    """Compares checksums: true claims may still differ from those that the run wrote."""
    if run.sealed is None:
        return
    check_records(path / RESULTS, records, run)
    with explain_read_errors(path / SUMMARY, AGAIN):
        if len(records) != len(run.sealed.results):
            raise ValueError(f"{RESULTS} has fewer or more lines than the run wrote")
        # For an old file it is the checksum of its own figures, or of the completed ones.
        if run.sealed.summary not in map(summary_checksum, (summary, complete(summary))):
            raise ValueError("its checksum is another")


class _CleanInputs:
    """The clean inputs of a run; checks the records of each."""

    def __init__(
        self,
        specification: Specification,
        model: Model,
        indices: tuple[int, ...],
        inputs: InputRows,
        labels: Integers,
    ) -> None:
        self._specification, self._inputs = specification, inputs
        self._outputs = model.runtime.forward(inputs)
        self._rows = {index: row for row, index in enumerate(indices)}
        self.labels = dict(zip(indices, labels.tolist(), strict=True))
        self._wrong = _misclassified(self._outputs, labels)

    def problem(self, index: int) -> Problem:
        """The problem of an input."""
        row = self._rows[index]
        label, outputs = self.labels[index], self._outputs[row]
        return self._specification.problem(index, self._inputs[row], label, outputs)

    def check(self, record: Record) -> None:
        """Checks the claims of a record, except its witness."""
        index = record.index
        require = _make_check(index)
        require(index in self._rows, "the run has no such input")
        outputs = self._outputs[self._rows[index]]
        require(record.label == self.labels[index], "its label is not that of the data")
        require(
            record.prediction == int(outputs.argmax()),
            "its stated prediction is not what ONNX Runtime gives for the clean input",
        )
        require(
            bool(self._wrong[self._rows[index]]) == (record.verdict is Verdict.MISCLASSIFIED),
            "its clean input is classified otherwise than the run says",
        )
        proven = record.proved_by is not ProvedBy.NOTHING
        require(
            proven == (record.verdict is Verdict.ROBUST), "it does not say what proves it robust"
        )
        positive = record.bound is not None and record.bound > 0
        # A bound of 0 leaves ties, which do not count as adversarial.
        safe = positive or record.bound == 0
        require(safe or not proven, "its proven bound is negative, or missing")
        if record.verdict is Verdict.ADVERSARIAL:
            found = record.found_by not in (FoundBy.NOTHING, FoundBy.CLEAN)
            require(not positive, "it is adversarial and has a positive proven bound")
            require(found, "it does not say what found its adversarial input")
        else:
            wrong = record.verdict is Verdict.MISCLASSIFIED
            stated = (record.target, record.distance, record.found_by, record.broken_by)
            found_by = FoundBy.CLEAN if wrong else FoundBy.NOTHING
            due = (None, 0.0 if wrong else None, found_by, "")
            require(stated == due, "it states more than its verdict allows")
        bounded = record.distance_proved_by is not ProvedBy.NOTHING
        require(bounded or record.distance_bound == 0, "nothing proves its least distance")
        least = math.inf if record.distance_bound is None else record.distance_bound
        nearer = record.distance is not None and record.distance < least
        require(not nearer, "its adversarial input is nearer than its least distance")


def _misclassified(outputs: Floats, labels: Integers) -> npt.NDArray[np.bool_]:
    """(n,) whether another class than the label has the largest output, for outputs (n, k)."""
    wrong = np.zeros(len(labels), dtype=np.bool_)
    for label in np.unique(labels).tolist():
        rows = np.flatnonzero(labels == label)
        unsafe = UnsafeSet.misclassification(label, outputs.shape[1])
        wrong[rows] = np.any(unsafe.margins(outputs[rows]) < 0, axis=1)
    return wrong


def _check_that_claims_have_witnesses(records: list[Record], stored: StoredWitnesses) -> None:
    for index, times in Counter(record.index for record in records).items():
        _make_check(index)(times == 1, f"{RESULTS} has {times} results for it")
    claims = sorted(r.index for r in records if r.verdict is Verdict.ADVERSARIAL)
    if claims != sorted(stored.index.tolist()):
        raise FalseClaimError(
            f"{RESULTS} claims {len(claims)} adversarial inputs, but {ADVERSARIALS} holds "
            f"{len(stored.index)}, or others"
        )


def _witnesses(
    model: Model, stored: StoredWitnesses, records: list[Record], clean: _CleanInputs, is_old: bool
) -> dict[int, Witness]:
    """Replays every stored adversarial input."""
    if len(stored.index) and stored.inputs.dtype != model.interface.dtype:
        raise DamagedFolderError(
            f"{ADVERSARIALS} holds {stored.inputs.dtype} inputs where the model takes "
            f"{model.interface.dtype}: run the attack again with another --out"
        )
    together = model.runtime.forward(stored.inputs) if len(stored.index) else stored.outputs
    stated = {record.index: record for record in records}
    found = {}
    for row, index in enumerate(stored.index.tolist()):
        problem, require = clean.problem(index), _make_check(index)
        witness = check_stored(model.runtime, stored.inputs[row], problem.inputs, problem.unsafe)
        if witness is None:
            raise FalseClaimError(
                f"input {index}: its stored adversarial input does not replay: it is not "
                "misclassified, or it leaves the eps ball, the domain or the grid"
            )
        require(
            problem.unsafe.contains(together[row]),
            "its adversarial input is not misclassified in the batch of all of them",
        )
        reached = {d.target for d in problem.unsafe.disjuncts if d.contains(witness.outputs)}
        require(
            stated[index].target in reached,
            "its stated target is not a class that counts and outdoes its label",
        )
        require(
            stored.labels[row] == clean.labels[index],
            f"its label in {ADVERSARIALS} is not that of the data",
        )
        require(
            witness.prediction == stored.predictions[row],
            "its stored prediction is not what ONNX Runtime gives",
        )
        distance = stated[index].distance
        if is_old and distance is not None and math.isclose(distance, witness.distance):
            # Old versions rounded distances to nearest.
            witness = replace(witness, distance=distance)
        require(witness.distance == distance, "its stated distance is not that of the stored input")
        found[index] = witness
    return found


def _specification(run: RunFile) -> Specification:
    identity = run.identity
    return Specification(
        get_norm(identity.norm), identity.features,
        Targets.parse(identity.targets), minimize=identity.features.eps is None,
    )  # fmt: skip


def _check_summary(
    path: Path, run: RunFile, records: list[Record], witnesses: dict[int, Witness]
) -> dict[str, Any]:
    """Computes the summary again and compares every figure.

    Returns:
        The values of the file; old files lack some.
    """
    with explain_read_errors(path, AGAIN):
        written: dict[str, Any] = json.loads(path.read_bytes())
        stored = complete(written)
        facts = {name: stored[name] for name in _FACTS}
        seconds = stored["seconds"]
    for name in ("model_sha256", "norm", "features", "targets"):
        facts[name] = getattr(run.identity, name)
    facts["preprocess"] = str(run.identity.preprocess or "")
    facts["requested"] = len(run.identity.indices)
    results = [record.result(witnesses.get(record.index)) for record in records]
    expected = summarise(RunFacts(**facts), results, seconds).as_json()
    for name in (*expected, *(stored.keys() & _LEFT_OUT - expected.keys())):
        value = expected.get(name)
        if name not in _NOT_CHECKED and stored.get(name) != value:
            raise FalseClaimError(
                f"{SUMMARY} says {name} is {stored.get(name)}, but the run's other files give "
                f"{value}"
            )
    return written


def _make_check(index: int) -> Callable[[bool, str], None]:
    """A check of the claims of one input, which raises FalseClaimError."""

    def require(holds: bool, otherwise: str) -> None:
        if not holds:
            raise FalseClaimError(f"input {index}: {otherwise}")

    return require
