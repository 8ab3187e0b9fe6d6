"""The side of the run: a pool whose processes are those of a Dask cluster.

The run gives each free thread of the cluster one job, as it gives one to each free process on one
machine, and sends it to one Dask worker by name. So it is known what a lost machine had, and the
seconds that a job has left are told when it is sent.
"""

from __future__ import annotations

import logging
import math
import pickle
import queue
import time
import uuid
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final, final

import dask
from distributed import Client, Future
from typing_extensions import override

from onnx_lippa.errors import WorkerError, describe
from onnx_lippa.method import Job, Pool
from onnx_lippa.onnx_io import Model, PackedModel
from onnx_lippa.runs.cluster.packing import Packed, pack
from onnx_lippa.runs.cluster.serving import Machine, Order, Reply, Watch, run_order
from onnx_lippa.runs.cluster.versions import describe_difference, read_versions
from onnx_lippa.runs.processes import Died, Event, Finished, Replied
from onnx_lippa.runs.rounds import Attempt, Round
from onnx_lippa.witness import Result

_log: Final = logging.getLogger("onnx_lippa")
_CONNECT_SECONDS: Final = 10
"""Time in which a scheduler must answer."""
_PATIENCE: Final = 60.0
"""Seconds that a run waits while there is no worker at all."""
_LOOK_SECONDS: Final = 0.5
"""How often the run looks for workers that are lost or new."""
_GRACE: Final = 10.0
"""Seconds after the last moment of a job in which its machine must have answered."""
_RESULT_SECONDS: Final = 5.0
"""Time in which the result of a finished job must come, unless its machine is lost."""
_LARGE_GRAPH: Final = {"distributed.admin.large-graph-warning-threshold": "1TB"}


@final
class Cluster(Pool):
    """The threads of a Dask cluster, each with a process that has the model. Use it in a ``with``.

    Args:
        model: the model, loaded and checked.
        address: the address of the scheduler.
    """

    def __init__(self, model: Model, address: str) -> None:
        self.model, self.count, self._address = model, 1, address

    @override
    def __enter__(self) -> Cluster:
        """Connects to the scheduler, waits for a worker, and sends the model.

        Raises:
            WorkerError: there is no scheduler or no worker, or versions differ.
        """
        packed = PackedModel.of(self.model)
        self._client = _connect(self._address)
        run = f"onnx-lippa-{packed.source.sha256[:16]}-{uuid.uuid4().hex[:8]}"
        try:
            with _explained(self._address):
                self._slots = _Slots(self._client, self._address, run)
                self._slots.look()
                self.count = self._slots.count
                self._client.register_plugin(Watch(run, self._client.id))
            self._send_model(Machine(run, packed))
        except BaseException:
            self._client.close(timeout=_CONNECT_SECONDS)
            raise
        _log.info("%d workers of the cluster at %s", self.count, self._address)
        return self

    @override
    def close(self) -> None:
        """Leaves the cluster, whose scheduler then ends what is left of the run."""
        self._client.close(timeout=_CONNECT_SECONDS)

    def _send_model(self, machine: Machine) -> None:
        """Sends the model to the scheduler, which gives it to all workers, now and later.

        Raises:
            WorkerError: a worker cannot take it.
        """
        try:
            self._client.register_plugin(machine)
        except Exception as error:  # whatever a machine may raise
            raise WorkerError(
                f"a worker of the cluster at {self._address} cannot take the model "
                f"({describe(error)}): free some space there"
            ) from error

    @override
    def expect(self, jobs: int, seconds: float) -> None:
        """The processes of a cluster are there, whatever the work."""

    @override
    def run(
        self,
        jobs: Iterable[Job],
        deadline: float = math.inf,
        latest: float = math.inf,
        slack: float = 0.0,
    ) -> Iterator[Result]:
        self._slots.deadline = min(deadline, latest)
        with _explained(self._address):
            for result in Round(self._slots, iter(jobs), deadline, latest, slack).run():
                self.count = self._slots.count
                yield result


@dataclass(frozen=True)
class _Sent:
    """A job that is on a machine.

    Attributes:
        future: Dask's name for its reply.
        task: the job.
        packed: the job with all its parts.
        address: the machine.
        seconds: its time limit there.
        latest: ``time.monotonic()`` here at which it is given up in any case.
    """

    future: Future
    task: Attempt
    packed: Packed
    address: str
    seconds: float
    latest: float


@final
class _Slots:
    """The threads of all workers, of which each takes one job at a time.

    Attributes:
        deadline: ``time.monotonic()`` after which nobody waits for workers.
        count: number of threads.

    Args:
        client: the connection.
        address: the address of the scheduler, for messages.
        run: the name of the run.
    """

    def __init__(self, client: Client, address: str, run: str) -> None:
        self._client, self._address, self._run = client, address, run
        self.deadline, self.count = math.inf, 0
        self._versions = read_versions()
        self._threads: dict[str, int] = {}
        self._known: dict[str, set[str]] = {}  # the parts that each machine has
        self._sent: dict[str, _Sent] = {}
        self._done: queue.SimpleQueue[Future] = queue.SimpleQueue()
        self._looked, self._number = -math.inf, 0

    @property
    def has_room(self) -> bool:
        """Whether a thread is free. Waits for workers while there are none."""
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
        return any(room > 0 for room in self._room().values())

    @property
    def is_busy(self) -> bool:
        """Whether any job is on a machine."""
        return bool(self._sent)

    def look(self) -> None:
        """Waits until there is a worker.

        Raises:
            WorkerError: there is none for long, or one has other versions.
        """
        scheduler = self._client.run_on_scheduler(read_versions)
        self._require_versions("the scheduler", scheduler)
        self._looked = -math.inf
        _ = self.has_room

    def submit(self, task: Attempt, seconds: float, latest: float) -> None:
        """Sends a job to the worker that has most of its parts, and of these to the freest one."""
        packed, room = pack(task), self._room()
        address = max(
            (one for one in room if room[one] > 0),
            key=lambda one: (len(self._known[one] & packed.parts.keys()), room[one]),
        )
        self._send(task, packed, address, seconds, latest)

    def wait(self) -> list[Event[Attempt, Result]]:
        """Waits for the next events while any job is on a machine.

        Raises:
            LippaError: what a job raised.
            WorkerError: the scheduler is gone, or a worker cannot work for this run.
        """
        events: list[Event[Attempt, Result]] = []
        while not events and self._sent:
            for future in self._finished():
                events += self._take(future)
            if time.monotonic() - self._looked > _LOOK_SECONDS:
                self._update()
                events += self._give_up()
        return events

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
            raise WorkerError(_gone(self._address))
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
        self, task: Attempt, packed: Packed, address: str, seconds: float, latest: float
    ) -> None:
        known = self._known[address]
        parts = {name: one for name, one in packed.parts.items() if name not in known}
        known.update(parts)
        order = Order(Packed(packed.content, parts), seconds, latest - time.monotonic())
        self._number += 1
        with dask.config.set(_LARGE_GRAPH):
            future = self._client.submit(
                run_order, self._run, pickle.dumps(order), key=f"{self._run}-{self._number}",
                workers=[address], allow_other_workers=False, pure=False,
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

    def _take(self, future: Future) -> list[Event[Attempt, Result]]:
        """What became of a job that is done."""
        sent = self._sent.get(future.key)
        if sent is None:
            return []  # it was given up
        if future.status == "cancelled":
            raise WorkerError(_gone(self._address))
        if future.status == "error":
            return self._explain(sent, future.exception(timeout=_RESULT_SECONDS))
        try:
            reply: Reply = pickle.loads(future.result(timeout=_RESULT_SECONDS))
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
        events: list[Event[Attempt, Result]] = [Replied(task, one) for one in reply.results]
        return [*events, Died(task, reply.died, reply.overdue) if reply.died else Finished(task)]

    def _explain(self, sent: _Sent, error: BaseException | None) -> list[Event[Attempt, Result]]:
        """A job that Dask could not carry out: its worker was lost, or cannot work."""
        if type(error).__name__ == "KilledWorker":
            return [self._lose(sent)]
        reason = "" if error is None else describe(error)
        raise WorkerError(
            f"the worker {sent.address} cannot work for this run ({reason}): what had finished is "
            "kept"
        )

    def _give_up(self) -> list[Event[Attempt, Result]]:
        """The jobs of machines that are gone, and those whose last moment has passed."""
        now, events = time.monotonic(), list[Event[Attempt, Result]]()
        for sent in list(self._sent.values()):
            if sent.address not in self._threads:
                events.append(self._lose(sent))
            elif now > sent.latest + _GRACE:
                self._forget(sent)
                events.append(Died(sent.task, "did not end in time and was given up", True))
        return events

    def _lose(self, sent: _Sent) -> Died[Attempt]:
        self._forget(sent)
        _log.info("the worker %s is lost: its job comes again", sent.address)
        return Died(sent.task, "was lost with its Dask worker", overdue=False, is_lost=True)

    def _forget(self, sent: _Sent) -> None:
        del self._sent[sent.future.key]
        sent.future.cancel()


def _connect(address: str) -> Client:
    """A connection to a scheduler.

    Raises:
        WorkerError: none answers.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # versions are compared below
            return Client(address, timeout=_CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise WorkerError(
            f"no Dask scheduler answers at {address} ({describe(error)}): start one with 'dask "
            "scheduler', and give the address that it prints"
        ) from error


@contextmanager
def _explained(address: str) -> Iterator[Any]:
    """A block in which the loss of the scheduler is an error of ours."""
    try:
        yield
    except (OSError, TimeoutError) as error:
        raise WorkerError(_gone(address)) from error


def _gone(address: str) -> str:
    return (
        f"the scheduler at {address} is gone: what had finished is kept, and the same command "
        "goes on"
    )
