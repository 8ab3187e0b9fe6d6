"""Inputs to worker processes, outcomes back as they come."""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.queues import Queue
from pathlib import Path
from queue import Empty
from typing import Final

from threadpoolctl import threadpool_limits

from onnx_lippa.attacks import Outcome, Problem, Settings, attack_batch
from onnx_lippa.errors import LippaError
from onnx_lippa.onnx_io import Model, load

_SHARD: Final = 25
"""Inputs explored together: enough to fill a batch, few enough to balance the workers."""
_HAS_MASKS: Final = hasattr(signal, "pthread_sigmask")
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
    context = multiprocessing.get_context("spawn")
    results: Queue[Outcome] = context.Queue()
    executor = ProcessPoolExecutor(
        min(workers, len(shards)),
        context,
        _begin_worker,
        (model.file.path, settings, results),
    )
    finished, others = False, set(multiprocessing.active_children())
    try:
        with _interrupts_held_back():
            futures = [executor.submit(_attack_shard, shard) for shard in shards]
        yield from _gathered(results, futures, len(problems))
        finished = True
    except BrokenProcessPool as error:
        raise LippaError(
            "a worker process died, probably for want of memory: what had finished is kept, "
            "go on with fewer --workers"
        ) from error
    finally:
        if not finished:
            for process in set(multiprocessing.active_children()) - others:
                process.terminate()
        # Waiting keeps the pool's thread from being cut off when Python exits.
        executor.shutdown(wait=True, cancel_futures=True)


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


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """An interrupt that arrives inside takes effect on the way out.

    A process that is cut off while it starts writes a traceback of its own. Here it is started
    to the end, and inherits a mask that lasts until :func:`_begin_worker` looks after itself.
    """
    held: list[int] = []
    handler = None
    if threading.current_thread() is threading.main_thread():
        handler = signal.signal(signal.SIGINT, lambda number, frame: held.append(number))
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}) if _HAS_MASKS else None
    try:
        yield
    finally:
        if mask is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if handler is not None:
            signal.signal(signal.SIGINT, handler)
        if held:
            signal.raise_signal(signal.SIGINT)


class _Worker:
    """What a worker process holds between shards."""

    def __init__(self, path: Path, settings: Settings, results: Queue[Outcome]) -> None:
        # The parent checked the model; a worker only has to read it.
        self.model = load(path, check=False)
        self.settings, self.results = settings, results


_worker: list[_Worker] = []


def _begin_worker(path: Path, settings: Settings, results: Queue[Outcome]) -> None:
    # An interrupt is the parent's to handle.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threadpool_limits(limits=1)
    _worker.append(_Worker(path, settings, results))


def _attack_shard(shard: list[Problem]) -> None:
    worker = _worker[0]
    for outcome in attack_batch(worker.model, shard, worker.settings):
        worker.results.put(outcome)
