"""What native code writes to stderr by itself, kept from the terminal."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_STDERR: Final = 2
_lock = threading.Lock()
_kept: list[int] = []
"""The real stderr, once for each block that is running; one dup serves them all."""


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Sends file descriptor 2 nowhere while the block runs, in this process and all its threads.

    SCIP and the LP solver inside it report numerical trouble there, whatever their options say,
    and OR-Tools' log does until a program has set it up, which is not a library's to do. Blocks
    may overlap: the last one to end restores it.
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
