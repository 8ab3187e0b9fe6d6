"""What a run does with its inputs: a method, and the workers and events that it deals with."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, Self, TypeAlias

from typing_extensions import override

from onnx_lippa.onnx_io import Model
from onnx_lippa.spec import Norm, Problem, ProblemSet
from onnx_lippa.state import Budget
from onnx_lippa.witness import Result


class Stage(Enum):
    """The stages of runs; an audit has all but the last, and repeats PATTERNS and SEARCH."""

    GRADIENTS = "PGD"
    BOUNDS = "linear bounds"
    LIPPA = "LiPPA"
    PATTERNS = "large neighbourhood search"
    SEARCH = "branch and bound"
    DISTANCE = "minimal distortion"


class RadiusOrder(Enum):
    """The order of several radii in which most verdicts carry over from one to another.

    Witnesses carry over to larger balls, so attacks ascend; proofs carry over to smaller ones, so
    they descend. An audit, which gives both, takes the ends first and then bisects.
    """

    ASCENDING = "ascending"
    DESCENDING = "descending"
    BISECTING = "bisecting"


@dataclass(frozen=True)
class Improved:
    """A stage of an audit has worked on an input, which stays open.

    Attributes:
        stage: the stage.
        result: what is known of the input.
    """

    stage: Stage
    result: Result


@dataclass(frozen=True)
class Finished:
    """An input has its result, and no stage works on it again.

    Attributes:
        stage: the last stage.
        result: the result.
    """

    stage: Stage
    result: Result


InputEvent: TypeAlias = Improved | Finished


class Method(ABC):
    """What a run does with its inputs, as a value that holds its options.

    Subclasses are frozen dataclasses; a name stands for the default value.
    """

    name: ClassVar[str]
    """The name on the command line."""
    radius_order: ClassVar[RadiusOrder]

    @property
    def title(self) -> str:
        """The name in summaries."""
        return self.name

    @abstractmethod
    def check(self, norm: Norm, minimize: bool) -> None:
        """Checks the options before the run begins.

        Raises:
            InputError: an option that cannot be used.
        """

    def divide(self, count: int) -> Self:
        """The method at one of several radii, which share its time."""
        del count
        return self

    @abstractmethod
    def run(self, pool: Pool, problems: ProblemSet, budget: Budget) -> Iterator[InputEvent]:
        """Works on all inputs of a run.

        Verdicts do not depend on the number of workers, but for time limits.

        Args:
            pool: the workers.
            problems: the inputs.
            budget: seconds for each input, and the seed.

        Returns:
            The events; the last one of each input is a :class:`Finished`.

        Raises:
            ContradictionError: an input has both a witness and a proof.
        """


class SingleStage(Method):
    """A method of one stage: an attack, a proof, or bounds of distances."""

    stage: ClassVar[Stage]
    inputs_together: ClassVar[int] = 25
    """Inputs worked on together: enough to fill a batch, few enough to balance the workers."""

    def extra_seconds(self, budget: Budget) -> float:
        """Seconds that an input may take beyond its time limit."""
        del budget
        return 0.0

    @abstractmethod
    def solve(self, model: Model, problems: Sequence[Problem], budget: Budget) -> Iterator[Result]:
        """Works on inputs that share norm and domain, in this process.

        The result of an input depends on the input, the seed and the method, not on the other
        inputs, but for time limits.

        Args:
            model: the model.
            problems: the inputs.
            budget: seconds for each input, and the seed.

        Returns:
            The results, as they are final.
        """

    @override
    def run(self, pool: Pool, problems: ProblemSet, budget: Budget) -> Iterator[InputEvent]:
        pool.expect(-(-len(problems) // self.inputs_together), budget.time_limit * len(problems))
        jobs = make_jobs(problems, self, budget, self.inputs_together)
        for result in pool.run(jobs, slack=self.extra_seconds(budget)):
            yield Finished(self.stage, result)


@dataclass(frozen=True)
class Job:
    """Problems that are worked on together.

    Attributes:
        problems: the problems.
        method: what is done with them.
        budget: what may be spent on each.
    """

    problems: ProblemSet
    method: SingleStage
    budget: Budget


def make_jobs(
    problems: ProblemSet, method: SingleStage, budget: Budget, together: int
) -> Iterator[Job]:
    """Yields jobs of so many problems each, in their order; each is made when it is needed."""
    for first in range(0, len(problems), together):
        yield Job(problems[first : first + together], method, budget)


class Pool(ABC):
    """Workers that have a model. Use it in a ``with``.

    Attributes:
        model: the model, loaded and checked.
        count: number of workers.
    """

    model: Model
    count: int

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @abstractmethod
    def close(self) -> None:
        """Ends the workers, or leaves them."""

    @abstractmethod
    def expect(self, jobs: int, seconds: float) -> None:
        """Announces the work, so that no more workers are started than are worth their start.

        Args:
            jobs: number of jobs.
            seconds: upper bound of the time that they take.
        """

    @abstractmethod
    def run(
        self,
        jobs: Iterable[Job],
        deadline: float = math.inf,
        latest: float = math.inf,
        slack: float = 0.0,
    ) -> Iterator[Result]:
        """Works on jobs.

        Args:
            jobs: the jobs; each is made and begun when a worker is free.
            deadline: ``time.monotonic()`` after which no further job is begun, and by which those
                that were have used up their time.
            latest: ``time.monotonic()`` at which workers that are still busy are ended, in any
                case.
            slack: seconds that a job may take beyond its limit before its worker is ended,
                besides a little that every job may.

        Returns:
            The results as they come, one for each problem of a job that was begun.

        Raises:
            InputError: options that cannot be used.
            ContradictionError: two results contradict each other.
            WorkerError: workers cannot be started.
        """
