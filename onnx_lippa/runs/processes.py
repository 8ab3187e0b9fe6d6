"""Worker processes that start and end cleanly, whatever interrupts them."""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, Final

from threadpoolctl import threadpool_limits

from onnx_lippa.errors import LippaError

CONTEXT: Final = multiprocessing.get_context("spawn")
"""Workers are started afresh: runtimes and solvers do not survive a fork."""
_HAS_MASKS: Final = hasattr(signal, "pthread_sigmask")


@contextmanager
def process_pool(
    workers: int, initializer: Callable[..., None], initials: tuple[Any, ...] = ()
) -> Iterator[ProcessPoolExecutor]:
    """A pool whose workers are gone when the block ends, in whatever way it does.

    Args:
        workers: processes.
        initializer: runs first in each of them, and should call :func:`begin_quietly`.
        initials: its arguments.

    Raises:
        LippaError: a worker died.
    """
    executor = ProcessPoolExecutor(workers, CONTEXT, initializer, initials)
    finished, others = False, set(multiprocessing.active_children())
    try:
        yield executor
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


def begin_quietly() -> None:
    """What a worker does first: leaves interrupts to its parent and takes one thread."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threadpool_limits(limits=1)


@contextmanager
def interrupts_held_back() -> Iterator[None]:
    """An interrupt that arrives inside takes effect on the way out.

    A process that is cut off while it starts writes a traceback of its own. Here it is started
    to the end, and inherits a mask that lasts until :func:`begin_quietly` looks after itself.
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
