"""Work on problems in worker processes, of one kind after another in the same processes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from multiprocessing.queues import Queue
from queue import Empty
from types import TracebackType
from typing import Final, TypeAlias, final

from threadpoolctl import threadpool_limits

from onnx_lippa.attacks import Settings, attack_batch
from onnx_lippa.certify import CertifySettings, certify_batch
from onnx_lippa.errors import LippaError
from onnx_lippa.onnx_io import Model, ModelSource
from onnx_lippa.question import Problem
from onnx_lippa.runs.processes import (
    CONTEXT,
    begin_quietly,
    interrupts_held_back,
    process_pool,
)
from onnx_lippa.witness import Outcome

_PATIENCE: Final = 0.5
"""Seconds without an outcome after which the workers are asked whether they still live."""

Budgets: TypeAlias = Settings | CertifySettings
"""What is done with problems: an attack or a proof, and how much of it."""


@dataclass(frozen=True)
class Job:
    """Some problems that are worked on together.

    Attributes:
        problems: the problems.
        budgets: what to do with them.
    """

    problems: tuple[Problem, ...]
    budgets: Budgets


def jobs_of(problems: Sequence[Problem], budgets: Budgets, together: int) -> list[Job]:
    """Jobs of so many problems each, in their order."""
    return [
        Job(tuple(problems[first : first + together]), budgets)
        for first in range(0, len(problems), together)
    ]


@final
class Workers:
    """Worker processes, each with the model and one thread, in BLAS and in ONNX Runtime.

    With one worker everything runs in this process.

    Args:
        model: the model, loaded and checked.
        count: processes.
    """

    def __init__(self, model: Model, count: int) -> None:
        self._model, self._count = model, count
        self._results: Queue[Outcome | None] | None = None
        self._executor: ProcessPoolExecutor | None = None
        self._opened = ExitStack()

    def __enter__(self) -> Workers:
        """Starts the processes, if there are to be several."""
        if self._count > 1:
            results: Queue[Outcome | None] = CONTEXT.Queue()
            initials = (self._model.source, results)
            pool = process_pool(self._count, _begin, initials)
            self._executor = self._opened.enter_context(pool)
            self._results = results
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        """Ends the processes."""
        return self._opened.__exit__(kind, error, trace)

    def run(self, jobs: Sequence[Job], deadline: float = float("inf")) -> Iterator[Outcome]:
        """Outcomes as they are settled.

        Args:
            jobs: what to do; each is begun when a worker is free.
            deadline: ``time.monotonic()`` after which no further job is begun, and by which those
                that were have used up their time.
        """
        if self._executor is None or self._results is None:
            with threadpool_limits(limits=1):
                for job in jobs:
                    yield from _done(self._model, job, deadline - time.monotonic())
            return
        with interrupts_held_back():
            futures = [self._executor.submit(_work, job, deadline_of(deadline)) for job in jobs]
        yield from _gathered(self._results, futures)


def deadline_of(deadline: float) -> float:
    """A deadline as the wall clock's, which processes share."""
    return time.time() + deadline - time.monotonic()


def _gathered(results: Queue[Outcome | None], futures: list[Future[None]]) -> Iterator[Outcome]:
    """Outcomes as workers report them; raises what a worker raised."""
    running = len(futures)
    while running:
        try:
            outcome = results.get(timeout=_PATIENCE)
        except Empty:
            for future in futures:
                if future.done():
                    future.result()
            continue
        if outcome is None:
            running -= 1
        else:
            yield outcome
    for future in futures:
        future.result()


def _done(model: Model, job: Job, left: float) -> Iterator[Outcome]:
    """Outcomes of a job within so many seconds, which its problems share; none where it is late."""
    if left <= 0:
        return iter(())
    limit = min(job.budgets.time_limit, left / len(job.problems))
    if isinstance(job.budgets, CertifySettings):
        return certify_batch(model, job.problems, replace(job.budgets, time_limit=limit))
    return attack_batch(model, job.problems, replace(job.budgets, time_limit=limit))


@dataclass(frozen=True)
class _Worker:
    """What a worker process holds between jobs: the model, or why it could not be opened."""

    model: Model | LippaError
    results: Queue[Outcome | None]


_worker: list[_Worker] = []


def _begin(source: ModelSource, results: Queue[Outcome | None]) -> None:
    begin_quietly()
    try:
        _worker.append(_Worker(source.open(), results))
    except LippaError as error:
        # An initializer that raises breaks the pool; the first job says what is wrong.
        _worker.append(_Worker(error, results))


def _work(job: Job, deadline: float) -> None:
    """Does a job, unless it is too late; None behind its outcomes says that it has ended."""
    worker = _worker[0]
    try:
        if isinstance(worker.model, LippaError):
            raise worker.model
        for outcome in _done(worker.model, job, deadline - time.time()):
            worker.results.put(outcome)
    finally:
        worker.results.put(None)
