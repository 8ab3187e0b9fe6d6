"""Exact formulas over inputs and outputs: linear comparisons under ``and`` and ``or``.

All numbers are rational, as are the values of float arrays, so formulas are evaluated exactly.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final, TypeAlias

import numpy as np

from onnx_lippa.arrays import Floats
from onnx_lippa.errors import InputError

Term: TypeAlias = tuple[int, Fraction]
"""The index of a variable and its coefficient."""

MAX_ALTERNATIONS: Final = 50
"""Most alternations of ``and`` and ``or`` in a flattened formula, so that recursion is safe."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """``sum of coefficient * variable <= bound``, or ``<`` if strict.

    Attributes:
        inputs: the terms of inputs X_i, each index once.
        outputs: the terms of outputs Y_j, each index once.
        bound: the right side.
        strict: whether the inequality is strict.
        line: its line in the file, for messages.
    """

    inputs: tuple[Term, ...]
    outputs: tuple[Term, ...]
    bound: Fraction
    strict: bool = False
    line: int | None = field(default=None, compare=False)

    @property
    def location(self) -> str:
        """Its line in parentheses, for messages; empty if it is of no file."""
        return "" if self.line is None else f" (line {self.line})"

    def holds(self, x: Sequence[float | Fraction], y: Sequence[float]) -> bool:
        """Whether it holds, exactly; False if one of its variables is not finite."""
        if len(self.inputs) + len(self.outputs) == 1:
            values = x if self.inputs else y
            ((index, coefficient),) = self.inputs or self.outputs
            return self._holds_alone(coefficient, values[index])
        return self._holds_exactly(x, y)

    def _holds_alone(self, coefficient: Fraction, value: float | Fraction) -> bool:
        if isinstance(value, Fraction):
            return self._compares(coefficient * value)
        numerator = self.bound.numerator * coefficient.denominator
        denominator = self.bound.denominator * coefficient.numerator
        try:
            threshold = numerator / denominator
        except (OverflowError, ZeroDivisionError):
            threshold = math.nan
        # Rounding is monotone: only a float equal to the rounded threshold needs exact arithmetic.
        if value < threshold:
            return denominator > 0 and math.isfinite(value)
        if value > threshold:
            return denominator < 0 and math.isfinite(value)
        return math.isfinite(value) and self._compares(coefficient * Fraction(value))

    def _holds_exactly(self, x: Sequence[float | Fraction], y: Sequence[float]) -> bool:
        terms = [(c, x[i]) for i, c in self.inputs] + [(c, y[j]) for j, c in self.outputs]
        if not all(math.isfinite(value) for _, value in terms):
            return False
        return self._compares(sum((c * Fraction(value) for c, value in terms), Fraction(0)))

    def _compares(self, total: Fraction) -> bool:
        return total < self.bound if self.strict else total <= self.bound


@dataclass(frozen=True, slots=True)
class And:
    """A conjunction; true without parts."""

    parts: tuple[Formula, ...]

    def holds(self, x: Sequence[float | Fraction], y: Sequence[float]) -> bool:
        """Whether all parts hold, exactly."""
        return all(part.holds(x, y) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Or:
    """A disjunction; false without parts."""

    parts: tuple[Formula, ...]

    def holds(self, x: Sequence[float | Fraction], y: Sequence[float]) -> bool:
        """Whether some part holds, exactly."""
        return any(part.holds(x, y) for part in self.parts)


Formula: TypeAlias = Comparison | And | Or


def holds(
    formula: Formula, x: Floats, y: Floats, exact_values: Mapping[int, Fraction] | None = None
) -> bool:
    """Whether a formula holds at an input and its outputs, in rational arithmetic.

    Args:
        formula: a flattened formula.
        x: the input, float32 or float64, of any shape; X_i is its i-th value in row-major order.
        y: the outputs. Comparisons of values that are not finite are false.
        exact_values: the exact numbers of inputs that no float of their type equals.
    """
    inputs: list[float | Fraction] = list(np.ravel(x).astype(np.float64).tolist())
    for index, value in (exact_values or {}).items():
        inputs[index] = value
    return formula.holds(inputs, np.ravel(y).astype(np.float64).tolist())


def split(formula: Formula) -> tuple[list[Comparison], list[Formula]]:
    """The comparisons and the other formulas whose conjunction a flattened formula is."""
    parts = formula.parts if isinstance(formula, And) else (formula,)
    comparisons = [part for part in parts if isinstance(part, Comparison)]
    return comparisons, [part for part in parts if not isinstance(part, Comparison)]


def flatten(formula: Formula) -> Formula:
    """Removes ``and`` within ``and``, ``or`` within ``or`` and connectives with a single part.

    Raises:
        InputError: there are more than :data:`MAX_ALTERNATIONS` alternations.
    """
    root = _Gathered(And, 0)
    gathered = [root]
    pending: list[tuple[Iterator[Formula], _Gathered]] = [(iter((formula,)), root)]
    while pending:
        parts, into = pending[-1]
        for part in parts:
            while not isinstance(part, Comparison) and len(part.parts) == 1:
                part = part.parts[0]  # noqa: PLW2901  # the part itself
            if isinstance(part, Comparison):
                into.parts.append(part)
                continue
            if not isinstance(part, into.kind):
                into = into.nest(type(part))
                gathered.append(into)
            pending.append((iter(part.parts), into))
            break
        else:
            pending.pop()
    for inner in reversed(gathered):
        inner.finish()
    return root.formula


@dataclass(slots=True)
class _Gathered:
    """A connective of the flattened formula under construction."""

    kind: type[And] | type[Or]
    depth: int
    parts: list[Formula | _Gathered] = field(default_factory=list)
    formula: Formula = And(())

    def nest(self, kind: type[And] | type[Or]) -> _Gathered:
        if self.depth == MAX_ALTERNATIONS:
            raise InputError(
                f"and and or take turns more than {MAX_ALTERNATIONS} times in the property, one "
                "inside the other: write it with less nesting"
            )
        inner = _Gathered(kind, self.depth + 1)
        self.parts.append(inner)
        return inner

    def finish(self) -> None:
        """Builds the formula from inner connectives, which are finished."""
        whole = [part.formula if isinstance(part, _Gathered) else part for part in self.parts]
        self.formula = whole[0] if len(whole) == 1 else self.kind(tuple(whole))
