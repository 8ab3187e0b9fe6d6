"""Properties: is there an input under these constraints whose outputs satisfy those?"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Final, TypeAlias, final

import numpy as np
import numpy.typing as npt

from onnx_lippa.arrays import Float64, Floats
from onnx_lippa.clock import NEVER, require_time
from onnx_lippa.errors import InputError
from onnx_lippa.spec import vnnlib
from onnx_lippa.spec.dnf import (
    Bounds,
    Branch,
    Endpoint,
    Expansion,
    Interval,
    expand,
    is_float64,
    nearest,
    scale_to_float64,
)
from onnx_lippa.spec.formula import And, Comparison, Formula, Or, Term, flatten, holds
from onnx_lippa.spec.output_set import Conjunction, UnsafeSet

BUILT_IN_PYTHON: Final = "built in Python"
MAX_NUMBERS: Final = 30_000_000
"""Most numbers in the arrays of all cases together (240 MB)."""

_COMPARISONS_PER_LOOK: Final = 4096
"""Comparisons between two checks of the deadline."""

_Sides: TypeAlias = tuple[int, float, float, float, float]
"""An input, its bounds rounded inward, and rounded outward."""


@dataclass(frozen=True)
class Case:
    """A box of inputs and the unsafe outputs there.

    Attributes:
        lower: (d,) lower bounds, rounded up to float64; ``-inf`` for none.
        upper: (d,) upper bounds, rounded down to float64; ``inf`` for none. If no float64 lies
            between the bounds, both are the nearest one.
        stated_lower: (d,) lower bounds rounded down, which a proof must cover.
        stated_upper: (d,) upper bounds rounded up.
        unsafe: the unsafe outputs. Every output satisfies a conjunction without rows.
    """

    lower: Float64
    upper: Float64
    stated_lower: Float64
    stated_upper: Float64
    unsafe: UnsafeSet

    @property
    def is_bounded(self) -> bool:
        """Whether every input is bounded on both sides."""
        return bool(np.isfinite(self.lower).all() and np.isfinite(self.upper).all())


@dataclass(frozen=True)
class Property:
    """A property as an exact formula and as cases for attacks and proofs.

    The cases cover the formula, with numbers rounded to float64. Only :meth:`holds` decides
    whether an input and its outputs satisfy it.

    Attributes:
        inputs: number d of inputs.
        outputs: number k of outputs.
        cases: the boxes; an input must lie in one of them. Empty if the formula is a contradiction.
        joint: whether rows are over ``[y; x]``, the outputs followed by the inputs, because some
            comparison has several inputs; otherwise they are over the outputs alone.
        formula: the exact formula.
        source: the file, for messages.
        contradiction: why no input satisfies it, if there are no cases.
        sha256: digest of the text of its file; empty if it was built in Python.
    """

    inputs: int
    outputs: int
    cases: tuple[Case, ...]
    joint: bool
    formula: Formula
    source: str = BUILT_IN_PYTHON
    contradiction: str = ""
    sha256: str = ""

    def holds(
        self, x: Floats, y: Floats, exact_values: Mapping[int, Fraction] | None = None
    ) -> bool:
        """Whether an input and its outputs satisfy the formula, exactly.

        Args:
            x: the input, float32 or float64, of any shape.
            y: its outputs, of any shape.
            exact_values: the exact numbers of inputs that no float of their type equals (see
                :meth:`exact_values_of`).
        """
        return holds(self.formula, x, y, exact_values)

    def exact_values_of(self, case: Case, inputs: Collection[int]) -> dict[int, Fraction]:
        """The exact numbers of inputs that have no float between their bounds in a case."""
        # The bound of the case is the nearest of all bounds stated for an input.
        return {
            index: _nearest_of(self._stated[index], Fraction(float(case.lower[index])))
            for index in inputs
            if index in self._stated
        }

    @cached_property
    def _stated(self) -> dict[int, list[Fraction]]:
        """All bounds of single inputs in the formula, sorted."""
        stated: dict[int, set[Fraction]] = {}
        for comparison in _comparisons(self.formula):
            if not comparison.outputs and len(comparison.inputs) == 1:
                ((index, coefficient),) = comparison.inputs
                stated.setdefault(index, set()).add(comparison.bound / coefficient)
        return {index: sorted(bounds) for index, bounds in stated.items()}

    @classmethod
    def from_vnnlib(cls, path: str | Path, deadline: float = NEVER) -> Property:
        """Reads a VNN-LIB file, gzipped or not.

        Args:
            path: the file, such as ``prop_1.vnnlib`` or ``prop_1.vnnlib.gz``.
            deadline: ``time.monotonic()`` at which reading stops.

        Raises:
            InputError: a file that cannot be read, or a property that is too large.
            OutOfTimeError: the deadline has passed.
        """
        query = vnnlib.read(Path(path), deadline)
        read = cls.from_formula(query.formula, query.inputs, query.outputs, str(path), deadline)
        return replace(read, sha256=query.sha256)

    @classmethod
    def from_formula(
        cls,
        formula: Formula,
        inputs: int,
        outputs: int,
        source: str = BUILT_IN_PYTHON,
        deadline: float = NEVER,
    ) -> Property:
        """The property: is there an input at which a formula holds?

        Args:
            formula: the formula.
            inputs: number d of inputs.
            outputs: number k of outputs.
            source: the file, for messages.
            deadline: ``time.monotonic()`` at which expansion stops.

        Raises:
            InputError: a variable does not exist, or the disjunctive normal form is too large.
            OutOfTimeError: the deadline has passed.
        """
        try:
            flat = flatten(formula)
            for number, comparison in enumerate(_comparisons(flat)):
                if number % _COMPARISONS_PER_LOOK == 0:
                    require_time(deadline)
                _check(comparison, inputs, outputs)
            expansion = expand(flat, deadline)
            joint = any(row.inputs for row in _rows(expansion))
            cases = _cases(expansion, inputs, outputs, joint, deadline)
        except InputError as problem:
            raise InputError(f"{source}: {problem}") from problem
        return cls(inputs, outputs, cases, joint, flat, source, expansion.contradiction)

    @classmethod
    def build(
        cls,
        lower: npt.ArrayLike,
        upper: npt.ArrayLike,
        unsafe: Sequence[tuple[npt.ArrayLike, npt.ArrayLike]],
    ) -> Property:
        """The property: is there an input of a box with outputs in one of several polyhedra?

        Args:
            lower: (d,) lower bounds of the inputs, in row-major order.
            upper: (d,) upper bounds.
            unsafe: pairs (A, b) of polyhedra ``A @ y <= b``.

        Raises:
            InputError: shapes do not fit, or a number is not finite.
        """
        low, high = _vector(lower, "lower"), _vector(upper, "upper")
        if low.size != high.size:
            raise InputError(
                f"lower has {low.size} values and upper has {high.size}: give one of each for "
                "every input"
            )
        polyhedra = [_polyhedron(matrix, bound) for matrix, bound in unsafe]
        widths = {matrix.shape[1] for matrix, _ in polyhedra}
        if len(widths) != 1:
            raise InputError(
                "the matrices in unsafe must have one column for every output, all the same "
                f"number, but have {sorted(widths) or 'none'}: give pairs (A, b) for A @ y <= b"
            )
        unsafe_outputs = Or(tuple(And(tuple(_outputs_below(*pair))) for pair in polyhedra))
        formula = And((*_inputs_between(low, high), unsafe_outputs))
        return cls.from_formula(formula, low.size, widths.pop())


def _nearest_of(numbers: Sequence[Fraction], aim: Fraction) -> Fraction:
    """The nearest of sorted numbers."""
    after = bisect_left(numbers, aim)
    return min(numbers[max(0, after - 1) : after + 1], key=lambda number: abs(number - aim))


def _comparisons(formula: Formula) -> Iterator[Comparison]:
    pending = [formula]
    while pending:
        part = pending.pop()
        if isinstance(part, Comparison):
            yield part
        else:
            pending.extend(part.parts)


def _check(comparison: Comparison, inputs: int, outputs: int) -> None:
    for terms, name, count in (
        (comparison.inputs, "X", inputs),
        (comparison.outputs, "Y", outputs),
    ):
        for index, coefficient in terms:
            if not 0 <= index < count:
                raise InputError(
                    f"{name}_{index} does not exist, since there are {count}: use {name}_0 to "
                    f"{name}_{count - 1}"
                )
            if not coefficient:
                raise InputError(f"{name}_{index} has the coefficient 0: leave it out")
        if len(terms) > 1 and len({index for index, _ in terms}) < len(terms):
            raise InputError(f"a comparison has two terms of one {name}: add them up")


def _rows(expansion: Expansion) -> Iterator[Comparison]:
    yield from expansion.common.rows
    for branch in expansion.branches:
        yield from branch.rows


def _cases(
    expansion: Expansion, inputs: int, outputs: int, joint: bool, deadline: float
) -> tuple[Case, ...]:
    """One case for each box, with a conjunction for each of its branches."""
    base = _whole(inputs)
    for index, interval in expansion.common.bounds.items():
        base[:, index] = _sides(interval)
    grouped: dict[tuple[_Sides, ...], list[Branch]] = {}
    for branch in expansion.branches:
        grouped.setdefault(_box(branch.bounds, base), []).append(branch)
    width = outputs + inputs * joint
    common = expansion.common.rows
    rows = sum(len(common) + len(branch.rows) for branch in expansion.branches)
    if 4 * inputs * len(grouped) + width * rows > MAX_NUMBERS:
        raise InputError(
            f"its {len(grouped)} boxes of {inputs} inputs and {rows} rows take more than "
            f"{MAX_NUMBERS} numbers: split it into several properties"
        )
    cases, table = list[Case](), _RowTable(outputs, width)
    for box, branches in grouped.items():
        require_time(deadline)
        lower, upper, below, above = base.copy()
        for index, low, high, outer_low, outer_high in box:
            lower[index], upper[index] = low, high
            below[index], above[index] = outer_low, outer_high
        disjuncts = tuple(table.conjunction(common + one.rows) for one in branches)
        cases.append(Case(lower, upper, below, above, UnsafeSet(disjuncts)))
    return tuple(cases)


def _whole(inputs: int) -> Float64:
    """(4, inputs) infinite bounds."""
    return np.repeat([[-np.inf], [np.inf], [-np.inf], [np.inf]], inputs, axis=1)


def _sides(interval: Interval) -> tuple[float, float, float, float]:
    """The bounds of an interval rounded inward, and rounded outward."""
    return *interval.to_float64(), *interval.round_outward()


def _box(bounds: Bounds, base: Float64) -> tuple[_Sides, ...]:
    """The rounded bounds of a branch that differ from the common ones."""
    rounded = ((index, *_sides(interval)) for index, interval in sorted(bounds.items()))
    return tuple(one for one in rounded if not np.array_equal(one[1:], base[:, one[0]]))


@final
class _RowTable:
    """The comparisons of a formula as rows in float64, each converted once.

    Args:
        outputs: number of outputs.
        width: number of columns: the outputs, perhaps followed by the inputs.
    """

    def __init__(self, outputs: int, width: int) -> None:
        self._outputs, self._width = outputs, width
        self._known: dict[int, tuple[Comparison, Float64, float, bool]] = {}

    def conjunction(self, rows: Sequence[Comparison]) -> Conjunction:
        """The polyhedron of some rows. Right sides are rounded up."""
        found = [self._known.get(id(row)) or self._make(row) for row in rows]
        if not found:
            return Conjunction(np.zeros((0, self._width)), np.zeros(0), strict=False)
        _, matrix, bound, exact = zip(*found, strict=True)
        each = [row.strict for row in rows]
        mixed = np.array(each) if len(set(each)) > 1 else None
        return Conjunction(
            np.array(matrix), np.array(bound), all(each), exact=all(exact), mixed=mixed
        )

    def _make(self, row: Comparison) -> tuple[Comparison, Float64, float, bool]:
        terms, side = scale_to_float64([c for _, c in row.outputs + row.inputs], row.bound)
        coefficients, end = [nearest(term) for term in terms], Endpoint(side, nearest(side))
        if not all(map(math.isfinite, (*coefficients, end.near, end.outward))):
            raise InputError(f"a comparison{row.location} has a number beyond float64: scale it")
        columns = [j for j, _ in row.outputs] + [self._outputs + i for i, _ in row.inputs]
        values = np.zeros(self._width)
        values[columns] = coefficients
        exact = all(map(is_float64, terms))
        made = self._known[id(row)] = row, values, end.outward, exact
        return made


def _vector(values: npt.ArrayLike, name: str) -> Float64:
    vector = _array(values, name)
    if vector.ndim != 1 or np.isnan(vector).any():
        raise InputError(
            f"{name} must be a vector of numbers, one for every input, but has shape "
            f"{vector.shape}{' and a nan' if np.isnan(vector).any() else ''}: flatten it"
        )
    return vector


def _polyhedron(matrix: npt.ArrayLike, bound: npt.ArrayLike) -> tuple[Float64, Float64]:
    rows, sides = _array(matrix, "A"), _array(bound, "b")
    if rows.ndim != 2 or sides.shape != rows.shape[:1]:
        raise InputError(
            f"A of shape {rows.shape} and b of shape {sides.shape} do not make A @ y <= b: give A "
            "one row for every inequality and one column for every output, and b one number a row"
        )
    if not np.isfinite(rows).all() or not np.isfinite(sides).all():
        raise InputError("A and b must hold finite numbers: leave out rows without effect")
    return rows, sides


def _array(values: npt.ArrayLike, name: str) -> Float64:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as problem:
        raise InputError(f"{name} must be an array of numbers: {problem}") from problem


def _inputs_between(lower: Float64, upper: Float64) -> Iterator[Comparison]:
    one = Fraction(1)
    for index, (low, high) in enumerate(zip(lower.tolist(), upper.tolist(), strict=True)):
        if low != -np.inf:
            yield Comparison(((index, -one),), (), -_exact(low, f"lower bound of X_{index}"))
        if high != np.inf:
            yield Comparison(((index, one),), (), _exact(high, f"upper bound of X_{index}"))


def _exact(value: float, name: str) -> Fraction:
    if not np.isfinite(value):
        raise InputError(f"the {name} is {value}, so the box is empty: correct it")
    return Fraction(value)


def _outputs_below(matrix: Float64, bound: Float64) -> Iterator[Comparison]:
    for row, side in zip(matrix, bound.tolist(), strict=True):
        terms: list[Term] = [(int(j), Fraction(float(row[j]))) for j in np.flatnonzero(row)]
        yield Comparison((), tuple(terms), Fraction(side))
