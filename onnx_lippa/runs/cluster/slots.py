"""The threads of all workers of a cluster, as processes that work on one task each.

Each task is sent to one Dask worker by name. So it is known what a lost machine had, and the
seconds that a task has left are told when it is sent.
"""

from __future__ import annotations

import logging
import math
import pickle
import queue
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Generic, final

import dask
from distributed import Client, Future

from onnx_lippa.errors import WorkerError, describe
from onnx_lippa.runs.cluster import serving
from onnx_lippa.runs.cluster.connection import describe_loss, explained
from onnx_lippa.runs.cluster.packing import Packed, pack
from onnx_lippa.runs.cluster.versions import describe_difference, read_versions
from onnx_lippa.runs.processes import Died, Event, Finished, Replied, Reply, Task

_log: Final = logging.getLogger("onnx_lippa")
_PATIENCE: Final = 60.0
"""Seconds that a run waits while there is no worker at all."""
_LOOK_SECONDS: Final = 0.5
"""How often the run looks for workers that are lost or new."""
_GRACE: Final = 10.0
"""Seconds after the last moment of a task in which its machine must have answered."""
_RESULT_SECONDS: Final = 5.0
"""Time in which the replies to a finished task must come, unless its machine is lost."""
_LARGE_GRAPH: Final = {"distributed.admin.large-graph-warning-threshold": "1TB"}


@dataclass(frozen=True)
class _Sent:
    """A task that is on a machine.

    Attributes:
        future: Dask's name for its reply.
        task: the task.
        packed: the task with all its parts.
        address: the machine.
        seconds: its time limit there.
        latest: ``time.monotonic()`` here at which it is given up in any case.
    """

    future: Future
    task: Any
    packed: Packed
    address: str
    seconds: float
    latest: float


@final
class Slots(Generic[Task, Reply]):
    """The threads of all workers, of which each takes one task at a time.

    Attributes:
        deadline: ``time.monotonic()`` after which nobody waits for workers.
        count: number of threads.

    Args:
        client: the connection.
        address: the address of the scheduler, for messages.
        run: the name of the run.
        deadline: the deadline.
    """

    def __init__(self, client: Client, address: str, run: str, deadline: float = math.inf) -> None:
        self._client, self._address, self._run = client, address, run
        self.deadline, self.count = deadline, 0
        self._versions = read_versions()
        self._threads: dict[str, int] = {}
        self._known: dict[str, set[str]] = {}  # the parts that each machine has
        self._sent: dict[str, _Sent] = {}
        self._done: queue.SimpleQueue[Future] = queue.SimpleQueue()
        self._looked, self._number = -math.inf, 0

    @property
    def has_room(self) -> bool:
        """Whether a thread is free. Waits for workers while there are none.

        Raises:
            WorkerError: the scheduler is gone, or there is no worker for long.
        """
        with explained(self._address):
            self._wait_for_workers()
        return any(room > 0 for room in self._room().values())

    @property
    def is_busy(self) -> bool:
        """Whether any task is on a machine."""
        return bool(self._sent)

    def look(self) -> None:
        """Waits until there is a worker.

        Raises:
            WorkerError: there is none for long, or one has other versions.
        """
        with explained(self._address):
            scheduler = self._client.run_on_scheduler(read_versions)
        self._require_versions("the scheduler", scheduler)
        self._looked = -math.inf
        _ = self.has_room

    def submit(self, task: Task, seconds: float, latest: float = math.inf) -> None:
        """Sends a task to the worker that has most of its parts, and of these to the freest one."""
        packed, room = pack(task), self._room()
        address = max(
            (one for one in room if room[one] > 0),
            key=lambda one: (len(self._known[one] & packed.parts.keys()), room[one]),
        )
        with explained(self._address):
            self._send(task, packed, address, seconds, latest)

    def wait(self) -> list[Event[Task, Reply]]:
        """Waits for the next events while any task is on a machine.

        Raises:
            LippaError: what a task raised.
            WorkerError: the scheduler is gone, or a worker cannot work for this run.
        """
        events: list[Event[Task, Reply]] = []
        with explained(self._address):
            while not events and self._sent:
                for future in self._finished():
                    events += self._take(future)
                if time.monotonic() - self._looked > _LOOK_SECONDS:
                    self._update()
                    events += self._give_up()
        return events

    def _wait_for_workers(self) -> None:
        if time.monotonic() - self._looked > _LOOK_SECONDS:
            self._update()
        waited = time.monotonic() + _PATIENCE
        while not self._threads and not self._sent and time.monotonic() < self.deadline:
            if time.monotonic() > waited:
                raise WorkerError(
                    f"the scheduler at {self._address} has no workers: start some with "
                    f"'dask worker {self._address}'; what had finished is kept"
                )
            time.sleep(_LOOK_SECONDS)
            self._update()

    def _room(self) -> dict[str, int]:
        """The free threads of each worker."""
        room = dict(self._threads)
        for sent in self._sent.values():
            if sent.address in room:
                room[sent.address] -= 1
        return room

    def _update(self) -> None:
        """Takes note of workers that are new or gone."""
        if self._client.status != "running":
            raise WorkerError(describe_loss(self._address))
        self._looked = time.monotonic()
        threads = dict(self._client.nthreads())
        new = [address for address in threads if address not in self._known]
        if new:
            for address, versions in self._client.run(
                read_versions, workers=new, on_error="return"
            ).items():
                if isinstance(versions, OSError):
                    threads.pop(address)  # it has gone meanwhile
                    continue
                self._require_versions(f"the worker {address}", versions)
                self._known[address] = set()
        self._threads = {one: count for one, count in threads.items() if one in self._known}
        self.count = max(1, sum(self._threads.values()))

    def _require_versions(self, who: str, versions: object) -> None:
        if isinstance(versions, dict):
            difference = describe_difference(self._versions, versions)
        else:
            error = versions if isinstance(versions, BaseException) else TypeError()
            difference = f"no onnx-lippa {self._versions['onnx-lippa']} ({describe(error)})"
        if difference:
            raise WorkerError(
                f"{who} of the cluster at {self._address} has {difference}: install the same "
                "versions on all machines"
            )

    def _send(
        self, task: Task, packed: Packed, address: str, seconds: float, latest: float
    ) -> None:
        known = self._known[address]
        parts = {name: one for name, one in packed.parts.items() if name not in known}
        known.update(parts)
        order = serving.Order(Packed(packed.content, parts), seconds, latest - time.monotonic())
        self._number += 1
        with dask.config.set(_LARGE_GRAPH):
            future = self._client.submit(
                serving.run_order, self._run, pickle.dumps(order),
                key=f"{self._run}-{self._number}", pure=False,
                workers=[address], allow_other_workers=False,
            )  # fmt: skip
        self._sent[future.key] = _Sent(future, task, packed, address, seconds, latest)
        future.add_done_callback(self._done.put)

    def _finished(self) -> list[Future]:
        """The futures that are done; waits a little for the first."""
        found: list[Future] = []
        with suppress(queue.Empty):
            found.append(self._done.get(timeout=_LOOK_SECONDS))
            while True:
                found.append(self._done.get_nowait())
        return found

    def _take(self, future: Future) -> list[Event[Task, Reply]]:
        """What became of a task that is done."""
        sent = self._sent.get(future.key)
        if sent is None:
            return []  # it was given up
        if future.status == "cancelled":
            raise WorkerError(describe_loss(self._address))
        if future.status == "error":
            return self._explain_error(sent, future.exception(timeout=_RESULT_SECONDS))
        try:
            reply: serving.Reply = pickle.loads(future.result(timeout=_RESULT_SECONDS))
        except TimeoutError:
            self._done.put(future)  # its machine may be lost, which is seen there
            return []
        del self._sent[future.key]
        if reply.error is not None:
            raise reply.error
        if reply.is_missing:
            self._known[sent.address] = set()
            self._send(sent.task, sent.packed, sent.address, sent.seconds, sent.latest)
            return []
        task = sent.task
        events: list[Event[Task, Reply]] = [Replied(task, one) for one in reply.replies]
        return [*events, Died(task, reply.died, reply.overdue) if reply.died else Finished(task)]

    def _explain_error(self, sent: _Sent, error: BaseException | None) -> list[Event[Task, Reply]]:
        """A task that Dask could not carry out: its worker was lost, or cannot work."""
        if type(error).__name__ == "KilledWorker":
            return [self._lose(sent)]
        reason = "" if error is None else describe(error)
        raise WorkerError(
            f"the worker {sent.address} cannot work for this run ({reason}): what had finished is "
            "kept"
        )

    def _give_up(self) -> list[Event[Task, Reply]]:
        """The tasks of machines that are gone, and those whose last moment has passed."""
        now, events = time.monotonic(), list[Event[Task, Reply]]()
        for sent in list(self._sent.values()):
            if sent.address not in self._threads:
                events.append(self._lose(sent))
            elif now > sent.latest + _GRACE:
                self._forget(sent)
                events.append(Died(sent.task, "did not end in time and was given up", True))
        return events

    def _lose(self, sent: _Sent) -> Died[Task]:
        self._forget(sent)
        _log.info("the worker %s is lost: its job comes again", sent.address)
        return Died(sent.task, "was lost with its Dask worker", overdue=False, is_lost=True)

    def _forget(self, sent: _Sent) -> None:
        del self._sent[sent.future.key]
        sent.future.cancel()
