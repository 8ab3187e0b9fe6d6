"""Events on the way to answers, and interrupts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from onnx_lippa.runs.properties.answers import Answers
from onnx_lippa.runs.properties.finding import Finding
from onnx_lippa.runs.properties.instances import InstanceResult


@dataclass(frozen=True)
class AnswersStarted:
    """A property, or a list of instances, begins to be answered.

    Attributes:
        instances: number of instances; 1 for one property.
        known: answers that need no work, since the folder has them.
    """

    instances: int
    known: tuple[InstanceResult, ...]


@dataclass(frozen=True)
class AnswersEnded:
    """Everything is answered, or it was cut short.

    Attributes:
        answers: the answers so far.
    """

    answers: Answers


AnswerEvent: TypeAlias = AnswersStarted | Finding | InstanceResult | AnswersEnded
"""A beginning, what is known of a single property, an answer, an end."""
AnswerListener: TypeAlias = Callable[[AnswerEvent], None]


class InterruptedList(KeyboardInterrupt):
    """A list of instances was interrupted.

    Attributes:
        results: the answers so far; they are on disk too where the list has a folder.
    """

    def __init__(self, results: Answers) -> None:
        super().__init__(f"{len(results)} instances are answered")
        self.results = results
