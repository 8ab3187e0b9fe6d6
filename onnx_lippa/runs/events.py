"""What a run tells those who listen to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from onnx_lippa.runs.results import Results
from onnx_lippa.runs.specification import RunSpecification
from onnx_lippa.witness import Result


class Stage(Enum):
    """The stages of runs; an audit has all but the last, and repeats PATTERNS and SEARCH."""

    GRADIENTS = "PGD"
    BOUNDS = "linear bounds"
    LIPPA = "LiPPA"
    PATTERNS = "large neighbourhood search"
    SEARCH = "branch and bound"
    DISTANCE = "minimal distortion"


@dataclass(frozen=True)
class Started:
    """A run begins, at one radius.

    Attributes:
        specification: the specification of the run.
        inputs: number of inputs.
        known: the results that need no work: resumed, or carried over from another radius.
    """

    specification: RunSpecification
    inputs: int
    known: tuple[Result, ...]


@dataclass(frozen=True)
class Improved:
    """A stage of an audit has looked at an input, which stays open.

    Attributes:
        stage: the stage.
        result: what is known of the input.
    """

    stage: Stage
    result: Result


@dataclass(frozen=True)
class Finished:
    """An input has its result, and no stage looks at it again.

    Attributes:
        stage: the last stage.
        result: the result.
    """

    stage: Stage
    result: Result


@dataclass(frozen=True)
class Ended:
    """A run has ended, or was cut short.

    Attributes:
        results: the results of all inputs that are finished.
    """

    results: Results


InputEvent: TypeAlias = Improved | Finished
Event: TypeAlias = Started | Improved | Finished | Ended
Listener: TypeAlias = Callable[[Event], None]
