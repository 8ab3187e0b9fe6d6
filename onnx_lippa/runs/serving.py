"""What a worker process does: it serves its parent, and ends with it."""

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
UNGUARDED: Final = 97
"""Exit code of a worker that was about to start workers, while it imported the user's script."""
_THREADS: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""Variables from which BLAS takes its number of threads when it is loaded."""


class Sign(Enum):
    """What the messages of a worker are."""

    AWAKE = 0
    READY = 1
    REPLY = 2
    DONE = 3
    RAISED = 4


@dataclass(frozen=True)
class Raised:
    """What a worker raised, as its parent is to raise it."""

    error: LippaError

    @classmethod
    def of(cls, error: Exception) -> Raised:
        """An error of ours as it is; any other, or one that no pipe takes, is told."""
        if isinstance(error, LippaError):
            try:
                if str(pickle.loads(pickle.dumps(error))) == str(error):  # our own, just written
                    return cls(error)
            except Exception:  # noqa: BLE001 - whatever its constructor makes of it, it is told
                pass
        return cls(
            InternalError(str(error)) if isinstance(error, LippaError) else unexpected(error)
        )


def serve(connection: Connection[Any, Any]) -> None:
    """A worker process: asks for its charge, then does tasks until its parent closes the pipe."""
    _leave_endings_to_the_parent()
    _end_with_the_parent()
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        connection.send((Sign.AWAKE, None))
        begin, initials, work = connection.recv()
        # The variables hold for what is loaded from here on, this for what the charge has loaded.
        threadpool_limits(limits=1)
        state = begin(*initials)
        connection.send((Sign.READY, None))
        while True:
            for reply in work(state, connection.recv()):
                connection.send((Sign.REPLY, reply))
            connection.send((Sign.DONE, None))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
    except Exception as error:  # noqa: BLE001 - the parent raises it
        connection.send((Sign.RAISED, Raised.of(error)))


def _leave_endings_to_the_parent() -> None:
    """A Ctrl-C or a scheduler's signal reaches all processes; the parent decides."""
    for number in TERMINATION_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _end_with_the_parent() -> None:
    """Sees to it that this process ends, whatever it is doing, when its parent has ended.

    A thread waits on a pipe that only the parent holds open. Where code that holds Python's lock
    keeps the thread from running, Linux sends a signal when that pipe closes.
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


def refuse_while_imported() -> None:
    """Ends a worker, quietly, that would start workers while it imports the user's script."""
    process = multiprocessing.current_process()
    # The flag by which multiprocessing itself refuses this, with a traceback.
    if process.name == NAME and getattr(process, "_inheriting", False):
        os._exit(UNGUARDED)
