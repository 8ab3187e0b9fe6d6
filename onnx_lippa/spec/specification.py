"""The specification of robustness that a run is about, and the problems it makes of inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import final, overload

import numpy as np

from onnx_lippa.arrays import Floats, InputRows, Integers
from onnx_lippa.errors import InputError
from onnx_lippa.spec.input_specification import InputSpecification
from onnx_lippa.spec.norms import Norm
from onnx_lippa.spec.output_set import UnsafeSet
from onnx_lippa.spec.problem import Problem


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
class Specification:
    """What robustness means: around every clean input a ball, in which no target class wins.

    Attributes:
        norm: norm of the ball and of distances.
        features: radius, scale, domain, fixed features and grid.
        targets: which wrong classes count.
        minimize: whether the nearest adversarial example is sought.
    """

    norm: Norm
    features: InputSpecification
    targets: Targets
    minimize: bool = False

    def __post_init__(self) -> None:
        if self.features.lower == self.features.upper:
            raise InputError(
                f"the domain holds nothing but {self.features.lower}: give --lower below --upper"
            )
        if self.features.eps is None and not self.minimize:
            raise InputError("without eps only the distance can be minimised: give eps")
        if self.targets.classes == ():
            raise InputError("there are no targets: give at least one class, or all")

    def problem(self, index: int, x: Floats, label: int, outputs: Floats) -> Problem:
        """The problem of one input.

        Args:
            index: its index in the data.
            x: (d,) the clean input.
            label: its class.
            outputs: (k,) the model's outputs for it.
        """
        inputs = self.features.input_set(x, self.norm)
        unsafe = _misclassification(label, outputs.size, self.targets.of(label, outputs))
        wrong = _misclassification(label, outputs.size, None)
        return Problem(index, inputs, unsafe, wrong, minimize=self.minimize)


@final
class ProblemSet(Sequence[Problem]):
    """The problems of many inputs; each is made on access, and not kept.

    Inputs may lie in a file. A slice takes to another process its rows alone.

    Args:
        specification: the specification.
        indices: (n,) indices of the inputs in the data.
        x: (n, d) clean inputs.
        labels: (n,) their classes.
        outputs: (n, k) the model's outputs for them.
        rows: which of these rows, in which order; all when None.
    """

    def __init__(
        self,
        specification: Specification,
        indices: Integers,
        x: InputRows,
        labels: Integers,
        outputs: Floats,
        rows: Integers | None = None,
    ) -> None:
        self._specification, self._arrays = specification, (indices, x, labels, outputs)
        self._rows = np.arange(len(indices)) if rows is None else rows

    @property
    def indices(self) -> list[int]:
        """(n,) indices of the inputs in the data."""
        indices: list[int] = self._arrays[0][self._rows].tolist()
        return indices

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, key: int) -> Problem: ...

    @overload
    def __getitem__(self, key: slice) -> ProblemSet: ...

    def __getitem__(self, key: int | slice) -> Problem | ProblemSet:
        if isinstance(key, slice):
            return ProblemSet(self._specification, *self._arrays, self._rows[key])
        row = self._rows[key]
        indices, x, labels, outputs = self._arrays
        return self._specification.problem(
            int(indices[row]), x[row], int(labels[row]), outputs[row]
        )

    def take(self, positions: Sequence[int]) -> ProblemSet:
        """The problems at some positions, in that order."""
        rows = self._rows[np.array(positions, dtype=np.int64)]
        return ProblemSet(self._specification, *self._arrays, rows)

    def __reduce__(self) -> tuple[object, ...]:
        arrays = (values[self._rows] for values in self._arrays)
        return ProblemSet, (self._specification, *arrays)


@lru_cache(maxsize=32)
def _misclassification(label: int, classes: int, targets: tuple[int, ...] | None) -> UnsafeSet:
    """One set for all inputs of a label: it has a row of k numbers for each of k classes."""
    return UnsafeSet.misclassification(label, classes, targets)
