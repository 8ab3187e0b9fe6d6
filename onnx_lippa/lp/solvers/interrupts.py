"""Signals that wait until a block of code has ended."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

ENDINGS: Final = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
"""The signals that ask a process to end: Ctrl-C, a scheduler or supervisor, a closed terminal."""


@contextmanager
def deferred_interrupts() -> Iterator[None]:
    """Holds back the signals that end a run until the block has ended; then they take effect.

    Only signals that a Python function handles are held: that function may raise anywhere. The
    bindings of OR-Tools call Python while they convert messages, and drop what that raises: an
    interrupt at that moment would be lost, or taken for a failure of the solver.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread receives signals
        return
    received: list[int] = []

    def hold(number: int, _frame: FrameType | None) -> None:
        received.append(number)

    before = {number: signal.getsignal(number) for number in ENDINGS}
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
