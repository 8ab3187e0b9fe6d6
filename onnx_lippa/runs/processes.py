"""Worker processes that start and end cleanly, whatever happens to them or to their parent.

Each process works on one task at a time and answers through a pipe of its own. So it is known which
task a process had when it died, only that task is lost, and a task that does not end can be ended
with its process. Workers do not import the script that started them: any script, notebook or shell
can use them.
"""

from __future__ import annotations

import atexit
import math
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from types import ModuleType
from typing import Any, Final, Generic, TypeAlias, TypeVar, cast, final

from onnx_lippa.errors import WorkerError
from onnx_lippa.interrupts import TERMINATION_SIGNALS, defer_interrupts
from onnx_lippa.runs.serving import NAME, Message, Raised, serve

CONTEXT: Final = multiprocessing.get_context("spawn")
"""Workers are started afresh: runtimes and solvers do not survive a fork."""
_STARTS: Final = 3
"""Processes that may end in a row before one of them is ready."""
_HOUR: Final = 3600.0
_STARTING: Final = threading.Lock()
"""Held while a process is started, since its parent is changed meanwhile."""
_HAS_MASKS: Final = hasattr(signal, "pthread_sigmask")

Task = TypeVar("Task")
Reply = TypeVar("Reply")


@dataclass(frozen=True)
class Replied(Generic[Task, Reply]):
    """A worker sent one reply to its task; there may be more."""

    task: Task
    reply: Reply


@dataclass(frozen=True)
class Finished(Generic[Task]):
    """A worker has finished its task."""

    task: Task


@dataclass(frozen=True)
class Died(Generic[Task]):
    """The process of a task has ended before the task.

    Attributes:
        task: the task.
        reason: how the process ended, as a phrase after "its process".
        overdue: whether the process was ended because the task took too long.
        is_lost: whether its machine went away, and the task may have had no part in it.
    """

    task: Task
    reason: str
    overdue: bool
    is_lost: bool = False


Event: TypeAlias = Replied[Task, Reply] | Finished[Task] | Died[Task]


@dataclass
class _Worker(Generic[Task]):
    """One process, as its parent sees it. Times are those of ``time.monotonic()``.

    Attributes:
        process: the process.
        connection: the parent's end of its pipe.
        task: its task; None while it is free.
        seconds: time limit of the task, from when the process begins with it.
        latest: deadline of the task in any case.
        deadline: when the process is ended.
        started: when the process was started.
        allowance: extra seconds for its next task.
        is_ready: whether it has finished starting.
    """

    process: SpawnProcess
    connection: Connection[Any, Any]
    task: Task | None = None
    seconds: float = math.inf
    latest: float = math.inf
    deadline: float = math.inf
    started: float = 0.0
    allowance: float = 0.0
    is_ready: bool = False


@final
class WorkerPool(Generic[Task, Reply]):
    """A pool of processes that work on one task each; use it in a ``with``, or close it.

    Args:
        count: largest number of processes; each is started when there is a task for it.
        begin: called once in every process; returns the state that it keeps between tasks.
        initials: arguments of ``begin``.
        work: yields the replies to a task, given the state and the task.
        allowance: extra time for the first task of a process, in units of the time that its start
            took, which tells how busy the machine is.
    """

    def __init__(
        self,
        count: int,
        begin: Callable[..., Any],
        initials: tuple[Any, ...],
        work: Callable[[Any, Task], Iterator[Reply]],
        allowance: float = 1.0,
    ) -> None:
        self._count, self._setup = count, pickle.dumps((begin, initials, work))
        self._allowance = allowance
        self._workers: list[_Worker[Task]] = []
        self._failed_starts, self._is_killed = 0, False

    def __enter__(self) -> WorkerPool[Task, Reply]:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def has_room(self) -> bool:
        """Whether a task would begin at once."""
        return len(self._workers) < self._count or any(w.task is None for w in self._workers)

    @property
    def is_busy(self) -> bool:
        """Whether any task is in progress."""
        return any(worker.task is not None for worker in self._workers)

    def submit(self, task: Task, seconds: float = math.inf, latest: float = math.inf) -> None:
        """Gives a task to a free process, or starts one.

        Args:
            task: the task.
            seconds: time limit of the task, from when the process begins with it; then the process
                is ended.
            latest: ``time.monotonic()`` at which the process is ended in any case.

        Raises:
            WorkerError: no process can be started.
        """
        worker = next((w for w in self._workers if w.task is None), None) or self._start()
        worker.task, worker.seconds = task, seconds
        worker.latest = worker.deadline = latest
        if worker.is_ready:
            self._send(worker)

    def wait(self) -> list[Event[Task, Reply]]:
        """Waits for the next events while any task is in progress.

        Raises:
            LippaError: what a worker raised.
            WorkerError: processes end before they are ready.
        """
        events: list[Event[Task, Reply]] = []
        while not events and self.is_busy:
            left = min(worker.deadline for worker in self._workers) - time.monotonic()
            ends = [end for w in self._workers for end in (w.connection, w.process.sentinel)]
            ready = set(wait(ends, min(max(0.0, left), _HOUR)))
            for worker in list(self._workers):
                if worker.connection in ready or worker.process.sentinel in ready:
                    events += self._receive(worker)
                elif worker.deadline <= time.monotonic():
                    events += self._remove(worker, overdue=True)
        return events

    def close(self) -> None:
        """Kills all processes; they hold nothing that would be lost."""
        workers, self._workers = self._workers, []
        atexit.unregister(self.close)
        for worker in workers:
            worker.process.kill()
        for worker in workers:
            _release(worker)

    def kill(self) -> None:
        """Kills all processes, from any thread, and starts no more; a wait for them is an error."""
        self._is_killed = True
        for worker in list(self._workers):
            with suppress(ValueError):  # it has just been released
                worker.process.kill()

    def _start(self) -> _Worker[Task]:
        """A new process. An interrupt takes effect before or after its start, not during it."""
        with defer_interrupts(), _STARTING, _blocked_termination(), _hidden_main():
            ours, theirs = CONTEXT.Pipe()
            process = CONTEXT.Process(target=serve, args=(theirs,), name=NAME)
            if not self._workers:
                # Python waits for its children when it exits.
                atexit.register(self.close)
            try:
                process.start()
            except OSError as error:
                ours.close()
                raise WorkerError(
                    f"a worker process cannot be started ({error.strerror or error}): what had "
                    "finished is kept, go on with fewer --workers"
                ) from error
            finally:
                theirs.close()
            worker: _Worker[Task] = _Worker(process, ours, started=time.monotonic())
            self._workers.append(worker)
            if self._is_killed:
                process.kill()
        return worker

    def _send(self, worker: _Worker[Task]) -> None:
        try:
            worker.connection.send(worker.task)
        except OSError:
            return  # it has ended, which the next wait sees
        limit = worker.seconds + worker.allowance
        worker.deadline, worker.allowance = min(time.monotonic() + limit, worker.latest), 0.0

    def _receive(self, worker: _Worker[Task]) -> list[Event[Task, Reply]]:
        """The messages of a process, and its end."""
        events: list[Event[Task, Reply]] = []
        ended = not worker.process.is_alive()  # asked before its last messages are read
        try:
            while worker.connection.poll():
                events += self._handle(worker, *worker.connection.recv())
        except (EOFError, OSError):
            ended = True
        return events + self._remove(worker) if ended else events

    def _handle(
        self, worker: _Worker[Task], kind: Message, content: object
    ) -> list[Event[Task, Reply]]:
        """Handles one message of a process."""
        if isinstance(content, Raised):
            raise content.error
        if kind is Message.STARTED:
            worker.connection.send_bytes(self._setup)
        elif kind is Message.READY:
            worker.is_ready, self._failed_starts = True, 0
            worker.allowance = self._allowance * (time.monotonic() - worker.started)
            if worker.task is not None:
                self._send(worker)
        elif worker.task is not None:
            task = worker.task
            if kind is Message.REPLY:
                return [Replied(task, cast(Reply, content))]
            worker.task, worker.deadline = None, math.inf
            return [Finished(task)]
        return []

    def _remove(self, worker: _Worker[Task], overdue: bool = False) -> list[Event[Task, Reply]]:
        """Removes a process that has ended or is overdue; a task not begun goes to another one."""
        worker.process.kill()
        self._workers.remove(worker)
        code = _release(worker)
        reason = "did not end in time and was stopped" if overdue else _describe_exit(code)
        if self._is_killed:
            raise WorkerError("the run has ended")
        if not worker.is_ready and not overdue:
            self._failed_starts += 1
            if self._failed_starts >= _STARTS:
                raise WorkerError(
                    f"worker processes end before they are ready (the last one {reason}): what had "
                    "finished is kept, go on with 1 worker"
                )
            if worker.task is not None:
                self.submit(worker.task, worker.seconds, worker.latest)
            return []
        return [] if worker.task is None else [Died(worker.task, reason, overdue)]


def _release(worker: _Worker[Any]) -> int:
    """Waits for a process that was killed or has ended, and returns its exit code."""
    worker.process.join()
    code = worker.process.exitcode
    worker.connection.close()
    worker.process.close()
    return 0 if code is None else code


def _describe_exit(code: int) -> str:
    """An exit code as a phrase after "its process"."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    notes = {"SIGKILL": " (perhaps because memory ran out)", "SIGSEGV": " (a segmentation fault)"}
    return f"was ended by {name}{notes.get(name, '')}"


@contextmanager
def _hidden_main() -> Iterator[None]:
    """A block in which children are started without the caller's script.

    ``multiprocessing`` has every child import ``__main__``: the script runs again, and with it what
    it does and imports. A worker needs nothing of it.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextmanager
def _blocked_termination() -> Iterator[None]:
    """A block whose children inherit that the signals that end a run are blocked.

    A process that is interrupted while it starts writes a traceback of its own.
    """
    if os.name == "posix":
        # It would be started with the first child, and leave these signals unblocked.
        resource_tracker.ensure_running()
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, TERMINATION_SIGNALS) if _HAS_MASKS else None
    try:
        yield
    finally:
        if mask is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
