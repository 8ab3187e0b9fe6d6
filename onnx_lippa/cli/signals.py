"""Signals that end a command: the first interrupts it, the second ends it at once."""

from __future__ import annotations

import os
import signal
import time
from types import FrameType
from typing import Any, Final

_ENDINGS: Final = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
_REPEATED: Final = 2.0
"""Seconds within which a second signal counts as the first one, sent to the group as well."""


class SignalHandler:
    """Turns the first signal that ends a run into a KeyboardInterrupt.

    Before a command has begun there is nothing to keep, so the process ends at once. It also ends
    at once after a second signal, since a run's folder is valid at any moment. Signals that the
    caller ignores (``nohup``) stay ignored.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self.has_begun = False
        self._at = 0.0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> SignalHandler:
        for number in _ENDINGS:
            handler = signal.getsignal(number)
            if handler is not signal.SIG_IGN:
                self._before[number] = handler
                signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if not self.has_begun:
            os.write(2, b"interrupted\n")
            os._exit(128 + number)
        if self.received is None:
            self.received, self._at = number, time.monotonic()
            raise KeyboardInterrupt
        if time.monotonic() - self._at > _REPEATED:
            os._exit(128 + self.received)


def ignore_endings() -> None:
    """The command is finished, and nothing may interrupt the exit of Python."""
    for number in _ENDINGS:
        signal.signal(number, signal.SIG_IGN)
