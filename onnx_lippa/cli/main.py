"""The entry point: nothing is imported before the signals that end a run are listened to."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import time
from importlib import import_module
from types import FrameType
from typing import Any, Final

_ENDINGS: Final = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
_ECHO: Final = 2.0
"""Seconds in which a second signal is taken for the first one, sent to the group as well."""


class Listener:
    """Turns the signals that end a run into what Ctrl-C is: a KeyboardInterrupt.

    Before a command has begun there is nothing to keep, and the process ends at once; after a
    second signal it does so too, since a run's folder is good at any moment. Signals that the
    caller ignores (``nohup``) stay ignored.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self.has_begun = False
        self._at = 0.0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Listener:
        for number in _ENDINGS:
            handler = signal.getsignal(number)
            if handler is not signal.SIG_IGN:
                self._before[number] = handler
                signal.signal(number, self._hear)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _hear(self, number: int, _frame: FrameType | None) -> None:
        if not self.has_begun:
            os.write(2, b"interrupted\n")
            os._exit(128 + number)
        if self.received is None:
            self.received, self._at = number, time.monotonic()
            raise KeyboardInterrupt
        if time.monotonic() - self._at > _ECHO:
            os._exit(128 + self.received)


def main() -> None:
    """Runs the command line and exits."""
    with Listener() as listener:
        code = import_module("onnx_lippa.cli.app").run(sys.argv[1:], listener)
    atexit.register(_ignore_endings)
    sys.exit(code)


def _ignore_endings() -> None:
    """All is done: nothing may interrupt how Python exits."""
    for number in _ENDINGS:
        signal.signal(number, signal.SIG_IGN)


if __name__ == "__main__":
    main()
