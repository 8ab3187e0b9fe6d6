"""Jobs in worker processes that have a model, the same processes for one kind of job after another.

No input can end a run. A job that raises an exception, ends its process or does not end at all is
halved and tried again; an input that fails alone gets a result that says so.
"""

from __future__ import annotations

import math
import os
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Final, final

from threadpoolctl import threadpool_limits
from typing_extensions import override

from onnx_lippa.ending import OUT_OF_MEMORY, Ending, Reason
from onnx_lippa.errors import ContradictionError, InputError, describe
from onnx_lippa.method import Job, Pool
from onnx_lippa.onnx_io import Model, ModelSource
from onnx_lippa.runs.processes import Died, Replied, WorkerPool
from onnx_lippa.witness import Effort, Result, Verdict

_START_SECONDS: Final = 1.0
"""About the time that the start of a worker takes: less work than this is done in this process."""
_SLACK: Final = 2.0
_SLACK_SHARE: Final = 0.1
"""Seconds, and share of its time limit, that a job may take longer before its process is ended."""
_ALLOWANCE: Final = 3.0
"""Extra time for the first job of a worker, in units of the time that its start took: sessions and
compiled gradients are opened when they are first needed."""
_ATTEMPTS: Final = 2
"""Processes that one input may end, alone, before it is given up."""


def count_workers(workers: int | None) -> int:
    """The number of workers, by default one for each core.

    Raises:
        InputError: less than one.
    """
    if workers is None:
        return count_cores()
    if workers < 1:
        raise InputError(f"workers is {workers}: give at least 1")
    return workers


def count_cores() -> int:
    """The number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def kill_after(limit: float) -> float:
    """Seconds after which a process with this time limit for its work is ended."""
    return (1 + _SLACK_SHARE) * limit + _SLACK


@final
class Workers(Pool):
    """Worker processes, each with the model and one thread, in BLAS and in ONNX Runtime.

    With one worker everything runs in this process.

    Args:
        model: the model, loaded and checked.
        count: largest number of processes; each is started when there is a job for it.
    """

    def __init__(self, model: Model, count: int) -> None:
        self.model, self.count = model, count
        self._processes: WorkerPool[_Attempt, Result] | None = None

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends the processes."""
        if self._processes is not None:
            self._processes.close()
            self._processes = None

    @override
    def expect(self, jobs: int, seconds: float) -> None:
        self.count = 1 if seconds <= _START_SECONDS else max(1, min(self.count, jobs))

    @override
    def run(
        self,
        jobs: Iterable[Job],
        deadline: float = math.inf,
        latest: float = math.inf,
        slack: float = 0.0,
    ) -> Iterator[Result]:
        if self.count == 1:
            with threadpool_limits(limits=1):
                for job in jobs:
                    yield from _solve(self.model, job, deadline)
            return
        if self._processes is None:
            source = (self.model.source,)
            self._processes = WorkerPool(self.count, _open_model, source, _work, _ALLOWANCE)
        yield from _Round(self._processes, iter(jobs), deadline, latest, slack).run()


@final
class _Round:
    """The jobs of one call, among them parts of jobs that are tried again."""

    def __init__(
        self,
        processes: WorkerPool[_Attempt, Result],
        jobs: Iterator[Job],
        deadline: float,
        latest: float,
        slack: float,
    ) -> None:
        self._processes, self._jobs, self._deadline = processes, jobs, deadline
        self._latest, self._slack = latest, slack
        self._repeated: deque[_Attempt] = deque()

    def run(self) -> Iterator[Result]:
        while self._submit():
            for event in self._processes.wait():
                if isinstance(event, Replied):
                    event.task.reported.add(event.reply.index)
                    yield event.reply
                elif isinstance(event, Died):
                    yield from self._repeat(event)

    def _submit(self) -> bool:
        """Gives a job to every free worker; returns whether any is in progress."""
        while self._processes.has_room and time.monotonic() < self._deadline:
            attempt = self._repeated.popleft() if self._repeated else self._next()
            if attempt is None:
                break
            now = time.monotonic()
            attempt = replace(attempt, left=self._deadline - now, started=now)
            limit = _limit(attempt.job, attempt.left) * len(attempt.job.problems)
            self._processes.submit(attempt, kill_after(limit) + self._slack, self._latest)
        return self._processes.is_busy

    def _next(self) -> _Attempt | None:
        job = next(self._jobs, None)
        return None if job is None else _Attempt(job)

    def _repeat(self, died: Died[_Attempt]) -> Iterator[Result]:
        """Tries the rest of a job again whose process has died, or reports why not."""
        attempt = died.task
        left = _unreported(attempt.job, attempt.reported)
        alone = len(attempt.job.problems) == 1
        attempts = attempt.attempts - 1 if alone else attempt.attempts
        if died.overdue or attempts == 0:
            seconds = (time.monotonic() - attempt.started) / max(1, len(left.problems))
            ending = Ending.OUT_OF_TIME if died.overdue else Ending.CRASHED
            yield from _failed(left, Reason(ending, f"its process {died.reason}"), seconds)
        else:
            self._repeated.extend(_Attempt(half, attempts) for half in _halves(left))


@dataclass(frozen=True)
class _Attempt:
    """A job on its way through a worker.

    Attributes:
        job: the job.
        attempts: processes that its problem may still end.
        left: seconds until the deadline of all jobs when it was begun.
        started: ``time.monotonic()`` at that time, in the parent.
        reported: indices of the problems that have their results; kept by the parent.
    """

    job: Job
    attempts: int = _ATTEMPTS
    left: float = math.inf
    started: float = 0.0
    reported: set[int] = field(default_factory=set)


def _solve(model: Model, job: Job, deadline: float) -> Iterator[Result]:
    """Results of a job, whatever its problems raise; none after the deadline.

    Raises:
        InputError: options that cannot be used.
        ContradictionError: two results contradict each other.
    """
    reported, started = set[int](), time.monotonic()
    left = deadline - started
    if left <= 0 or not job.problems:
        return
    budget = replace(job.budget, time_limit=_limit(job, left))
    try:
        for result in job.method.solve(model, list(job.problems), budget):
            reported.add(result.index)
            yield result
    except (InputError, ContradictionError):
        raise
    except MemoryError:
        failure = OUT_OF_MEMORY
    except Exception as error:  # noqa: BLE001 - no input may end the run
        sentence = f"internal error ({describe(error)}): please report it"
        failure = Reason(Ending.ERROR, sentence)
    else:
        return
    rest = _unreported(job, reported)
    if len(job.problems) == 1:
        yield from _failed(rest, failure, time.monotonic() - started)
    else:
        for half in _halves(rest):
            yield from _solve(model, half, deadline)


def _limit(job: Job, left: float) -> float:
    """Seconds for each problem of a job."""
    return min(job.budget.time_limit, left / max(1, len(job.problems)))


def _unreported(job: Job, reported: set[int]) -> Job:
    """The problems of a job that have no result."""
    indices = job.problems.indices
    left = [position for position, index in enumerate(indices) if index not in reported]
    return replace(job, problems=job.problems.take(left))


def _failed(job: Job, reason: Reason, seconds: float) -> Iterator[Result]:
    for index in job.problems.indices:
        yield Result(index, Verdict.UNKNOWN, effort=Effort(seconds=seconds), reason=reason)


def _halves(job: Job) -> list[Job]:
    """Two parts, or fewer where there is less."""
    middle = (len(job.problems) + 1) // 2
    parts = (job.problems[:middle], job.problems[middle:])
    return [replace(job, problems=part) for part in parts if len(part)]


def _open_model(source: ModelSource) -> Model:
    return source.open()


def _work(model: Model, attempt: _Attempt) -> Iterator[Result]:
    return _solve(model, attempt.job, time.monotonic() + attempt.left)
