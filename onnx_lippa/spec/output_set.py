"""Unsafe outputs: a union of polyhedra."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from onnx_lippa.arrays import AnyArray, Float64, Floats, Integers
from onnx_lippa.errors import InputError

_FEW_DISJUNCTS: Final = 2048
"""Beyond this number, disjuncts come from an expanded formula and share few rows."""
_NUMBERS_AT_ONCE: Final = 1 << 23


@dataclass(frozen=True)
class Conjunction:
    """The polyhedron ``matrix @ y < bound`` (or ``<=``).

    Attributes:
        matrix: (rows, k) coefficients.
        bound: (rows,) right sides.
        strict: whether equality is safe.
        target: the target class, or -1.
        mixed: (rows,) which rows are strict, where they differ.
        exact: whether the coefficients are exactly those stated. If some were rounded to float64,
            the polyhedron guides a search and proves nothing.
    """

    matrix: Float64
    bound: Float64
    strict: bool = True
    target: int = -1
    exact: bool = True
    mixed: AnyArray | None = None

    @property
    def each_strict(self) -> AnyArray:
        """(rows,) which rows are strict."""
        return np.full(len(self.bound), self.strict) if self.mixed is None else self.mixed

    def margins(self, outputs: Floats) -> Float64:
        """Margins (n,) ``max_i matrix_i @ y - bound_i`` of outputs (n, k); unsafe below 0."""
        # The row-wise form keeps the sign of a difference of two outputs exact.
        with np.errstate(invalid="ignore"):  # NaN for outputs that are not finite
            values = outputs.astype(np.float64) @ self.matrix.T - self.bound
        return np.max(values, axis=1, initial=-np.inf)  # without rows, every output is unsafe

    def contains(self, outputs: Floats) -> bool:
        """Whether an output vector (k,) is unsafe, without tolerance."""
        margin = float(self.margins(outputs[None])[0])
        return margin < 0 if self.strict else margin <= 0


@dataclass(frozen=True)
class _Shared:
    """The distinct rows of many disjuncts.

    Attributes:
        matrix: (rows, k) the distinct rows.
        bound: (rows,) their right sides.
        numbers: (disjuncts, most) the rows of each disjunct, padded with their count.
    """

    matrix: Float64
    bound: Float64
    numbers: Integers

    @classmethod
    def of(cls, disjuncts: Sequence[Conjunction]) -> _Shared:
        counts = np.array([len(one.bound) for one in disjuncts])
        stacked = np.column_stack(
            [
                np.concatenate([one.matrix for one in disjuncts]),
                np.concatenate([one.bound for one in disjuncts]),
            ]
        )
        rows, found = distinct_rows(stacked)
        numbers = np.full((counts.size, counts.max()), len(rows))
        numbers[np.arange(numbers.shape[1]) < counts[:, None]] = found
        return cls(rows[:, :-1], rows[:, -1], numbers)

    def margins(self, outputs: Floats) -> Float64:
        """Margins (n, disjuncts) of outputs (n, k)."""
        margins = np.empty((len(outputs), len(self.numbers)))
        most = max(1, _NUMBERS_AT_ONCE // self.numbers.size)
        for first in range(0, len(outputs), most):
            part = slice(first, first + most)
            with np.errstate(invalid="ignore"):
                values = outputs[part].astype(np.float64) @ self.matrix.T - self.bound
            values = np.column_stack([values, np.full(len(values), -np.inf)])
            margins[part] = values[:, self.numbers].max(axis=2)
        return margins


def distinct_rows(rows: Float64) -> tuple[Float64, Integers]:
    """The distinct rows of a matrix (n, k), and which of them each row is."""
    weights = np.random.default_rng(0).standard_normal(rows.shape[1])
    _, first, numbers = np.unique(rows @ weights, return_index=True, return_inverse=True)
    different, numbers = rows[first], numbers.ravel()
    if not np.array_equal(different[numbers], rows):  # two rows have the same sum
        different, numbers = np.unique(rows, axis=0, return_inverse=True)
    return different, numbers.ravel()


@dataclass(frozen=True)
class UnsafeSet:
    """A union of conjunctions.

    Attributes:
        disjuncts: the conjunctions; one for every target class of a classifier.
    """

    disjuncts: tuple[Conjunction, ...]

    def contains(self, outputs: Floats) -> bool:
        """Whether an output vector (k,) is unsafe, without tolerance."""
        return any(disjunct.contains(outputs) for disjunct in self.disjuncts)

    def margins(self, outputs: Floats) -> Float64:
        """Margins (n, disjuncts) of outputs (n, k)."""
        if len(self.disjuncts) > _FEW_DISJUNCTS and any(len(one.bound) for one in self.disjuncts):
            return self._shared.margins(outputs)
        if self.label is not None and np.isfinite(outputs).all():
            y = outputs.astype(np.float64)
            return y[:, self.label, None] - y[:, self.others]
        columns = [disjunct.margins(outputs) for disjunct in self.disjuncts]
        return np.stack(columns, axis=1) if columns else np.zeros((len(outputs), 0))

    @cached_property
    def label(self) -> int | None:
        """The label y where each disjunct is ``y_label - y_t < 0`` for a class t, else None."""
        matrices = [one.matrix for one in self.disjuncts]
        if not matrices or any(len(one) != 1 for one in matrices):
            return None
        matrix, bound = np.concatenate(matrices), [one.bound[0] for one in self.disjuncts]
        label, others = int(matrix[0].argmax()), matrix.argmin(axis=1)
        differences = np.zeros_like(matrix)
        differences[np.arange(len(matrix)), others] = -1.0
        differences[:, label] += 1.0
        return None if any(bound) or not np.array_equal(matrix, differences) else label

    @cached_property
    def others(self) -> Integers:
        """(disjuncts,) the class t of each, where there is a :attr:`label`."""
        return np.concatenate([one.matrix for one in self.disjuncts]).argmin(axis=1)

    @cached_property
    def _shared(self) -> _Shared:
        return _Shared.of(self.disjuncts)

    @classmethod
    def misclassification(
        cls, label: int, classes: int, targets: Sequence[int] | None = None
    ) -> UnsafeSet:
        """Outputs with ``y_t > y_label`` for some target class t.

        Args:
            label: the true class.
            classes: number of classes k.
            targets: the target classes; None for all. The label is never one.

        Raises:
            InputError: a label or target that is not a class.
        """
        chosen = range(classes) if targets is None else targets
        for given in (label, *chosen):
            if not 0 <= given < classes:
                raise InputError(
                    f"class {given} does not exist: the model has {classes} outputs, "
                    f"so classes run from 0 to {classes - 1}"
                )
        identity = np.eye(classes)
        return cls(
            tuple(
                Conjunction((identity[label] - identity[t])[None], np.zeros(1), True, t)
                for t in chosen
                if t != label
            )
        )
