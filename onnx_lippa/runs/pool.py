"""Inputs to worker processes, outcomes back as they come."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from multiprocessing.queues import Queue
from pathlib import Path
from queue import Empty
from typing import Final

from threadpoolctl import threadpool_limits

from onnx_lippa.attacks import Settings, attack_batch
from onnx_lippa.onnx_io import Model, load
from onnx_lippa.question import Problem
from onnx_lippa.runs.processes import (
    CONTEXT,
    begin_quietly,
    interrupts_held_back,
    process_pool,
)
from onnx_lippa.witness import Outcome

_SHARD: Final = 25
"""Inputs explored together: enough to fill a batch, few enough to balance the workers."""
_PATIENCE: Final = 0.5
"""Seconds without an outcome after which the workers are asked whether they still live."""


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
    results: Queue[Outcome] = CONTEXT.Queue()
    initials = (model.file.path, model.interface.output_name, settings, results)
    with process_pool(min(workers, len(shards)), _begin_worker, initials) as executor:
        with interrupts_held_back():
            futures = [executor.submit(_attack_shard, shard) for shard in shards]
        yield from _gathered(results, futures, len(problems))


def _gathered(
    results: Queue[Outcome], futures: list[Future[None]], expected: int
) -> Iterator[Outcome]:
    """Outcomes as workers report them; raises what a worker raised."""
    received = 0
    while received < expected:
        try:
            outcome = results.get(timeout=_PATIENCE)
        except Empty:
            for future in futures:
                if future.done():
                    future.result()
            continue
        received += 1
        yield outcome


class _Worker:
    """What a worker process holds between shards."""

    def __init__(
        self, path: Path, output: str, settings: Settings, results: Queue[Outcome]
    ) -> None:
        # The parent checked the model; a worker only has to read it.
        self.model = load(path, output=output, check=False)
        self.settings, self.results = settings, results


_worker: list[_Worker] = []


def _begin_worker(path: Path, output: str, settings: Settings, results: Queue[Outcome]) -> None:
    begin_quietly()
    _worker.append(_Worker(path, output, settings, results))


def _attack_shard(shard: list[Problem]) -> None:
    worker = _worker[0]
    for outcome in attack_batch(worker.model, shard, worker.settings):
        worker.results.put(outcome)
