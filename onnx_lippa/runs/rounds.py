"""The jobs of a run on their way through processes, here or on other machines.

No input can end a run. A job that raises an exception, ends its process or does not end at all is
halved and tried again; an input that fails alone gets a result that says so. A job whose machine is
lost comes again as it was.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final, final

from onnx_lippa.ending import OUT_OF_MEMORY, Ending, Reason
from onnx_lippa.errors import ContradictionError, InputError, describe
from onnx_lippa.method import Job
from onnx_lippa.onnx_io import Model, ModelSource
from onnx_lippa.runs.processes import Died, Replied
from onnx_lippa.runs.services import Service, TaskPool
from onnx_lippa.witness import Effort, Result, Verdict

_SLACK: Final = 2.0
_SLACK_SHARE: Final = 0.1
"""Seconds, and share of its time limit, that a job may take longer before its process is ended."""
_ALLOWANCE: Final = 3.0
"""Extra time for the first job of a worker, in units of the time that its start took: sessions and
compiled gradients are opened when they are first needed."""
_ATTEMPTS: Final = 2
"""Processes that one input may end, alone, before it is given up."""
LOSSES: Final = 3
"""Machines that may be lost with a task before it is taken for the cause."""


def kill_after(limit: float) -> float:
    """Seconds after which a process with this time limit for its work is ended."""
    return (1 + _SLACK_SHARE) * limit + _SLACK


@final
class Round:
    """The jobs of one call of a pool, among them parts of jobs that are tried again.

    Args:
        processes: where they are worked on.
        jobs: the jobs.
        deadline: as in :meth:`Pool.run`.
        latest: as in :meth:`Pool.run`.
        slack: as in :meth:`Pool.run`.
    """

    def __init__(
        self,
        processes: TaskPool[Attempt, Result],
        jobs: Iterator[Job],
        deadline: float,
        latest: float,
        slack: float,
    ) -> None:
        self._processes, self._jobs, self._deadline = processes, jobs, deadline
        self._latest, self._slack = latest, slack
        self._repeated: deque[Attempt] = deque()

    def run(self) -> Iterator[Result]:
        """The results, as in :meth:`Pool.run`."""
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

    def _next(self) -> Attempt | None:
        job = next(self._jobs, None)
        return None if job is None else Attempt(job)

    def _repeat(self, died: Died[Attempt]) -> Iterator[Result]:
        """Tries the rest of a job again whose process has died, or reports why not."""
        attempt = died.task
        if died.is_lost and attempt.losses < LOSSES:
            rest = list_unreported(attempt.job, attempt.reported)
            self._repeated.append(Attempt(rest, attempt.attempts, attempt.losses + 1))
            return
        left = list_unreported(attempt.job, attempt.reported)
        alone = len(attempt.job.problems) == 1
        attempts = attempt.attempts - 1 if alone else attempt.attempts
        if died.overdue or attempts == 0:
            seconds = (time.monotonic() - attempt.started) / max(1, len(left.problems))
            ending = Ending.OUT_OF_TIME if died.overdue else Ending.CRASHED
            yield from _failed(left, Reason(ending, f"its process {died.reason}"), seconds)
        else:
            halves = _halves(left)
            self._repeated.extend(Attempt(half, attempts, attempt.losses) for half in halves)


@dataclass(frozen=True)
class Attempt:
    """A job on its way through a worker.

    Attributes:
        job: the job.
        attempts: processes that its problem may still end.
        losses: machines that were lost with it, which is seldom its doing.
        left: seconds until the deadline of all jobs when it was begun.
        started: ``time.monotonic()`` at that time, in the parent.
        reported: indices of the problems that have their results; kept by the parent.
    """

    job: Job
    attempts: int = _ATTEMPTS
    losses: int = 0
    left: float = math.inf
    started: float = 0.0
    reported: set[int] = field(default_factory=set)


def solve(model: Model, job: Job, deadline: float) -> Iterator[Result]:
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
    rest = list_unreported(job, reported)
    if len(job.problems) == 1:
        yield from _failed(rest, failure, time.monotonic() - started)
    else:
        for half in _halves(rest):
            yield from solve(model, half, deadline)


def _limit(job: Job, left: float) -> float:
    """Seconds for each problem of a job."""
    return min(job.budget.time_limit, left / max(1, len(job.problems)))


def list_unreported(job: Job, reported: set[int]) -> Job:
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


def serve_model(source: ModelSource) -> Service[Attempt, Result]:
    """What a process does that works on jobs; its state is its model."""
    return Service(open_model, (source,), _work, _ALLOWANCE)


def open_model(source: ModelSource) -> Model:
    """The model of a process, read there."""
    return source.open()


def _work(model: Model, attempt: Attempt) -> Iterator[Result]:
    """Results of a job that has come to its process; its deadline is told by the clock here."""
    return solve(model, attempt.job, time.monotonic() + attempt.left)
