"""The specification of a run, from which its problems are made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import final, overload

import numpy as np

from onnx_lippa.arrays import Floats, InputRows, Integers
from onnx_lippa.errors import InputError
from onnx_lippa.spec import InputSpecification, Norm, Problem, UnsafeSet


@dataclass(frozen=True)
class Targets:
    """Which wrong classes count.

    Attributes:
        runner_up: only the class with the second largest output of the clean input.
        classes: only these; None for all.
    """

    runner_up: bool = False
    classes: tuple[int, ...] | None = None

    @classmethod
    def parse(cls, text: str) -> Targets:
        """From ``all``, ``runner-up`` or a list like ``3,5``.

        Raises:
            InputError: none of these.
        """
        if text == "all":
            return cls()
        if text == "runner-up":
            return cls(runner_up=True)
        try:
            return cls(classes=tuple(int(part) for part in text.split(",")))
        except ValueError as error:
            raise InputError(
                f"--targets {text!r} is not understood: give all, runner-up, or classes like 3,5"
            ) from error

    def of(self, label: int, outputs: Floats) -> tuple[int, ...] | None:
        """The target classes for an input with these clean outputs (k,)."""
        if not self.runner_up:
            return self.classes
        order = [int(c) for c in np.argsort(-outputs, kind="stable") if c != label]
        return tuple(order[:1])

    def __str__(self) -> str:
        if self.runner_up:
            return "runner-up"
        return "all" if self.classes is None else ",".join(map(str, self.classes))


@dataclass(frozen=True)
class RunSpecification:
    """One run.

    Attributes:
        norm: norm of the ball and of distances.
        features: radius of the ball and domain, for all features or for each, and which of them
            do not move or move in steps.
        targets: which wrong classes count.
        minimize: whether the nearest adversarial example is sought.
        workers: number of processes.
    """

    norm: Norm
    features: InputSpecification
    targets: Targets
    minimize: bool = False
    workers: int = 1

    def __post_init__(self) -> None:
        if self.features.lower == self.features.upper:
            raise InputError(
                f"the domain holds nothing but {self.features.lower}: give --lower below --upper"
            )
        if self.workers < 1:
            raise InputError(f"workers is {self.workers}: give at least 1")
        if self.features.eps is None and not self.minimize:
            raise InputError("without eps only the distance can be minimised: give eps")
        if self.targets.classes == ():
            raise InputError("there are no targets: give at least one class, or all")

    def problem(self, index: int, x: Floats, label: int, outputs: Floats) -> Problem:
        """The problem of one input.

        Args:
            index: its place in the data.
            x: (d,) the clean input.
            label: its class.
            outputs: (k,) the model's outputs for it.
        """
        inputs = self.features.input_set(x, self.norm)
        unsafe = _misclassification(label, outputs.size, self.targets.of(label, outputs))
        wrong = _misclassification(label, outputs.size, None)
        return Problem(index, inputs, unsafe, wrong, minimize=self.minimize)

    def problems(
        self, indices: Integers, x: InputRows, labels: Integers, outputs: Floats
    ) -> ProblemSet:
        """The problems of inputs x (n, d) with labels (n,) and clean outputs (n, k)."""
        return ProblemSet(self, indices, x, labels, outputs)


@final
class ProblemSet(Sequence[Problem]):
    """The problems of many inputs; each is made on access, and not kept.

    A slice is a set of its own that holds, and takes to another process, its rows alone.

    Args:
        specification: the specification of the run.
        indices: (n,) places of the inputs in the data.
        x: (n, d) clean inputs.
        labels: (n,) their classes.
        outputs: (n, k) the model's outputs for them.
        places: which of these rows, in which order; all when None.
    """

    def __init__(
        self,
        specification: RunSpecification,
        indices: Integers,
        x: InputRows,
        labels: Integers,
        outputs: Floats,
        places: Integers | None = None,
    ) -> None:
        self._specification, self._rows = specification, (indices, x, labels, outputs)
        self._places = np.arange(len(indices)) if places is None else places

    @property
    def indices(self) -> Integers:
        """(n,) places of the inputs in the data."""
        return self._rows[0][self._places]

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, place: int) -> Problem: ...

    @overload
    def __getitem__(self, place: slice) -> ProblemSet: ...

    def __getitem__(self, place: int | slice) -> Problem | ProblemSet:
        if isinstance(place, slice):
            return ProblemSet(self._specification, *self._rows, self._places[place])
        row = self._places[place]
        indices, x, labels, outputs = self._rows
        return self._specification.problem(
            int(indices[row]), x[row], int(labels[row]), outputs[row]
        )

    def chosen(self, places: Sequence[int]) -> ProblemSet:
        """The problems at some places, in that order."""
        places_ = self._places[np.array(places, dtype=np.int64)]
        return ProblemSet(self._specification, *self._rows, places_)

    def __reduce__(self) -> tuple[object, ...]:
        rows = (values[self._places] for values in self._rows)
        return ProblemSet, (self._specification, *rows)


def indices_of(problems: Sequence[Problem]) -> list[int]:
    """The place of every problem's input in the data; none is made for it."""
    if isinstance(problems, ProblemSet):
        return [int(index) for index in problems.indices]
    return [problem.index for problem in problems]


def chosen_of(problems: Sequence[Problem], places: Sequence[int]) -> Sequence[Problem]:
    """The problems at some places, in that order."""
    if isinstance(problems, ProblemSet):
        return problems.chosen(places)
    return [problems[place] for place in places]


@lru_cache(maxsize=32)
def _misclassification(label: int, classes: int, targets: tuple[int, ...] | None) -> UnsafeSet:
    """One set for all inputs of a label: it has a row of k numbers for each of k classes."""
    return UnsafeSet.misclassification(label, classes, targets)
