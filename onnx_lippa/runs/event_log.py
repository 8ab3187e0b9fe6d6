"""Events of a run as lines of JSON, for machines that watch it."""

from __future__ import annotations

import json
import math
import sys
import time
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

from onnx_lippa.errors import InputError
from onnx_lippa.method import Finished, Improved
from onnx_lippa.runs.results import Ended, Event, Started
from onnx_lippa.witness import Result, Verdict

STDOUT: Final = "-"


@dataclass
class Tally:
    """What the events of a run at one radius have told so far.

    Attributes:
        inputs: number of inputs.
        known: number of inputs that needed no work.
        has_radius: whether there is a radius, within which there is a robust error.
        done: number of inputs that are finished, those that were known included.
        broken: number of them with a witness, or misclassified.
        proven: number of them that are proven robust.
        stage: the stage of the last event.
        began: ``time.monotonic()`` at the start.
    """

    inputs: int = 0
    known: int = 0
    has_radius: bool = False
    done: int = 0
    broken: int = 0
    proven: int = 0
    stage: str = "starting"
    began: float = 0.0

    @classmethod
    def of(cls, event: Started) -> Tally:
        """The tally of a run that begins."""
        has_radius = event.specification.features.eps is not None
        tally = cls(event.inputs, len(event.known), has_radius, began=time.monotonic())
        for result in event.known:
            tally.count(result)
        return tally

    def hear(self, event: Improved | Finished) -> None:
        """Counts an event of an input."""
        self.stage = event.stage.value
        if isinstance(event, Finished):
            self.count(event.result)

    def count(self, result: Result) -> None:
        """Counts a finished input."""
        self.done += 1
        self.broken += result.verdict in (Verdict.ADVERSARIAL, Verdict.MISCLASSIFIED)
        self.proven += result.verdict is Verdict.ROBUST

    @property
    def open(self) -> int:
        """Number of inputs that are not finished."""
        return self.inputs - self.done

    @property
    def robust_error(self) -> tuple[float, float]:
        """Bounds of the robust error, the open inputs included."""
        total = max(1, self.inputs)
        return self.broken / total, 1.0 - self.proven / total

    @property
    def rate(self) -> float:
        """Inputs finished per second of this run."""
        seconds = time.monotonic() - self.began
        return (self.done - self.known) / seconds if seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float:
        """Seconds that the open inputs take at this rate; infinite while there is none."""
        return self.open / self.rate if self.rate > 0 else math.inf


@final
class EventLog:
    """A listener that writes one JSON object for each event, as they come.

    It is given as ``on_event``. Every object has ``event`` (``started``, ``improved``, ``finished``
    or ``ended``) and ``seconds`` since the log was made; docs/formats.md lists the others.

    Args:
        path: the file, which is written anew; ``"-"`` is the standard output.

    Raises:
        InputError: it cannot be written.
    """

    def __init__(self, path: str | Path) -> None:
        self._path, self._began, self._tally = str(path), time.monotonic(), Tally()
        if self._path == STDOUT:
            self._file = sys.stdout
            return
        try:
            self._file = Path(path).open("w", encoding="utf-8")  # noqa: SIM115 - see finalize
        except OSError as error:
            raise self._refuse(error) from error
        weakref.finalize(self, self._file.close)

    def __call__(self, event: Event) -> None:
        """Writes an event.

        Raises:
            InputError: it cannot be written.
        """
        if isinstance(event, Started):
            self._tally = Tally.of(event)
        elif isinstance(event, Improved | Finished):
            self._tally.hear(event)
        seconds = round(time.monotonic() - self._began, 3)
        values = {"event": type(event).__name__.lower(), "seconds": seconds} | self._describe(event)
        try:
            self._file.write(json.dumps(values, allow_nan=False) + "\n")
            self._file.flush()
        except OSError as error:
            raise self._refuse(error) from error

    def _describe(self, event: Event) -> dict[str, Any]:
        if isinstance(event, Ended):
            return {"summary": event.results.figures.as_json()}
        if isinstance(event, Started):
            asked = event.specification
            return {
                "inputs": event.inputs,
                "known": len(event.known),
                "eps": asked.features.eps,
                "norm": asked.norm.name,
                "targets": str(asked.targets),
                "minimize": asked.minimize,
            }
        result, tally = event.result, self._tally
        lower, upper = tally.robust_error
        return {
            "stage": event.stage.value,
            "index": result.index,
            "verdict": result.verdict.value,
            "target": result.target if result.target >= 0 else None,
            "distance": None if result.witness is None else result.witness.distance,
            "best_margin": _finite(result.best_margin),
            "bound": _finite(result.bound),
            "found_by": result.found_by.value,
            **({"broken_by": result.broken_by} if result.broken_by else {}),
            "proved_by": result.proved_by.value,
            "reason": str(result.reason or ""),
            "done": tally.done,
            "open": tally.open,
            "robust_error": {"lower": lower, "upper": upper} if tally.has_radius else None,
        }

    def _refuse(self, error: OSError) -> InputError:
        return InputError(
            f"cannot write events to {self._path} ({error.strerror or error}): give another file"
        )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
