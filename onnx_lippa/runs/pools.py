"""Where the jobs of a run are worked on: here, or on a cluster."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from onnx_lippa.errors import InputError
from onnx_lippa.method import Pool
from onnx_lippa.onnx_io import Model
from onnx_lippa.runs.processes import Reply, Task
from onnx_lippa.runs.services import Service, TaskPool
from onnx_lippa.runs.workers import Workers, count_workers


@dataclass(frozen=True)
class WorkerChoice:
    """Worker processes on this machine, or those of a cluster.

    Attributes:
        count: number of processes here.
        cluster: address of a Dask scheduler, whose workers do the work instead; None for none.
        begins_here: whether few inputs are begun with in this process, see :class:`Workers`.
    """

    count: int = 1
    cluster: str | None = None
    begins_here: bool = False

    @classmethod
    def of(cls, workers: int | None, cluster: str | None) -> WorkerChoice:
        """What a caller chooses, by default one process for each core.

        Raises:
            InputError: it cannot be used.
        """
        if cluster is None:
            return cls(count_workers(workers), begins_here=workers is None)
        if workers is not None:
            raise InputError(
                "workers and cluster exclude each other: the threads of the cluster's workers count"
            )
        if not cluster.strip():
            raise InputError("cluster is empty: give the address of a Dask scheduler")
        if find_spec("distributed") is None:
            raise InputError(
                "a cluster needs Dask: install it with pip install 'onnx-lippa[cluster]'"
            )
        return cls(1, cluster)

    def open_tasks(
        self,
        service: Service[Task, Reply],
        prepare: Callable[[Path], Service[Task, Reply]],
        deadline: float = math.inf,
    ) -> AbstractContextManager[TaskPool[Task, Reply]]:
        """Processes for tasks, to be used in a ``with``.

        Args:
            service: what the processes do here.
            prepare: says what they do on a machine of a cluster, in an empty folder there.
            deadline: ``time.monotonic()`` after which nobody waits for machines.

        Raises:
            WorkerError: there is no scheduler or no worker, or versions differ.
        """
        if self.cluster is None:
            return service.open(self.count)
        from onnx_lippa.runs.cluster.pool import TaskCluster  # noqa: PLC0415 - of an extra

        return TaskCluster(self.cluster, prepare, deadline)

    def open(self, model: Model) -> AbstractContextManager[Pool]:
        """The workers, to be used in a ``with``.

        Raises:
            WorkerError: there is no scheduler or no worker, or versions differ.
        """
        if self.cluster is None:
            return Workers(model, self.count, self.begins_here)
        from onnx_lippa.runs.cluster.pool import Cluster  # noqa: PLC0415 - of an extra

        return Cluster(model, self.cluster)


HERE: Final = WorkerChoice()
"""One process on this machine."""
