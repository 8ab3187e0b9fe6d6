"""Many properties of many models: a list of instances, and what was answered to each."""

from __future__ import annotations

import csv
import io
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from onnx_lippa.attacks import Settings
from onnx_lippa.certify import CertifySettings
from onnx_lippa.clock import OutOfTimeError
from onnx_lippa.errors import InputError, LippaError, unexpected
from onnx_lippa.question import Property
from onnx_lippa.runs.counterexample import write_counterexample
from onnx_lippa.runs.falsify import falsify, load_for
from onnx_lippa.runs.finding import Answer, Finding
from onnx_lippa.runs.processes import Died, Replied, WorkerPool
from onnx_lippa.runs.verify import verify
from onnx_lippa.runs.workers import stopping_time

_COLUMNS: Final = ("onnx", "vnnlib", "timeout")
_FIELDS: Final = (*_COLUMNS, "answer", "seconds", "load_seconds", "found_by", "lp_steps", "note")
_ANSWERING: Final = "answering"


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
        rows = list(csv.reader(path.read_text(encoding="utf-8-sig").splitlines()))
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

    All work is done in worker processes, so that no instance can end the list: what raises an
    exception, ends its process or does not end in time is an ``error``, with the reason.

    Args:
        instances: the questions.
        folder: what their paths are relative to.
        settings: budgets; each instance has its own time limit.
        proof: those of proofs; None where only counterexamples are looked for.
        workers: processes.
        counterexamples: folder for what was found, or None.
    """
    waiting = deque(_Turn(instance) for instance in instances)
    pool: WorkerPool[_Turn, str | InstanceResult]
    with WorkerPool(workers, _Charge, (folder, settings, proof, counterexamples), _work) as pool:
        while waiting or pool.is_busy:
            while waiting and pool.has_room:
                turn = waiting.popleft()
                turn.begun = time.monotonic()
                pool.submit(turn, stopping_time(turn.instance.timeout))
            for event in pool.wait():
                if isinstance(event, Died):
                    yield _lost(event)
                elif isinstance(event, Replied):
                    if isinstance(event.reply, InstanceResult):
                        yield event.reply
                    else:
                        event.task.doing = event.reply


@dataclass
class _Turn:
    """An instance on its way through a worker; the parent keeps what it says.

    Attributes:
        instance: the instance.
        begun: ``time.monotonic()`` at which it was given to a worker.
        doing: what is being done with it.
    """

    instance: Instance
    begun: float = 0.0
    doing: str = "starting"


@dataclass(frozen=True)
class _Charge:
    """What a worker needs for every instance; see :func:`answers`."""

    folder: Path
    settings: Settings
    proof: CertifySettings | None
    counterexamples: Path | None


def _lost(died: Died[_Turn]) -> InstanceResult:
    """The line of an instance whose process died, or had to be ended."""
    turn = died.task
    answer = "timeout" if died.overdue and turn.doing == _ANSWERING else "error"
    note, seconds = f"{turn.doing}: its process {died.reason}", time.monotonic() - turn.begun
    return InstanceResult(turn.instance, answer, seconds, 0.0, "", 0, note)


def _work(charge: _Charge, turn: _Turn) -> Iterator[str | InstanceResult]:
    """One instance from its files: what is being done, then the line; any failure is its answer."""
    instance, folder, started = turn.instance, charge.folder, time.monotonic()
    loaded, found, note = 0.0, None, ""
    try:
        yield "reading the property"
        asked = Property.from_vnnlib(folder / instance.vnnlib, started + instance.timeout)
        yield "reading the model"
        began = time.monotonic()
        model = load_for(asked, folder / instance.onnx)
        loaded = time.monotonic() - began
        yield _ANSWERING
        left = max(instance.timeout - (time.monotonic() - started), 1e-3)
        limited = replace(charge.settings, time_limit=left)
        if charge.proof is None:
            found = falsify(model, asked, limited)
        else:
            found = verify(model, asked, limited, charge.proof)
        note = found.note or found.reason
        if charge.counterexamples is not None and found.answer is Answer.SAT:
            name = f"{Path(instance.onnx).stem}_{Path(instance.vnnlib).name.split('.vnnlib')[0]}"
            write_counterexample(charge.counterexamples / f"{name}.txt", found)
    except OutOfTimeError as error:
        found, note = Finding(Answer.TIMEOUT), str(error)
    except LippaError as error:
        note = " ".join(str(error).split())
    except MemoryError:
        note = "its memory was used up"
    except Exception as error:  # noqa: BLE001 - no instance may end the list
        note = str(unexpected(error))
    seconds = time.monotonic() - started
    if found is None:
        yield InstanceResult(instance, "error", seconds, loaded, "", 0, note)
        return
    by = found.found_by.value
    yield InstanceResult(instance, found.answer.value, seconds, loaded, by, found.lp_steps, note)
