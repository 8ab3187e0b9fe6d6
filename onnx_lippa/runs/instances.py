"""Many properties of many models: a list of instances, and what was answered to each."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from onnx_lippa.attacks import Settings
from onnx_lippa.certify import CertifySettings
from onnx_lippa.errors import InputError, LippaError
from onnx_lippa.question import Property
from onnx_lippa.runs.counterexample import write_counterexample
from onnx_lippa.runs.falsify import falsify, load_for
from onnx_lippa.runs.finding import Answer
from onnx_lippa.runs.processes import begin_quietly, interrupts_held_back, process_pool
from onnx_lippa.runs.verify import verify

_COLUMNS: Final = ("onnx", "vnnlib", "timeout")
_FIELDS: Final = (*_COLUMNS, "answer", "seconds", "load_seconds", "found_by", "lp_steps", "note")


@dataclass(frozen=True)
class Instance:
    """One question of a list.

    Attributes:
        onnx: the model, as the list names it.
        vnnlib: the property, as the list names it.
        timeout: seconds for it.
    """

    onnx: str
    vnnlib: str
    timeout: float


@dataclass(frozen=True)
class InstanceResult:
    """One line of a list's results.

    Attributes:
        instance: the question.
        answer: ``sat``, ``unsat``, ``unknown``, ``timeout``, or ``error``
            with the reason in ``note``.
        seconds: wall time, reading of model and property included.
        load_seconds: the part of it that reading the model took.
        found_by: which part of the attack found the witness.
        lp_steps: LPSteps spent.
        note: what a reader should know, or empty.
    """

    instance: Instance
    answer: str
    seconds: float
    load_seconds: float
    found_by: str
    lp_steps: int
    note: str

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
    try:
        rows = list(csv.reader(path.read_text(encoding="utf-8").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"cannot read the instances {path}: {error}") from error
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
    """The results of an interrupted list; a line that was cut off is left out.

    Raises:
        InputError: the file cannot be read, or is no file of results.
    """
    try:
        rows = list(csv.reader(path.read_text(encoding="utf-8").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"cannot read the results {path}: {error}") from error
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
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error


def answers(
    instances: Sequence[Instance],
    folder: Path,
    settings: Settings,
    proof: CertifySettings | None,
    workers: int,
    counterexamples: Path | None,
) -> Iterator[InstanceResult]:
    """The answer to every instance, in the order in which they come.

    Args:
        instances: the questions.
        folder: what their paths are relative to.
        settings: budgets; each instance has its own time limit.
        proof: those of proofs; None where only counterexamples are looked for.
        workers: processes.
        counterexamples: folder for what was found, or None.
    """
    jobs = [(one, folder, settings, proof, counterexamples) for one in instances]
    if workers == 1 or len(jobs) <= 1:
        for job in jobs:
            yield _answered(*job)
        return
    with process_pool(min(workers, len(jobs)), begin_quietly) as executor:
        with interrupts_held_back():
            futures = [executor.submit(_answered, *job) for job in jobs]
        for future in as_completed(futures):
            yield future.result()


def _answered(
    instance: Instance,
    folder: Path,
    settings: Settings,
    proof: CertifySettings | None,
    counterexamples: Path | None,
) -> InstanceResult:
    """One instance from its files; what is wrong with them is its answer."""
    started = time.monotonic()
    loaded, found, note = 0.0, None, ""
    try:
        asked = Property.from_vnnlib(folder / instance.vnnlib)
        began = time.monotonic()
        model = load_for(asked, folder / instance.onnx)
        loaded = time.monotonic() - began
        left = max(instance.timeout - (time.monotonic() - started), 1e-3)
        limited = replace(settings, time_limit=left)
        if proof is None:
            found = falsify(model, asked, limited)
        else:
            found = verify(model, asked, limited, proof)
        note = found.note or found.reason
        if counterexamples is not None and found.answer is Answer.SAT:
            name = f"{Path(instance.onnx).stem}_{Path(instance.vnnlib).name.split('.vnnlib')[0]}"
            write_counterexample(counterexamples / f"{name}.txt", found)
    except (LippaError, MemoryError) as error:
        note = " ".join(str(error).split()) or "out of memory"
    seconds = time.monotonic() - started
    if found is None:
        return InstanceResult(instance, "error", seconds, loaded, "", 0, note)
    by = found.found_by.value
    return InstanceResult(instance, found.answer.value, seconds, loaded, by, found.lp_steps, note)
