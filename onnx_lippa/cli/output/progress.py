"""Progress of a run: a bar on a terminal, and elsewhere a line every so often."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import Final, final

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from onnx_lippa.cli.output.terminal import console as make_console
from onnx_lippa.runs.event_log import Tally
from onnx_lippa.runs.results import Ended, Event, Results, Started

EVERY: Final = 30.0
"""Seconds between lines where there is no terminal. A run that takes less prints none."""


@final
class LiveProgress:
    """A listener that shows stage, finished and open inputs, robust error, rate and times.

    On a terminal it shows a bar, which vanishes at the end. Elsewhere, as in the log of a CI
    system, it writes plain lines to the standard error.

    Attributes:
        results: the results of the last run, finished or interrupted.

    Args:
        console: where results are printed; a quiet one shows no progress.
    """

    def __init__(self, console: Console) -> None:
        errors = make_console(stderr=True, soft_wrap=True)
        self._console = next((one for one in (console, errors) if is_terminal(one)), None)
        self._errors, self._is_quiet = errors, console.quiet
        self._tally, self._progress, self._task = Tally(), Progress(disable=True), TaskID(0)
        self._lines: Lines | None = None
        self.results: Results | None = None

    def hear(self, event: Event) -> None:
        """Shows an event."""
        if isinstance(event, Started):
            self._tally = Tally.of(event)
            self._start()
        elif isinstance(event, Ended):
            self._progress.stop()
            if self._lines is not None:
                self._lines.stop()
            self.results = event.results
        else:
            self._tally.hear(event)
            self._show()

    def _start(self) -> None:
        if self._is_quiet:
            return
        if self._console is None:
            self._lines = Lines(self._errors, lambda: _line(self._tally))
            return
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[found]}", style="bold"),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
        )
        total = self._tally.inputs
        self._task = self._progress.add_task("starting", total=total, found="", rate="")
        self._progress.start()
        self._show()

    def _show(self) -> None:
        if self._console is None or self._is_quiet:
            return
        tally = self._tally
        self._progress.update(
            self._task,
            description=tally.stage,
            completed=tally.done,
            found=_found(tally),
            rate=_rate(tally),
        )


@final
class Lines:
    """Writes a line every so often from a thread, so that a long silence of the run is none.

    Args:
        console: where they are written.
        describe: says what is known.
    """

    def __init__(self, console: Console, describe: Callable[[], str]) -> None:
        self._console, self._describe, self._ended = console, describe, threading.Event()
        self._written = 0
        self._thread = threading.Thread(target=self._write, name="progress", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread; a run that has written lines gets a last one."""
        self._ended.set()
        self._thread.join()
        if self._written:
            self._print()

    def _write(self) -> None:
        while not self._ended.wait(EVERY):
            self._print()

    def _print(self) -> None:
        self._console.print(self._describe(), highlight=False)
        self._written += 1


def _line(tally: Tally) -> str:
    line = (
        f"{time.monotonic() - tally.began:.0f} s: {tally.stage}, {tally.done:,} of "
        f"{tally.inputs:,} inputs done, {tally.open:,} open, {_found(tally)}"
    )
    if tally.open and tally.seconds_left < math.inf:
        line += f", {_rate(tally)}, about {tally.seconds_left:.0f} s left"
    return line


def _found(tally: Tally) -> str:
    if not tally.has_radius:
        return f"{tally.broken} broken"
    lower, upper = tally.robust_error
    return f"robust error [{lower:.1%}, {upper:.1%}]"


def _rate(tally: Tally) -> str:
    rate = tally.rate
    if rate <= 0:
        return ""
    return f"{rate:.1f} inputs/s" if rate >= 1 else f"{60 * rate:.1f} inputs/min"


def is_terminal(console: Console) -> bool:
    """Whether someone looks at it; FORCE_COLOR, which CI systems set, makes no terminal."""
    return console.file.isatty() and not console.is_dumb_terminal
