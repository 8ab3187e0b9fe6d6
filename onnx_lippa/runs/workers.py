"""Work on problems in worker processes, of one kind after another in the same processes.

No input can end a run. What raises an exception, ends its process or does not end at all is tried
again in smaller company; an input that does so alone gets an outcome that says so.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Final, final

from threadpoolctl import threadpool_limits

from onnx_lippa.ending import OUT_OF_MEMORY, Ending, Reason
from onnx_lippa.errors import ContradictionError, InputError, describe
from onnx_lippa.onnx_io import Model, ModelSource
from onnx_lippa.runs.processes import Died, Replied, WorkerPool
from onnx_lippa.runs.specification import chosen_of, indices_of
from onnx_lippa.spec import Problem
from onnx_lippa.state import Budget, Method
from onnx_lippa.witness import Effort, Result, Verdict

_START_SECONDS: Final = 1.0
"""What the start of a worker takes, about: less work than this is done here."""
_SLACK: Final = 2.0
_SLACK_SHARE: Final = 0.1
"""How much longer than its time limit a job may take before its process is ended."""
_PATIENCE: Final = 3.0
"""How much longer the first job of a worker may take, in units of the time that its start took:
sessions and compiled gradients are opened when they are first needed."""
_LIVES: Final = 2
"""Processes that one input may end, alone, before it is given up."""


@dataclass(frozen=True)
class Job:
    """Some problems that are worked on together.

    Attributes:
        problems: the problems.
        method: what is done with them.
        budget: what may be spent on each.
    """

    problems: Sequence[Problem]
    method: Method
    budget: Budget


def make_jobs(
    problems: Sequence[Problem], method: Method, budget: Budget, together: int
) -> Iterator[Job]:
    """Jobs of so many problems each, in their order, made as they are needed."""
    for first in range(0, len(problems), together):
        yield Job(problems[first : first + together], method, budget)


def worth_starting(count: int, jobs: int, seconds: float) -> int:
    """How many workers are worth their start.

    Args:
        count: how many there may be.
        jobs: what there is to do.
        seconds: what it takes at most.
    """
    return 1 if seconds <= _START_SECONDS else max(1, min(count, jobs))


def stopping_time(limit: float) -> float:
    """Seconds after which a process with so much time for its work is ended."""
    return (1 + _SLACK_SHARE) * limit + _SLACK


@final
class Workers:
    """Worker processes, each with the model and one thread, in BLAS and in ONNX Runtime.

    With one worker everything runs in this process.

    Args:
        model: the model, loaded and checked.
        count: processes at most; one is started when there is a job for it.
    """

    def __init__(self, model: Model, count: int) -> None:
        self._model, self._count = model, count
        self._pool: WorkerPool[_Attempt, Result] | None = None

    def __enter__(self) -> Workers:
        if self._count > 1:
            source = (self._model.source,)
            self._pool = WorkerPool(self._count, _begin, source, _work, _PATIENCE)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends the processes."""
        if self._pool is not None:
            self._pool.close()

    def run(
        self,
        jobs: Iterable[Job],
        deadline: float = math.inf,
        last: float = math.inf,
        slack: float = 0.0,
    ) -> Iterator[Result]:
        """Outcomes as they are settled, one for each problem of a job that was begun.

        Args:
            jobs: what to do; each is made and begun when a worker is free.
            deadline: ``time.monotonic()`` after which no further job is begun, and by which those
                that were have used up their time.
            last: ``time.monotonic()`` at which workers that are still busy are ended, in any case.
            slack: seconds that a job may take beyond its limit before its worker is ended,
                besides a little that every job may.

        Raises:
            InputError: settings that cannot be used.
            ContradictionError: two results contradict each other.
            WorkerError: workers cannot be started.
        """
        if self._pool is None:
            with threadpool_limits(limits=1):
                for job in jobs:
                    yield from _settled(self._model, job, deadline)
        else:
            yield from _Round(self._pool, iter(jobs), deadline, last, slack).outcomes()


@final
class _Round:
    """Jobs for a pool of workers, those included that go round again."""

    def __init__(
        self,
        pool: WorkerPool[_Attempt, Result],
        jobs: Iterator[Job],
        deadline: float,
        last: float,
        slack: float,
    ) -> None:
        self._pool, self._jobs, self._deadline = pool, jobs, deadline
        self._last, self._slack = last, slack
        self._again: deque[_Attempt] = deque()

    def outcomes(self) -> Iterator[Result]:
        while self._fill():
            for event in self._pool.wait():
                if isinstance(event, Replied):
                    event.task.reported.add(event.reply.index)
                    yield event.reply
                elif isinstance(event, Died):
                    yield from self._mourn(event)

    def _fill(self) -> bool:
        """Gives a job to every free worker; whether any is under way."""
        while self._pool.has_room and time.monotonic() < self._deadline:
            attempt = self._again.popleft() if self._again else self._next()
            if attempt is None:
                break
            now = time.monotonic()
            attempt = replace(attempt, left=self._deadline - now, begun=now)
            limit = _limit(attempt.job, attempt.left) * len(attempt.job.problems)
            self._pool.submit(attempt, stopping_time(limit) + self._slack, self._last)
        return self._pool.is_busy

    def _next(self) -> _Attempt | None:
        job = next(self._jobs, None)
        return None if job is None else _Attempt(job)

    def _mourn(self, died: Died[_Attempt]) -> Iterator[Result]:
        """What becomes of the job of a worker that died: smaller jobs, or outcomes that say so."""
        attempt = died.task
        left = _unreported(attempt.job, attempt.reported)
        alone = len(attempt.job.problems) == 1
        lives = attempt.lives - 1 if alone else attempt.lives
        if died.overdue or lives == 0:
            seconds = (time.monotonic() - attempt.begun) / max(1, len(left.problems))
            ending = Ending.OUT_OF_TIME if died.overdue else Ending.CRASHED
            yield from _failed(left, Reason(ending, f"its process {died.reason}"), seconds)
        else:
            self._again.extend(_Attempt(half, lives) for half in _halves(left))


@dataclass(frozen=True)
class _Attempt:
    """A job on its way through a worker.

    Attributes:
        job: the job.
        lives: processes that its problem may still end.
        left: seconds until the round's deadline when it was begun.
        begun: ``time.monotonic()`` at that time; of the parent.
        reported: indices of the problems whose outcomes have come; kept by the parent.
    """

    job: Job
    lives: int = _LIVES
    left: float = math.inf
    begun: float = 0.0
    reported: set[int] = field(default_factory=set)


def _settled(model: Model, job: Job, deadline: float) -> Iterator[Result]:
    """Outcomes of a job, whatever its problems raise; none where it is too late.

    Raises:
        InputError: settings that cannot be used.
        ContradictionError: two results contradict each other.
    """
    reported, started = set[int](), time.monotonic()
    try:
        for outcome in _outcomes(model, job, deadline - started):
            reported.add(outcome.index)
            yield outcome
    except (InputError, ContradictionError):
        raise
    except MemoryError:
        failure = OUT_OF_MEMORY
    except Exception as error:  # noqa: BLE001 - no input may end the run
        sentence = f"internal error ({describe(error)}): please report it"
        failure = Reason(Ending.ERROR, sentence)
    else:
        return
    left = _unreported(job, reported)
    if len(job.problems) == 1:
        yield from _failed(left, failure, time.monotonic() - started)
    else:
        for half in _halves(left):
            yield from _settled(model, half, deadline)


def _outcomes(model: Model, job: Job, left: float) -> Iterator[Result]:
    """Outcomes of a job within so many seconds, which its problems share; none where it is late."""
    if left <= 0 or not job.problems:
        return iter(())
    budget = replace(job.budget, time_limit=_limit(job, left))
    return job.method.solve(model, list(job.problems), budget)


def _limit(job: Job, left: float) -> float:
    """Seconds for each problem of a job."""
    return min(job.budget.time_limit, left / max(1, len(job.problems)))


def _unreported(job: Job, reported: set[int]) -> Job:
    """What is left of a job."""
    indices = indices_of(job.problems)
    places = [place for place, index in enumerate(indices) if index not in reported]
    return replace(job, problems=chosen_of(job.problems, places))


def _failed(job: Job, reason: Reason, seconds: float) -> Iterator[Result]:
    for index in indices_of(job.problems):
        yield Result(index, Verdict.UNKNOWN, effort=Effort(seconds=seconds), reason=reason)


def _halves(job: Job) -> list[Job]:
    """Two parts, or fewer where there is less."""
    middle = (len(job.problems) + 1) // 2
    parts = (job.problems[:middle], job.problems[middle:])
    return [replace(job, problems=part) for part in parts if len(part)]


def _begin(source: ModelSource) -> Model:
    return source.open()


def _work(model: Model, attempt: _Attempt) -> Iterator[Result]:
    return _settled(model, attempt.job, time.monotonic() + attempt.left)


_SHARD: Final = 25
"""Inputs explored together: enough to fill a batch, few enough to balance the workers."""


def outcomes(
    model: Model, problems: Sequence[Problem], method: Method, budget: Budget, workers: int
) -> Iterator[Result]:
    """The outcome of every problem, in the order in which they are settled.

    Outcomes do not depend on the number of workers (but for a time limit). An input whose work
    fails, or ends its process, is unknown, with the reason.

    Args:
        model: the model, loaded and checked.
        problems: the inputs; a slice of them is made and worked on at a time.
        method: what is done with them.
        budget: what may be spent on each.
        workers: processes to use at most.

    Raises:
        InputError: settings that cannot be used.
        WorkerError: workers cannot be started.
    """
    together = _SHARD if method.is_batched else 1
    seconds = budget.time_limit * len(problems)
    count = worth_starting(workers, -(-len(problems) // together), seconds)
    with Workers(model, count) as pool:
        jobs = make_jobs(problems, method, budget, together)
        yield from pool.run(jobs, slack=method.extra_seconds(budget))
