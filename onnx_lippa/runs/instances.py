"""Many properties of many models: a list of instances, and what was answered to each."""

from __future__ import annotations

import csv
import io
import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from onnx_lippa.attacks import AttackMethod
from onnx_lippa.clock import OutOfTimeError
from onnx_lippa.errors import InputError, LippaError, unexpected
from onnx_lippa.onnx_io import LoadLimits
from onnx_lippa.proofs import ProofMethod
from onnx_lippa.runs.falsify import falsify, load_for
from onnx_lippa.runs.files import replace_file
from onnx_lippa.runs.finding import Answer, Finding, counterexample_text
from onnx_lippa.runs.processes import Died, Replied, WorkerPool
from onnx_lippa.runs.verify import verify
from onnx_lippa.runs.workers import stopping_time
from onnx_lippa.spec import Property
from onnx_lippa.state import Budget

_COLUMNS: Final = ("onnx", "vnnlib", "timeout")
_FIELDS: Final = (*_COLUMNS, "answer", "seconds", "load_seconds", "found_by", "lp_steps", "note")
_MOST_BYTES: Final = 100_000_000
"""Length of a list; one of a million instances is shorter."""
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
        model_sha256: digest of the model that was loaded; empty where none was.
        property_sha256: digest of the property's text; empty where it could not be read.
        counterexample: what was found, in the format of the competition, or empty.
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


class InterruptedList(KeyboardInterrupt):
    """A list of instances was interrupted.

    Attributes:
        results: the answers so far; they are on disk too where the list has a folder.
    """

    def __init__(self, results: tuple[InstanceResult, ...]) -> None:
        super().__init__(f"{len(results)} instances are answered")
        self.results = results


def answers(
    instances: Sequence[Instance],
    folder: Path,
    attack: AttackMethod,
    proof: ProofMethod | None,
    seed: int,
    workers: int,
    limits: LoadLimits | None = None,
) -> Generator[InstanceResult, None, None]:
    """The answer to every instance, in the order in which they come.

    All work is done in worker processes, so that no instance can end the list: what raises an
    exception, ends its process or does not end in time is an ``error``, with the reason.

    Args:
        instances: the questions.
        folder: what their paths are relative to.
        attack: the attack on each case.
        proof: the proof of each case; None where only counterexamples are sought.
        seed: seed of the attacks.
        workers: processes.
        limits: memory and time that loading a model may take, None for no trial of it.
    """
    waiting = deque(_Turn(instance) for instance in instances)
    pool: WorkerPool[_Turn, _Step | InstanceResult]
    with WorkerPool(workers, _Charge, (folder, attack, proof, seed, limits), _work) as pool:
        while waiting or pool.is_busy:
            while waiting and pool.has_room:
                turn = waiting.popleft()
                turn.begun = time.monotonic()
                pool.submit(turn, stopping_time(turn.instance.timeout))
            for event in pool.wait():
                if isinstance(event, Died):
                    if not event.task.is_answered:
                        yield _lost(event)
                elif isinstance(event, Replied):
                    if isinstance(event.reply, InstanceResult):
                        event.task.is_answered = True
                        yield event.reply
                    else:
                        event.task.step = event.reply


@dataclass(frozen=True)
class _Step:
    """How far a worker is with an instance.

    Attributes:
        doing: what is being done with it.
        model_sha256: digest of its model, once it is loaded.
        property_sha256: digest of its property, once it is read.
    """

    doing: str
    model_sha256: str = ""
    property_sha256: str = ""


@dataclass
class _Turn:
    """An instance on its way through a worker; the parent keeps what it says.

    Attributes:
        instance: the instance.
        begun: ``time.monotonic()`` at which it was given to a worker.
        step: how far it is.
        is_answered: whether its line has come.
    """

    instance: Instance
    begun: float = 0.0
    step: _Step = _Step("starting")
    is_answered: bool = False


@dataclass(frozen=True)
class _Charge:
    """What a worker needs for every instance; see :func:`answers`."""

    folder: Path
    attack: AttackMethod
    proof: ProofMethod | None
    seed: int
    limits: LoadLimits | None = None


def _lost(died: Died[_Turn]) -> InstanceResult:
    """The line of an instance whose process died, or had to be ended."""
    turn, step = died.task, died.task.step
    answer = "timeout" if died.overdue and step.doing == _ANSWERING else "error"
    note, seconds = f"{step.doing}: its process {died.reason}", time.monotonic() - turn.begun
    digests = (step.model_sha256, step.property_sha256)
    return InstanceResult(turn.instance, answer, seconds, 0.0, "", 0, note, *digests)


def _work(charge: _Charge, turn: _Turn) -> Iterator[_Step | InstanceResult]:
    """One instance from its files: what is being done, then the line; any failure is its answer."""
    instance, folder, started = turn.instance, charge.folder, time.monotonic()
    loaded, found, note, step = 0.0, None, "", _Step("reading the property")
    try:
        yield step
        property = Property.from_vnnlib(folder / instance.vnnlib, started + instance.timeout)
        step = _Step("reading the model", "", property.sha256)
        yield step
        began = time.monotonic()
        limits = charge.limits
        if limits is not None:
            left = max(instance.timeout - (time.monotonic() - started), 1e-3)
            limits = replace(limits, seconds=min(limits.seconds, left))
        model = load_for(property, folder / instance.onnx, limits=limits)
        loaded = time.monotonic() - began
        step = _Step(_ANSWERING, model.file.sha256, property.sha256)
        yield step
        left = max(instance.timeout - (time.monotonic() - started), 1e-3)
        budget = Budget(left, charge.seed)
        if charge.proof is None:
            found = falsify(model, property, charge.attack, budget)
        else:
            found = verify(model, property, charge.attack, charge.proof, budget)
        note = found.note or str(found.reason or "")
    except OutOfTimeError as error:
        found, note = Finding(Answer.TIMEOUT), str(error)
    except LippaError as error:
        note = " ".join(str(error).split())
    except MemoryError:
        note = "its memory was used up"
    except Exception as error:  # noqa: BLE001 - no instance may end the list
        note = str(unexpected(error))
    seconds = time.monotonic() - started
    digests = (step.model_sha256, step.property_sha256)
    if found is None:
        yield InstanceResult(instance, "error", seconds, loaded, "", 0, note, *digests)
        return
    by, text = found.found_by.value, counterexample_text(found)
    answer, shown = found.answer.value, text if found.answer is Answer.SAT else ""
    yield InstanceResult(
        instance, answer, seconds, loaded, by, found.effort.lp_steps, note, *digests, shown
    )
