"""Progress of properties: a bar on a terminal, and elsewhere a line every so often."""

from __future__ import annotations

import math
import time
from typing import final

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from onnx_lippa.cli.output.progress import Lines, is_terminal
from onnx_lippa.cli.output.terminal import console as make_console
from onnx_lippa.runs.event_log import AnswerTally
from onnx_lippa.runs.properties.events import AnswerEvent, AnswersEnded, AnswersStarted
from onnx_lippa.runs.properties.finding import Finding


@final
class AnswerProgress:
    """A listener that shows how many instances are answered, or what is known of one property.

    It is used in a ``with``, whose end ends what is shown.

    Args:
        quiet: whether nothing is shown.
    """

    def __init__(self, quiet: bool) -> None:
        self._errors, self._quiet = make_console(stderr=True, soft_wrap=True), quiet
        self._tally, self._known = AnswerTally(), "searching"
        self._progress = Progress(disable=True)
        self._task = self._progress.add_task(self._known)
        self._lines: Lines | None = None

    def __enter__(self) -> AnswerProgress:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def hear(self, event: AnswerEvent) -> None:
        """Shows an event."""
        if isinstance(event, AnswersStarted):
            self._tally = AnswerTally.of(event)
            self._start()
        elif isinstance(event, AnswersEnded):
            self._stop()
        elif isinstance(event, Finding):
            self._known = f"least margin {event.best_margin:.4g}"
            if event.cases > 1:
                self._known += f", {event.proven_cases} of {event.cases} cases proven"
            self._progress.update(self._task, description=self._known)
        else:
            self._tally.counts[event.answer] += 1
            self._progress.update(self._task, completed=self._tally.done)

    def _start(self) -> None:
        if self._quiet:
            return
        if not is_terminal(self._errors):
            self._lines = Lines(self._errors, self._describe)
            return
        single = self._tally.instances == 1
        shown = (BarColumn(), MofNCompleteColumn())
        self._progress = Progress(
            SpinnerColumn(), TextColumn("{task.description}"), *(() if single else shown),
            TimeElapsedColumn(), console=self._errors, transient=True,
        )  # fmt: skip
        what = self._known if single else "instances"
        self._task = self._progress.add_task(
            what, total=self._tally.instances, completed=self._tally.done
        )
        self._progress.start()

    def _stop(self) -> None:
        self._progress.stop()
        if self._lines is not None:
            self._lines.stop()
            self._lines = None

    def _describe(self) -> str:
        tally = self._tally
        line = f"{time.monotonic() - tally.began:.0f} s: "
        if tally.instances == 1:
            return line + self._known
        line += f"{tally.done:,} of {tally.instances:,} instances answered"
        line += f" ({tally})" if tally.done else ""
        left = tally.seconds_left
        return line + (f", about {left:.0f} s left" if 0 < left < math.inf else "")
