"""Worker processes that have a model, the same ones for one kind of job after another."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator
from typing import Final, final

from threadpoolctl import threadpool_limits
from typing_extensions import override

from onnx_lippa.errors import InputError
from onnx_lippa.method import Job, Pool
from onnx_lippa.onnx_io import Model
from onnx_lippa.runs.processes import WorkerPool
from onnx_lippa.runs.rounds import Attempt, Round, serve_model, solve
from onnx_lippa.witness import Result

_START_SECONDS: Final = 1.0
"""About the time that the start of a worker takes: less work than this is done in this process."""


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
    """

    def __init__(self, model: Model, count: int) -> None:
        self.model, self.count = model, count
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
        if self._processes is None:
            self._processes = serve_model(self.model.source).open(self.count)
        yield from Round(self._processes, iter(jobs), deadline, latest, slack).run()
