"""Events of a run as lines of JSON, for machines that watch it."""

from __future__ import annotations

import json
import math
import sys
import time
import weakref
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, final

from onnx_lippa.errors import InputError
from onnx_lippa.method import Finished, Improved
from onnx_lippa.runs.properties.events import AnswerEvent, AnswersEnded, AnswersStarted
from onnx_lippa.runs.properties.finding import Finding
from onnx_lippa.runs.properties.instances import InstanceResult
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


@dataclass
class AnswerTally:
    """What the events of properties have told so far.

    Attributes:
        instances: number of instances.
        known: number of them that needed no work.
        counts: number of instances with each answer.
        began: ``time.monotonic()`` at the start.
    """

    instances: int = 0
    known: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    began: float = 0.0

    @classmethod
    def of(cls, event: AnswersStarted) -> AnswerTally:
        """The tally of a list that begins."""
        counts = Counter(one.answer for one in event.known)
        return cls(event.instances, len(event.known), counts, time.monotonic())

    @property
    def done(self) -> int:
        """Number of instances that have an answer."""
        return self.counts.total()

    @property
    def seconds_left(self) -> float:
        """Seconds that the others take at the present rate; infinite while there is none."""
        answered = self.done - self.known
        seconds = time.monotonic() - self.began
        return (self.instances - self.done) * seconds / answered if answered else math.inf

    def __str__(self) -> str:
        return ", ".join(f"{count} {name}" for name, count in sorted(self.counts.items()))


_NAMES: Final = {
    AnswersStarted: "started",
    Finding: "improved",
    InstanceResult: "finished",
    AnswersEnded: "ended",
}
"""Names of the events of answers."""


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
        self._answers = AnswerTally()
        if self._path == STDOUT:
            self._file = sys.stdout
            return
        try:
            self._file = Path(path).open("w", encoding="utf-8")  # noqa: SIM115 - see finalize
        except OSError as error:
            raise self._refuse(error) from error
        weakref.finalize(self, self._file.close)

    def __call__(self, event: Event | AnswerEvent) -> None:
        """Writes an event.

        Raises:
            InputError: it cannot be written.
        """
        if isinstance(event, Started):
            self._tally = Tally.of(event)
        elif isinstance(event, Improved | Finished):
            self._tally.hear(event)
        seconds = round(time.monotonic() - self._began, 3)
        name = _NAMES.get(type(event), type(event).__name__.lower())
        values = {"event": name, "seconds": seconds} | self._describe(event)
        try:
            self._file.write(json.dumps(values, allow_nan=False) + "\n")
            self._file.flush()
        except OSError as error:
            raise self._refuse(error) from error

    def _describe(self, event: Event | AnswerEvent) -> dict[str, Any]:
        if isinstance(event, AnswersStarted | Finding | InstanceResult | AnswersEnded):
            return self._describe_answer(event)
        if isinstance(event, Ended):
            return {"summary": event.results.figures.as_json()}
        if isinstance(event, Started):
            specification = event.specification
            return {
                "inputs": event.inputs,
                "known": len(event.known),
                "eps": specification.features.eps,
                "norm": specification.norm.name,
                "targets": str(specification.targets),
                "minimize": specification.minimize,
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

    def _describe_answer(self, event: AnswerEvent) -> dict[str, Any]:
        if isinstance(event, AnswersEnded):
            answers = event.answers
            return {"instances": answers.requested, "counts": dict(answers.counts)}
        if isinstance(event, AnswersStarted):
            self._answers = AnswerTally.of(event)
            return {"instances": event.instances, "known": len(event.known)}
        if isinstance(event, Finding):
            return {
                "answer": event.answer.value,
                "best_margin": _finite(event.best_margin),
                "bound": _finite(event.bound),
                "cases": event.cases,
                "proven_cases": event.proven_cases,
                "found_by": event.found_by.value,
                "reason": str(event.reason or ""),
            }
        tally = self._answers
        tally.counts[event.answer] += 1
        values = event.as_json()
        values["took"] = values.pop("seconds")  # every event has its own seconds
        del values["counterexample"]  # the folder has it
        return values | {"done": tally.done, "open": tally.instances - tally.done}

    def _refuse(self, error: OSError) -> InputError:
        return InputError(
            f"cannot write events to {self._path} ({error.strerror or error}): give another file"
        )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
