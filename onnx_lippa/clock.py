"""Deadlines: moments of ``time.monotonic()`` after which work stops.

Every loop whose round may take long calls :func:`require_time` with the deadline it was given, so
that no computation ends much later than its limit. A wall clock that is set back or forward
changes none of them.
"""

from __future__ import annotations

import time
from typing import ClassVar, Final

from onnx_lippa.ending import Ending, StoppedError

NEVER: Final = float("inf")
"""The deadline of what may take as long as it likes."""


class OutOfTimeError(StoppedError):
    """A computation that was stopped at its deadline: it says nothing."""

    ending: ClassVar[Ending] = Ending.OUT_OF_TIME


def require_time(deadline: float) -> None:
    """Stops a computation whose deadline has passed.

    Raises:
        OutOfTimeError: it has.
    """
    if time.monotonic() > deadline:
        raise OutOfTimeError(Ending.OUT_OF_TIME.sentence)
