"""The side of a worker process: it serves its parent, and ends with it."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import threading
from dataclasses import dataclass
from enum import Enum
from multiprocessing.connection import Connection
from typing import Any, Final

from threadpoolctl import threadpool_limits

from onnx_lippa.errors import InternalError, LippaError, unexpected
from onnx_lippa.interrupts import TERMINATION_SIGNALS

NAME: Final = "onnx-lippa-worker"
_THREADS: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""Variables from which BLAS takes its number of threads when it is loaded."""


class Message(Enum):
    """The kinds of messages that a worker sends."""

    STARTED = 0
    READY = 1
    REPLY = 2
    DONE = 3
    RAISED = 4


@dataclass(frozen=True)
class Raised:
    """An error of a worker, in the form in which its parent raises it."""

    error: LippaError

    @classmethod
    def of(cls, error: Exception) -> Raised:
        """A LippaError as it is; any other, or one that cannot be pickled, as an InternalError."""
        if isinstance(error, LippaError):
            try:
                if str(pickle.loads(pickle.dumps(error))) == str(error):  # just written here
                    return cls(error)
            except Exception:  # noqa: BLE001 - a constructor may raise anything
                pass
        return cls(
            InternalError(str(error)) if isinstance(error, LippaError) else unexpected(error)
        )


def serve(connection: Connection[Any, Any]) -> None:
    """Runs a worker: receives its setup, then tasks until its parent closes the pipe."""
    _ignore_termination()
    _end_with_the_parent()
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        connection.send((Message.STARTED, None))
        begin, initials, work = connection.recv()
        # The variables hold for libraries loaded from here on, this for those loaded by the setup.
        threadpool_limits(limits=1)
        state = begin(*initials)
        connection.send((Message.READY, None))
        while True:
            for reply in work(state, connection.recv()):
                connection.send((Message.REPLY, reply))
            connection.send((Message.DONE, None))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
    except Exception as error:  # noqa: BLE001 - the parent raises it
        connection.send((Message.RAISED, Raised.of(error)))


def _ignore_termination() -> None:
    """Leaves Ctrl-C and a scheduler's signals, which reach all processes, to the parent."""
    for number in TERMINATION_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _end_with_the_parent() -> None:
    """Ends this process when its parent has ended, whatever it is doing.

    A thread waits on a pipe that only the parent holds open. If native code keeps Python's lock and
    so the thread from running, Linux sends a signal when that pipe closes.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def end() -> None:
        parent.join()
        os._exit(1)

    if sys.platform == "linux":
        from fcntl import F_GETFL, F_SETFL, F_SETOWN, fcntl  # noqa: PLC0415 - POSIX only

        fcntl(parent.sentinel, F_SETOWN, os.getpid())
        fcntl(parent.sentinel, F_SETFL, fcntl(parent.sentinel, F_GETFL) | os.O_ASYNC)
    threading.Thread(target=end, daemon=True, name="onnx-lippa watch").start()
