"""Answers to a list of instances: from the files to what is kept in a folder."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from onnx_lippa.errors import LippaError, unexpected
from onnx_lippa.runs.configuration import Configuration
from onnx_lippa.runs.identity import FileLocation
from onnx_lippa.runs.pools import WorkerChoice
from onnx_lippa.runs.processes import Died, Replied
from onnx_lippa.runs.properties.decider import ANSWERING, Decider, Step
from onnx_lippa.runs.properties.finding import (
    Answer,
    Finding,
    counterexample_text,
)
from onnx_lippa.runs.properties.folder import ListFile, ListFolder
from onnx_lippa.runs.properties.instances import Instance, InstanceResult
from onnx_lippa.runs.properties.remote import PackedInstance
from onnx_lippa.runs.rounds import LOSSES, kill_after
from onnx_lippa.runs.services import Service
from onnx_lippa.runs.summary import versions
from onnx_lippa.version import __version__


def make_result(instance: Instance, found: Finding, seconds: float, step: Step) -> InstanceResult:
    """An answer as the result of its instance."""
    effort = found.effort
    return InstanceResult(
        instance, found.answer.value, seconds, step.load_seconds, found.found_by.value,
        effort.lp_steps, found.note or str(found.reason or ""), step.model_sha256,
        step.property_sha256, counterexample_text(found) if found.answer is Answer.SAT else "",
        gradients=effort.gradients, queries=effort.queries, lps=effort.lps,
        mips=effort.mips, nodes=effort.nodes, cases=found.cases, proven_cases=found.proven_cases,
        best_margin=_finite(found.best_margin), bound=_finite(found.bound),
    )  # fmt: skip


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _failure(
    instance: Instance, answer: str, note: str, seconds: float, step: Step
) -> InstanceResult:
    """The result of an instance that has no answer."""
    digests = (step.model_sha256, step.property_sha256)
    return InstanceResult(instance, answer, seconds, step.load_seconds, "", 0, note, *digests)


def open_folder(
    out: Path,
    instances: Sequence[Instance],
    base: Path,
    decider: Decider,
    configuration: Configuration | None,
) -> ListFolder:
    """The folder of a list, new or to be resumed."""
    listing = describe_list(instances, decider, FileLocation.seen_from(out, base))
    return ListFolder(out, listing, base, configuration)


def describe_list(instances: Sequence[Instance], decider: Decider, base: FileLocation) -> ListFile:
    """What identifies the answers to a list.

    Args:
        instances: the instances.
        decider: how they are decided.
        base: the folder that their paths are relative to.
    """
    return ListFile(
        tuple(instances), decider.options, __version__, base, decider.output, decider.preprocess,
        decider.case_limit, versions(),
    )  # fmt: skip


def limit_times(instances: Sequence[Instance], decider: Decider) -> list[Instance]:
    """Instances with no more time each than the decider allows."""
    limit = decider.budget.time_limit
    return [replace(one, timeout=min(one.timeout, limit)) for one in instances]


def answer_list(
    instances: Sequence[Instance],
    base: Path,
    decider: Decider,
    workers: WorkerChoice,
    out: Path | None,
    configuration: Configuration | None = None,
    begin: Callable[[tuple[InstanceResult, ...]], None] = lambda _: None,
) -> Generator[InstanceResult, None, None]:
    """The answers to a list of instances that are not in its folder yet.

    Args:
        instances: the instances.
        base: the folder that their paths are relative to.
        decider: how they are decided, each within the decider's time limit too.
        workers: worker processes here, or a cluster, which gets the files of each instance.
        out: the folder of the answers, new or to be resumed; None keeps nothing.
        configuration: the options, for ``config.toml`` in the folder; None writes none.
        begin: is told the answers that the folder has, before the first of the others.

    Raises:
        InputError: the folder cannot be used, or cannot be written any more.
        DamagedFolderError: its files are damaged.
        WorkerError: there are no workers (any more).
    """
    instances = limit_times(instances, decider)
    if out is None:
        begin(())
        yield from _answer(instances, base, decider, workers)
        return
    with closing(open_folder(out, instances, base, decider, configuration)) as folder:
        begin(tuple(folder.known))
        for result in _answer(folder.left, base, decider, workers):
            listed = result
            try:
                listed = folder.add(result)
            finally:
                yield listed


def _answer(
    instances: Sequence[Instance], base: Path, decider: Decider, workers: WorkerChoice
) -> Generator[InstanceResult, None, None]:
    """The answers, as they come.

    All work is done in worker processes, so that no instance can end the list. An instance that
    raises an exception, ends its process or does not end in time is an error, with the reason. One
    whose machine is lost comes again.
    """
    here, waiting = _Worker(base, decider), deque(_Turn(instance) for instance in instances)
    with workers.open_tasks(_serve(decider, base), partial(_serve, decider)) as pool:
        while waiting or pool.is_busy:
            while waiting and pool.has_room:
                turn = waiting.popleft()
                turn.started = time.monotonic()
                if workers.cluster is None or turn.pack(base):
                    pool.submit(turn, kill_after(turn.instance.timeout))
                    turn.packed = None
                else:  # files that cannot be sent cannot be read here either
                    yield from (one for one in _work(here, turn) if isinstance(one, InstanceResult))
            for event in pool.wait():
                if isinstance(event, Died):
                    if event.is_lost and event.task.losses + 1 < LOSSES:
                        waiting.appendleft(_Turn(event.task.instance, event.task.losses + 1))
                    elif not event.task.is_answered:
                        yield _lost(event)
                elif isinstance(event, Replied):
                    if isinstance(event.reply, InstanceResult):
                        event.task.is_answered = True
                        yield event.reply
                    else:
                        event.task.step = event.reply


@dataclass
class _Turn:
    """An instance on its way through a worker, and what the parent knows of it.

    Attributes:
        instance: the instance.
        losses: machines that were lost with it.
        packed: its files, on the way to a machine that does not have them.
        started: ``time.monotonic()`` at which a worker got it.
        step: the last step that was begun.
        is_answered: whether its answer has come.
    """

    instance: Instance
    losses: int = 0
    packed: PackedInstance | None = None
    started: float = 0.0
    step: Step = Step()  # noqa: RUF009 - it is frozen
    is_answered: bool = False

    def pack(self, base: Path) -> bool:
        """Takes the files along; returns False where they cannot be read."""
        try:
            self.packed = PackedInstance.read(
                base / self.instance.onnx, base / self.instance.vnnlib
            )
        except LippaError:
            return False
        return True


@dataclass(frozen=True)
class _Worker:
    """What a worker process needs for every instance.

    Attributes:
        base: the folder that paths are relative to; on a machine of a cluster, one for files.
        decider: how instances are decided.
    """

    base: Path
    decider: Decider


def _serve(decider: Decider, base: Path) -> Service[_Turn, Step | InstanceResult]:
    return Service(_Worker, (base, decider), _work)


def _lost(died: Died[_Turn]) -> InstanceResult:
    """The result of an instance whose process died, or had to be ended."""
    turn, step = died.task, died.task.step
    note, seconds = f"{step.doing}: its process {died.reason}", time.monotonic() - turn.started
    answer = "timeout" if died.overdue and step.doing == ANSWERING else "error"
    return _failure(turn.instance, answer, note, seconds, step)


def _work(worker: _Worker, turn: _Turn) -> Iterator[Step | InstanceResult]:
    """Answers one instance from its files; a failure is its answer."""
    if turn.packed is None:
        files = (worker.base / turn.instance.onnx, worker.base / turn.instance.vnnlib)
        yield from _answer_files(worker.decider, turn.instance, *files)
        return
    with turn.packed.unpack(worker.base) as files:
        for reply in _answer_files(worker.decider, turn.instance, *files):
            if isinstance(reply, InstanceResult):
                yield replace(reply, note=turn.packed.name_origins(reply.note, *files))
            else:
                yield reply


def _answer_files(
    decider: Decider, instance: Instance, onnx: Path, vnnlib: Path
) -> Iterator[Step | InstanceResult]:
    started, step = time.monotonic(), Step()
    limited = replace(decider, budget=replace(decider.budget, time_limit=instance.timeout))
    steps = limited.decide(onnx, vnnlib)
    try:
        while True:
            try:
                step = next(steps)
            except StopIteration as end:
                seconds = time.monotonic() - started
                yield make_result(instance, end.value, seconds, step)
                return
            yield step
    except LippaError as error:
        note = " ".join(str(error).split())
    except MemoryError:
        note = "its memory was used up"
    except Exception as error:  # noqa: BLE001 - no instance may end the list
        note = str(unexpected(error))
    yield _failure(instance, "error", note, time.monotonic() - started, step)
