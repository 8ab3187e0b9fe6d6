"""Worker processes that start and end cleanly, whatever happens to them or to their parent.

Each process does one task at a time and answers through a pipe of its own. So it is known which
task a process had when it died, nothing but that task is lost, at most one task for each process
is under way, and a task that does not end can be ended with its process.
"""

from __future__ import annotations

import atexit
import math
import multiprocessing
import os
import pickle
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from types import TracebackType
from typing import Any, Final, Generic, TypeAlias, TypeVar, cast, final

from onnx_lippa.errors import InputError, WorkerError
from onnx_lippa.interrupts import TERMINATION_SIGNALS, defer_interrupts
from onnx_lippa.runs.serving import NAME, UNGUARDED, Raised, Sign, refuse_while_imported, serve

CONTEXT: Final = multiprocessing.get_context("spawn")
"""Workers are started afresh: runtimes and solvers do not survive a fork."""
_STARTS: Final = 3
"""Processes that may die in a row before one of them is ready."""
_HOUR: Final = 3600.0
_HAS_MASKS: Final = hasattr(signal, "pthread_sigmask")

Task = TypeVar("Task")
Reply = TypeVar("Reply")


@dataclass(frozen=True)
class Replied(Generic[Task, Reply]):
    """A worker sent a part of the result of its task."""

    task: Task
    reply: Reply


@dataclass(frozen=True)
class Finished(Generic[Task]):
    """A worker has done its task."""

    task: Task


@dataclass(frozen=True)
class Died(Generic[Task]):
    """A worker has died over its task.

    Attributes:
        task: the task.
        reason: what ended the process, as a phrase behind "its process".
        overdue: whether the task did not end in time, so that we ended the process.
    """

    task: Task
    reason: str
    overdue: bool


Event: TypeAlias = Replied[Task, Reply] | Finished[Task] | Died[Task]


@dataclass
class _Worker(Generic[Task]):
    """One process, seen from its parent.

    Attributes:
        process: the process.
        connection: our end of its pipe.
        task: what it is to do, None where it is free.
        seconds: how long the task may take.
        latest: ``time.monotonic()`` at which it is ended in any case.
        due: ``time.monotonic()`` at which the process is ended.
        born: ``time.monotonic()`` of its start.
        grace: seconds that its next task may take longer.
        is_ready: whether it takes tasks.
    """

    process: SpawnProcess
    connection: Connection[Any, Any]
    task: Task | None = None
    seconds: float = math.inf
    latest: float = math.inf
    due: float = math.inf
    born: float = 0.0
    grace: float = 0.0
    is_ready: bool = False


@final
class WorkerPool(Generic[Task, Reply]):
    """Processes that do tasks, one at a time each; to be closed, or used in a ``with``.

    Args:
        count: processes at most; each is started when there is a task for it.
        begin: called first in every process; gives what the process keeps between tasks.
        initials: its arguments.
        work: what is done with a task: takes what ``begin`` gave and the task, gives replies.
        patience: how much longer the first task of a process may take, in units of the time that
            its start took, which tells how busy the machine is.
    """

    def __init__(
        self,
        count: int,
        begin: Callable[..., Any],
        initials: tuple[Any, ...],
        work: Callable[[Any, Task], Iterator[Reply]],
        patience: float = 1.0,
    ) -> None:
        self._count, self._charge = count, pickle.dumps((begin, initials, work))
        self._patience = patience
        self._workers: list[_Worker[Task]] = []
        self._lost = 0

    def __enter__(self) -> WorkerPool[Task, Reply]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends the processes."""
        self.close()

    @property
    def has_room(self) -> bool:
        """Whether a task would be begun at once."""
        return len(self._workers) < self._count or any(w.task is None for w in self._workers)

    @property
    def is_busy(self) -> bool:
        """Whether any task is under way."""
        return any(worker.task is not None for worker in self._workers)

    def submit(self, task: Task, seconds: float = math.inf, latest: float = math.inf) -> None:
        """Gives a task to a process that is free; one is started where there is none.

        Args:
            task: the task.
            seconds: after this time the process is ended, and the task with it; the time starts
                when the process begins with the task.
            latest: the same as a ``time.monotonic()``, whether it has begun or not.

        Raises:
            InputError: processes cannot be started from the caller's script.
            WorkerError: processes cannot be started at all.
        """
        worker = next((w for w in self._workers if w.task is None), None) or self._start()
        worker.task, worker.seconds, worker.latest, worker.due = task, seconds, latest, latest
        if worker.is_ready:
            self._hand_over(worker)

    def wait(self) -> list[Event[Task, Reply]]:
        """What happened next; waits for it while any task is under way.

        Raises:
            LippaError: what a worker raised.
            InputError: processes cannot be started from the caller's script.
            WorkerError: processes die before they are ready.
        """
        events: list[Event[Task, Reply]] = []
        while not events and self.is_busy:
            due = min(worker.due for worker in self._workers)
            ends = [end for w in self._workers for end in (w.connection, w.process.sentinel)]
            heard = set(wait(ends, min(max(0.0, due - time.monotonic()), _HOUR)))
            for worker in list(self._workers):
                if worker.connection in heard or worker.process.sentinel in heard:
                    events += self._hear(worker)
                elif worker.due <= time.monotonic():
                    events += self._bury(worker, overdue=True)
        return events

    def close(self) -> None:
        """Ends all processes at once; they hold nothing that would be lost."""
        workers, self._workers = self._workers, []
        atexit.unregister(self.close)
        for worker in workers:
            worker.process.kill()
        for worker in workers:
            _release(worker)

    def _start(self) -> _Worker[Task]:
        """A new process; it is there or not, whatever interrupts its start."""
        refuse_while_imported()
        _require_importable_main()
        with defer_interrupts(), _blocked_endings():
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
            worker: _Worker[Task] = _Worker(process, ours, born=time.monotonic())
            self._workers.append(worker)
        return worker

    def _hand_over(self, worker: _Worker[Task]) -> None:
        try:
            worker.connection.send(worker.task)
        except OSError:
            return  # it has died, which its pipe says next
        worker.due = min(time.monotonic() + worker.seconds + worker.grace, worker.latest)
        worker.grace = 0.0

    def _hear(self, worker: _Worker[Task]) -> list[Event[Task, Reply]]:
        """All that a process has said, and its end."""
        events: list[Event[Task, Reply]] = []
        ended = not worker.process.is_alive()  # before its last words are read
        try:
            while worker.connection.poll():
                events += self._understand(worker, *worker.connection.recv())
        except (EOFError, OSError):
            ended = True
        return events + self._bury(worker) if ended else events

    def _understand(
        self, worker: _Worker[Task], sign: Sign, said: object
    ) -> list[Event[Task, Reply]]:
        if isinstance(said, Raised):
            raise said.error
        if sign is Sign.AWAKE:
            worker.connection.send_bytes(self._charge)
        elif sign is Sign.READY:
            worker.is_ready, self._lost = True, 0
            worker.grace = self._patience * (time.monotonic() - worker.born)
            if worker.task is not None:
                self._hand_over(worker)
        elif worker.task is not None:
            task = worker.task
            if sign is Sign.REPLY:
                return [Replied(task, cast(Reply, said))]
            worker.task, worker.due = None, math.inf
            return [Finished(task)]
        return []

    def _bury(self, worker: _Worker[Task], overdue: bool = False) -> list[Event[Task, Reply]]:
        """Takes a process off the books; a task that it had not begun goes to another one."""
        worker.process.kill()
        self._workers.remove(worker)
        code = _release(worker)
        reason = "did not end in time and was stopped" if overdue else _cause(code)
        if not worker.is_ready and not overdue:
            self._lost += 1
            if code == UNGUARDED:
                raise InputError(
                    "several workers import the script that calls onnx_lippa, and so reach the "
                    "call again: put it under if __name__ == '__main__':, or give workers=1"
                )
            if self._lost >= _STARTS:
                raise WorkerError(
                    f"worker processes die before they are ready (the last one {reason}): what had "
                    "finished is kept. Workers import the script that starts them, so it must be a "
                    "file whose calls stand under if __name__ == '__main__':; or give 1 worker"
                )
            if worker.task is not None:
                self.submit(worker.task, worker.seconds, worker.latest)
            return []
        return [] if worker.task is None else [Died(worker.task, reason, overdue)]


def _release(worker: _Worker[Any]) -> int:
    """Waits for a process that was killed or has ended; its exit code."""
    worker.process.join()
    code = worker.process.exitcode
    worker.connection.close()
    worker.process.close()
    return 0 if code is None else code


def _cause(code: int) -> str:
    """What an exit code says, as a phrase behind "its process"."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    said = {"SIGKILL": " (perhaps since memory ran out)", "SIGSEGV": " (a segmentation fault)"}
    return f"was ended by {name}{said.get(name, '')}"


def _require_importable_main() -> None:
    """Raises InputError for a script that workers could not import, as one on standard input."""
    main = sys.modules.get("__main__")
    path = getattr(main, "__file__", None)
    if path is not None and getattr(main, "__spec__", None) is None and not os.path.exists(path):
        raise InputError(
            f"several workers import the script that calls onnx_lippa, but {path} is no file: "
            "write it into one, with the call under if __name__ == '__main__':, or give workers=1"
        )


@contextmanager
def _blocked_endings() -> Iterator[None]:
    """A block in which children inherit that the signals that end a run are blocked.

    A process that is cut off while it starts writes a traceback of its own.
    """
    if os.name == "posix":
        # Started with the first child otherwise, it leaves these signals unblocked.
        resource_tracker.ensure_running()
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, TERMINATION_SIGNALS) if _HAS_MASKS else None
    try:
        yield
    finally:
        if mask is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
