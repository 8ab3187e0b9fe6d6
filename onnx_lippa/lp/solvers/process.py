"""Signals and stderr of the process while native code runs."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

TERMINATION_SIGNALS: Final = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
"""Ctrl-C, a scheduler or supervisor, a closed terminal."""


@contextmanager
def deferred_interrupts() -> Iterator[None]:
    """Holds termination signals back until the block has ended.

    Only signals with a Python handler are held, since a handler may raise anywhere. The bindings
    of OR-Tools call Python while they convert messages, and drop what it raises: an interrupt at
    that moment would be lost, or taken for a failure of the solver.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread receives signals
        return
    received: list[int] = []

    def hold(number: int, _frame: FrameType | None) -> None:
        received.append(number)

    before = {number: signal.getsignal(number) for number in TERMINATION_SIGNALS}
    held = {number: handler for number, handler in before.items() if callable(handler)}
    for number in held:
        signal.signal(number, hold)
    try:
        yield
    finally:
        for number, handler in held.items():
            signal.signal(number, handler)
        for number in dict.fromkeys(received):
            signal.raise_signal(number)


_STDERR: Final = 2
_lock = threading.Lock()
_kept: list[int] = []
"""The real stderr, once for each running block; one duplicate serves them all."""


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Redirects file descriptor 2 to the null device while the block runs, for all threads.

    SCIP and its LP solver report numerical trouble there, whatever their options. So does the log
    of OR-Tools until a program sets it up, which a library should not do. Blocks may overlap: the
    last one to end restores it.
    """
    with _lock:
        if not _kept:
            try:
                _kept.append(os.dup(_STDERR))
            except OSError:  # there is none
                _kept.append(-1)
            else:
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, _STDERR)
                os.close(nowhere)
        else:
            _kept.append(_kept[0])
    try:
        yield
    finally:
        with _lock:
            real = _kept.pop()
            if not _kept and real >= 0:
                os.dup2(real, _STDERR)
                os.close(real)
