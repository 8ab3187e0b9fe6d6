"""The side of the machines: plugins of Dask's workers and scheduler.

A Dask worker computes nothing itself. Each of its threads has a process of this package, as a run
on one machine has them. So a job that crashes or does not end costs its process, whose limits are
kept by the clock of its own machine, and the Dask worker goes on answering its scheduler.
"""

from __future__ import annotations

import asyncio
import math
import multiprocessing
import pickle
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

from distributed import Scheduler, SchedulerPlugin, Worker, WorkerPlugin, get_worker
from typing_extensions import override

from onnx_lippa.errors import LippaError, WorkerError
from onnx_lippa.runs.cluster.packing import MissingPartsError, Packed, Store, unpack
from onnx_lippa.runs.processes import Died, Finished, Replied, WorkerPool
from onnx_lippa.runs.services import Service
from onnx_lippa.runs.serving import Raised

_STOP_SECONDS: Final = 5.0
"""Time in which killed processes must be gone when a run ends."""
_POLL_SECONDS: Final = 0.05
_RUN_HAS_ENDED: Final = WorkerError("the run has ended, or its client was taken for gone")


@dataclass(frozen=True)
class Order:
    """A job for a machine. Times are seconds from now: machines have clocks of their own.

    Attributes:
        task: the job.
        seconds: time limit of the job, from when its process begins with it.
        latest: seconds after which its process is ended in any case.
    """

    task: Packed
    seconds: float
    latest: float = math.inf


@dataclass(frozen=True)
class Reply:
    """What became of a job.

    Attributes:
        replies: the replies to it.
        died: how its process ended, where it ended before the job.
        overdue: whether the process was ended because the job took too long.
        is_missing: whether parts of the job are to be sent again.
        error: what the job raised, and the run raises.
    """

    replies: tuple[Any, ...]
    died: str = ""
    overdue: bool = False
    is_missing: bool = False
    error: LippaError | None = None


def run_order(run: str, order: bytes) -> bytes:
    """Works on a job in a process of this machine. Scheduler and Dask see nothing but bytes.

    Args:
        run: the name of the run's plugin.
        order: an :class:`Order`.

    Returns:
        A :class:`Reply`.
    """
    machine = get_worker().plugins.get(run)
    if not isinstance(machine, Machine):
        return pickle.dumps(Reply((), error=_RUN_HAS_ENDED))
    try:
        reply = machine.work(pickle.loads(order))
    except LippaError as error:
        reply = Reply((), error=Raised.of(error).error)
    return pickle.dumps(reply)


@final
class Machine(WorkerPlugin):
    """What a machine has of a run: its files, once, and processes that have opened them.

    Args:
        run: the name of the run.
        prepare: writes what the processes need into an empty folder, and says what they do.
    """

    def __init__(self, run: str, prepare: Callable[[Path], Service[Any, Any]]) -> None:
        self.name, self._prepare = run, prepare

    @override
    def setup(self, worker: Worker) -> None:
        """Writes files where the processes open them."""
        # A Dask worker with a nanny is a daemon, and those may have no processes.
        multiprocessing.current_process().daemon = False
        self._folder = Path(tempfile.mkdtemp(prefix="onnx-lippa-", dir=worker.local_directory))
        self._service = self._prepare(self._folder)
        del self._prepare
        self._store, self._lock = Store(), threading.Lock()
        self._free, self._busy = list[WorkerPool[Any, Any]](), set[Any]()
        self._has_ended = False

    @override
    async def teardown(self, worker: Worker) -> None:
        """Ends all processes, whatever they are doing, and removes all files."""
        self._has_ended = True
        end = time.monotonic() + _STOP_SECONDS
        while self._busy and time.monotonic() < end:
            for pool in list(self._busy):
                pool.kill()
            await asyncio.sleep(_POLL_SECONDS)
        for pool in self._free:
            pool.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def work(self, order: Order) -> Reply:
        """Works on a job.

        Raises:
            LippaError: what the job raised, or the run has ended.
        """
        try:
            with self._lock:
                task = unpack(order.task, self._store)
        except MissingPartsError:
            return Reply((), is_missing=True)
        with self._lock:
            if self._has_ended:
                raise _RUN_HAS_ENDED
            pool = self._free.pop() if self._free else self._service.open(1)
            self._busy.add(pool)
        try:
            reply = self._wait(pool, task, order)
        except BaseException:
            pool.close()
            raise
        else:
            with self._lock:
                if not self._has_ended:
                    self._free.append(pool)
        finally:
            with self._lock:
                self._busy.discard(pool)
            if self._has_ended:
                pool.close()
        return reply

    def _wait(self, pool: WorkerPool[Any, Any], task: object, order: Order) -> Reply:
        replies: list[Any] = []
        pool.submit(task, order.seconds, time.monotonic() + order.latest)
        while True:
            for event in pool.wait():
                match event:
                    case Replied(reply=reply):
                        replies.append(reply)
                    case Finished():
                        return Reply(tuple(replies))
                    case Died(reason=reason, overdue=overdue):
                        return Reply(tuple(replies), reason, overdue)


@final
class Watch(SchedulerPlugin):
    """Ends a run on all machines when its client is gone, even if it was killed.

    Args:
        run: the name of the run.
        client: the id of its client.
    """

    def __init__(self, run: str, client: str) -> None:
        self.name, self._client = f"{run}-watch", client
        self._run = run

    @override
    def remove_client(self, scheduler: Scheduler, client: str) -> None:
        """Takes the run's plugin, and this one, from the scheduler."""
        if client != self._client:
            return
        scheduler.plugins.pop(self.name, None)
        if self._run in scheduler.worker_plugins:
            self._ending = asyncio.ensure_future(
                scheduler.unregister_worker_plugin(None, self._run)
            )
