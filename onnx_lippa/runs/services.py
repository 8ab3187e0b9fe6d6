"""What processes do with tasks, wherever they are: here, or on the machines of a cluster."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol

from onnx_lippa.runs.processes import Event, Reply, Task, WorkerPool


@dataclass(frozen=True)
class Service(Generic[Task, Reply]):
    """What a process does: arguments of :class:`WorkerPool`, as a value that can be sent.

    Attributes:
        begin: called once in every process; returns the state that it keeps between tasks.
        initials: arguments of ``begin``.
        work: yields the replies to a task, given the state and the task.
        allowance: extra time for the first task, in units of the time that the start took.
    """

    begin: Callable[..., Any]
    initials: tuple[Any, ...]
    work: Callable[[Any, Task], Iterator[Reply]]
    allowance: float = 1.0

    def open(self, count: int) -> WorkerPool[Task, Reply]:
        """Processes on this machine, at most so many; each is started when it is needed."""
        return WorkerPool(count, self.begin, self.initials, self.work, self.allowance)


class TaskPool(Protocol[Task, Reply]):
    """Processes that work on one task each: a :class:`WorkerPool`, or the slots of a cluster."""

    @property
    def has_room(self) -> bool:
        """Whether a task would begin at once."""

    @property
    def is_busy(self) -> bool:
        """Whether any task is in progress."""

    def submit(self, task: Task, seconds: float, latest: float = math.inf) -> None:
        """Begins with a task, whose process is ended after so many seconds, or at ``latest``."""

    def wait(self) -> Sequence[Event[Task, Reply]]:
        """Waits for the next events while any task is in progress."""
