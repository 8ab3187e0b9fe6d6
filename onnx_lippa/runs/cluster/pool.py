"""The side of the run: pools whose processes are those of a Dask cluster.

The run gives each free thread of the cluster one job, as it gives one to each free process on one
machine.
"""

from __future__ import annotations

import logging
import math
import uuid
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Final, Generic, final

from typing_extensions import override

from onnx_lippa.errors import WorkerError, describe
from onnx_lippa.method import Job, Pool
from onnx_lippa.onnx_io import Model, PackedModel
from onnx_lippa.runs.cluster.connection import CONNECT_SECONDS, connect, explained
from onnx_lippa.runs.cluster.serving import Machine, Watch
from onnx_lippa.runs.cluster.slots import Slots
from onnx_lippa.runs.processes import Reply, Task
from onnx_lippa.runs.rounds import Attempt, Round, serve_model
from onnx_lippa.runs.services import Service
from onnx_lippa.witness import Result

_log: Final = logging.getLogger("onnx_lippa")


@final
class TaskCluster(Generic[Task, Reply]):
    """The threads of a Dask cluster, each with a process for tasks. Use it in a ``with``.

    Args:
        address: the address of the scheduler.
        prepare: is called on each machine, now and later; it writes what the processes need into
            an empty folder, and says what they do.
        deadline: ``time.monotonic()`` after which nobody waits for workers.
    """

    def __init__(
        self,
        address: str,
        prepare: Callable[[Path], Service[Task, Reply]],
        deadline: float = math.inf,
    ) -> None:
        self._address, self._prepare, self._deadline = address, prepare, deadline

    def __enter__(self) -> Slots[Task, Reply]:
        """Connects to the scheduler, waits for a worker, and sends what all workers need.

        Raises:
            WorkerError: there is no scheduler or no worker, or versions differ.
        """
        self._client = connect(self._address)
        run = f"onnx-lippa-{uuid.uuid4().hex[:16]}"
        try:
            slots: Slots[Task, Reply] = Slots(self._client, self._address, run, self._deadline)
            slots.look()
            with explained(self._address):
                self._client.register_plugin(Watch(run, self._client.id))
            self._send_plugin(Machine(run, self._prepare))
        except BaseException:
            self.close()
            raise
        _log.info("%d workers of the cluster at %s", slots.count, self._address)
        return slots

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leaves the cluster, whose scheduler then ends what is left of the run."""
        self._client.close(timeout=CONNECT_SECONDS)

    def _send_plugin(self, machine: Machine) -> None:
        """Sends a plugin to the scheduler, which gives it to all workers, now and later.

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
        prepare = partial(prepare_model, PackedModel.of(self.model))
        self._tasks: TaskCluster[Attempt, Result] = TaskCluster(self._address, prepare)
        self._slots = self._tasks.__enter__()
        self.count = self._slots.count
        return self

    @override
    def close(self) -> None:
        """Leaves the cluster, whose scheduler then ends what is left of the run."""
        self._tasks.close()

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
        for result in Round(self._slots, iter(jobs), deadline, latest, slack).run():
            self.count = self._slots.count
            yield result


def prepare_model(packed: PackedModel, folder: Path) -> Service[Attempt, Result]:
    """Writes the model of a run on a machine."""
    return serve_model(packed.unpack(folder))
