"""Termination signals, and blocks of code that they must not interrupt."""

from __future__ import annotations

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
def defer_interrupts() -> Iterator[None]:
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
