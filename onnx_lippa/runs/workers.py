"""Worker processes that have a model, the same ones for one kind of job after another."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from itertools import chain
from typing import Final, final

from threadpoolctl import threadpool_limits
from typing_extensions import override

from onnx_lippa.ending import Ending
from onnx_lippa.errors import InputError
from onnx_lippa.method import Job, Pool
from onnx_lippa.onnx_io import Model
from onnx_lippa.runs.processes import WorkerPool
from onnx_lippa.runs.rounds import Attempt, Round, list_unreported, serve_model, solve
from onnx_lippa.witness import Result

_START_SECONDS: Final = 1.0
"""About the time that the start of a worker takes: less work than this is done in this process."""
_FEW_INPUTS: Final = 25
"""Inputs that may be begun with in this process, as many as an attack takes together."""


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


@final
class Workers(Pool):
    """Worker processes, each with the model and one thread, in BLAS and in ONNX Runtime.

    With one worker everything runs in this process.

    Args:
        model: the model, loaded and checked.
        count: largest number of processes; each is started when there is a job for it.
        begins_here: whether few inputs are begun with in this process: those that are decided in
            the time that a process takes to start need none.
    """

    def __init__(self, model: Model, count: int, begins_here: bool = False) -> None:
        self.model, self.count = model, count
        self._seconds_here = _START_SECONDS if begins_here else 0.0
        self._processes: WorkerPool[Attempt, Result] | None = None

    @override
    def close(self) -> None:
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
                    yield from solve(self.model, job, deadline)
            return
        jobs = iter(jobs)
        if self._processes is None and self._seconds_here > 0:
            few, inputs = list[Job](), 0
            for job in jobs:
                few.append(job)
                inputs += len(job.problems)
                if inputs > _FEW_INPUTS:
                    break
            else:
                few = yield from self._begin(few, deadline)
                if not few:
                    return
            jobs = chain(few, jobs)
        if self._processes is None:
            self._processes = serve_model(self.model.source).open(self.count)
        yield from Round(self._processes, jobs, deadline, latest, slack).run()

    def _begin(self, jobs: Sequence[Job], deadline: float) -> Generator[Result, None, list[Job]]:
        """Works on jobs in this process while its time lasts.

        Results that this time has cut short are not told: the jobs returned seek them again.
        """
        left = list[Job]()
        for job in jobs:
            started = time.monotonic()
            seconds, limit = self._seconds_here, job.budget.time_limit * len(job.problems)
            if seconds <= 0 or job.problems[0].minimize:  # more time is a nearer witness
                left.append(job)
                continue
            is_cut = seconds < min(limit, deadline - started)
            told = set[int]()
            with threadpool_limits(limits=1):
                for result in solve(self.model, job, min(deadline, started + seconds)):
                    ending = None if result.reason is None else result.reason.ending
                    if not (is_cut and ending is Ending.OUT_OF_TIME):
                        told.add(result.index)
                        yield result
            self._seconds_here -= time.monotonic() - started
            rest = list_unreported(job, told)
            if rest.problems:
                left.append(rest)
        return left
