"""Inputs to worker processes, outcomes back as they come."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path
from typing import Final

from threadpoolctl import threadpool_limits

from onnx_lippa.attacks import Outcome, Problem, Settings, attack_batch
from onnx_lippa.onnx_io import Model, load

_SHARD: Final = 25
"""Inputs explored together: enough to fill a batch, few enough to balance the workers."""


def outcomes(
    model: Model, problems: Sequence[Problem], settings: Settings, workers: int
) -> Iterator[Outcome]:
    """The outcome of every problem, in the order in which they are settled.

    With one worker everything runs in this process. Each worker computes with one thread, in
    BLAS and in ONNX Runtime, so that threads do not multiply. Outcomes do not depend on the
    number of workers (but for a time limit).

    Args:
        model: the model, loaded and checked.
        problems: the inputs.
        settings: budgets.
        workers: processes to use.
    """
    shards = [list(problems[i : i + _SHARD]) for i in range(0, len(problems), _SHARD)]
    if workers == 1 or len(shards) <= 1:
        with threadpool_limits(limits=1):
            for shard in shards:
                yield from attack_batch(model, shard, settings)
        return
    context = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(
        min(workers, len(shards)), context, _begin_worker, (model.file.path, settings)
    )
    pending: set[Future[list[Outcome]]] = set()
    try:
        pending = {executor.submit(_attack_shard, shard) for shard in shards}
        while pending:
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            for future in done:
                yield from future.result()
    finally:
        executor.shutdown(wait=not pending, cancel_futures=True)
        if pending:
            for process in multiprocessing.active_children():
                process.terminate()


class _Worker:
    """What a worker process holds between shards."""

    def __init__(self, path: Path, settings: Settings) -> None:
        # The parent checked the model; a worker only has to read it.
        self.model = load(path, check=False)
        self.settings = settings


_worker: list[_Worker] = []


def _begin_worker(path: Path, settings: Settings) -> None:
    # An interrupt is the parent's to handle.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threadpool_limits(limits=1)
    _worker.append(_Worker(path, settings))


def _attack_shard(shard: list[Problem]) -> list[Outcome]:
    worker = _worker[0]
    return list(attack_batch(worker.model, shard, worker.settings))
