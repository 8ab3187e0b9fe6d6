"""Disjunctive normal form: a formula as a union of branches, each a box of inputs and rows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final, TypeAlias

from onnx_lippa.clock import NEVER, require_time
from onnx_lippa.errors import InputError
from onnx_lippa.spec.formula import Comparison, Formula, Or, split

MAX_BRANCHES: Final = 100_000
MAX_WORK: Final = 10_000_000
"""Most bounds and rows copied: some ten seconds and some hundred megabytes."""
_MAX_REMEMBERED: Final = 100_000
_ROUNDS_PER_LOOK: Final = 1024
"""Rounds between two checks of the deadline."""

Bounds: TypeAlias = "dict[int, Interval]"


@dataclass(frozen=True, slots=True)
class Branch:
    """A conjunction: bounds of single inputs, and all other comparisons."""

    bounds: Bounds = field(default_factory=dict)
    rows: tuple[Comparison, ...] = ()


@dataclass(frozen=True)
class Expansion:
    """The formula as ``common and (branch or branch or ...)``.

    Attributes:
        common: what holds in every branch.
        branches: the branches, whose bounds are intersected with the common ones; none if the
            formula is a contradiction.
        contradiction: why there are no branches.
    """

    common: Branch
    branches: tuple[Branch, ...]
    contradiction: str = ""


def expand(formula: Formula, deadline: float = NEVER) -> Expansion:
    """Expands a flattened formula; branches with contradictory bounds are dropped.

    Raises:
        InputError: there are too many branches, or bounds beyond float64.
        OutOfTimeError: the deadline, a ``time.monotonic()``, has passed.
    """
    work = _Expander(deadline)
    comparisons, others = split(formula)
    common = work.conjunction(comparisons)
    if common is not None:
        work.common = common.bounds
        branches = work.product(others)
        if branches:
            return Expansion(common, tuple(branches))
    return Expansion(Branch(), (), work.reason)


@dataclass
class _Expander:
    """The state of an expansion."""

    deadline: float
    common: Bounds = field(default_factory=dict)
    reason: str = "it is false whatever the input"
    steps: int = 0
    rounds: int = 0
    known: dict[int, tuple[int, Interval]] = field(default_factory=dict)
    intersections: dict[tuple[int, int], tuple[Interval, Interval, Interval]] = field(
        default_factory=dict
    )

    def branches(self, formula: Formula) -> list[Branch]:
        """The branches of a part. Recursion is safe on a flattened formula."""
        if isinstance(formula, Or):
            found: list[Branch] = []
            for part in formula.parts:
                found += self.branches(part)
                self._spend(found, 0)
            return found
        comparisons, others = split(formula)
        whole = self.conjunction(comparisons)
        if whole is None:
            return []
        product = self.product(others)
        return [both for other in product if (both := self._merge(whole, other)) is not None]

    def product(self, formulas: list[Formula]) -> list[Branch]:
        """The branches of a conjunction of formulas."""
        product = [Branch()]
        for formula in formulas:
            options, larger = self.branches(formula), []
            for one in product:
                for other in options:
                    both = self._merge(one, other)
                    if both is not None:
                        larger.append(both)
                        self._spend(larger, 0)
            product = larger
        return product

    def conjunction(self, comparisons: Iterable[Comparison]) -> Branch | None:
        """The branch of some comparisons; None if they contradict."""
        bounds: Bounds = {}
        rows: list[Comparison] = []
        for comparison in comparisons:
            if comparison.outputs or len(comparison.inputs) > 1:
                rows.append(comparison)
            elif comparison.inputs:
                index, interval = self._bound(comparison)
                known = bounds.get(index) or self.common.get(index)
                bounds[index] = interval if known is None else self._intersect(known, interval)
            elif not comparison.holds([], []):
                self.reason = f"a comparison of numbers{comparison.location} never holds"
                return None
        for index, interval in bounds.items():
            if self._contradicts(index, interval):
                return None
        return Branch(bounds, tuple(rows))

    def _bound(self, comparison: Comparison) -> tuple[int, Interval]:
        # A comparison may be in many branches, and lives as long as the formula.
        known = self.known.get(id(comparison))
        if known is None:
            known = read_bound(comparison)
            if len(self.known) < _MAX_REMEMBERED:
                self.known[id(comparison)] = known
        return known

    def _intersect(self, one: Interval, other: Interval) -> Interval:
        """The intersection of two intervals, one object for the same two to save memory."""
        pair = id(one), id(other)
        known = self.intersections.get(pair)
        if known is None:
            known = one.intersect(other), one, other
            if len(self.intersections) < _MAX_REMEMBERED:
                self.intersections[pair] = known
        return known[0]

    def _merge(self, one: Branch, other: Branch) -> Branch | None:
        copied = len(one.bounds) + len(one.rows) + len(other.bounds) + len(other.rows)
        self._spend([], 1 + copied)
        if not one.bounds or not other.bounds:
            return Branch(one.bounds or other.bounds, one.rows + other.rows)
        bounds = dict(one.bounds)
        for index, interval in other.bounds.items():
            known = bounds.get(index)
            bounds[index] = interval if known is None else self._intersect(known, interval)
            if known is not None and self._contradicts(index, bounds[index]):
                return None
        return Branch(bounds, one.rows + other.rows)

    def _contradicts(self, index: int, interval: Interval) -> bool:
        if not interval.is_empty():
            if interval.is_beyond_float64():
                raise InputError(f"X_{index} must be {interval}, which no input is: scale it")
            return False
        self.reason = f"X_{index} must be {interval}"
        return True

    def _spend(self, found: list[Branch], steps: int) -> None:
        self.steps += steps
        self.rounds += 1
        if self.rounds % _ROUNDS_PER_LOOK == 0:
            require_time(self.deadline)
        if len(found) > MAX_BRANCHES or self.steps > MAX_WORK:
            raise InputError(
                "the property is too large once its or-parts are multiplied out, with more than "
                f"{MAX_BRANCHES} branches or {MAX_WORK} bounds in them: split it into several"
            )


def read_bound(comparison: Comparison) -> tuple[int, Interval]:
    """The input and the interval of a comparison of one input."""
    ((index, coefficient),) = comparison.inputs
    size = abs(coefficient)
    value = comparison.bound if size == 1 else comparison.bound / size
    end = Endpoint(value, nearest(value), comparison.strict, comparison.line)
    return index, Interval(upper=end) if coefficient.numerator > 0 else Interval(lower=end)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The upper end of an interval.

    Attributes:
        value: the bound.
        near: the nearest float64.
        strict: whether the value is outside.
        line: its line in the file.
    """

    value: Fraction
    near: float
    strict: bool = False
    line: int | None = None

    @property
    def inward(self) -> float:
        """The greatest float64 below the end, or on it where it is not strict."""
        side = self._side
        outside = side > 0 or (self.strict and side == 0)
        return math.nextafter(self.near, -math.inf) if outside else self.near

    @property
    def outward(self) -> float:
        """The least float64 that is not below the end."""
        return math.nextafter(self.near, math.inf) if self._side < 0 else self.near

    @property
    def _side(self) -> float:
        """The sign of the rounding error: positive if the nearest float64 is above the value."""
        if math.isinf(self.near):
            return self.near
        numerator, denominator = self.near.as_integer_ratio()
        return numerator * self.value.denominator - self.value.numerator * denominator


@dataclass(frozen=True, slots=True)
class Interval:
    """The numbers x between two ends.

    Attributes:
        lower: the upper end of ``-x``; None for unbounded.
        upper: the upper end of x; None for unbounded.
    """

    lower: Endpoint | None = None
    upper: Endpoint | None = None

    def intersect(self, other: Interval) -> Interval:
        """The intersection; self if it is the same."""
        lower, upper = _smaller(self.lower, other.lower), _smaller(self.upper, other.upper)
        if lower is self.lower and upper is self.upper:
            return self
        return Interval(lower, upper)

    def is_empty(self) -> bool:
        """Whether it contains no number."""
        lower, upper = self.lower, self.upper
        if lower is None or upper is None or -lower.near < upper.near:
            return False
        if -lower.near > upper.near:
            return True
        width = lower.value + upper.value
        return width < 0 or (width == 0 and (lower.strict or upper.strict))

    def is_beyond_float64(self) -> bool:
        """Whether all its numbers round to an infinite float64."""
        return any(end is not None and end.near == -math.inf for end in (self.lower, self.upper))

    # 0 - x below, and not -x, which may be -0.

    def to_float64(self) -> tuple[float, float]:
        """The least and the greatest float64 in it; the nearest one twice if there is none."""
        least = -math.inf if self.lower is None else 0.0 - self.lower.inward
        greatest = math.inf if self.upper is None else self.upper.inward
        if least <= greatest or self.lower is None or self.upper is None:
            return least, greatest
        middle = nearest((self.upper.value - self.lower.value) / 2)
        return middle, middle

    def round_outward(self) -> tuple[float, float]:
        """Its bounds, rounded outward to float64."""
        below = -math.inf if self.lower is None else 0.0 - self.lower.outward
        return below, math.inf if self.upper is None else self.upper.outward

    def __str__(self) -> str:
        ends = (
            (self.lower, -1.0, "more than", "at least"),
            (self.upper, 1.0, "less than", "at most"),
        )
        sides = []
        for end, sign, strict, closed in ends:
            if end is not None:
                where = "" if end.line is None else f" (line {end.line})"
                finite = math.isfinite(end.near)
                value = repr(0.0 + sign * end.near) if finite else "a number beyond float64"
                sides.append(f"{strict if end.strict else closed} {value}{where}")
        return " and ".join(sides) or "any number"


def nearest(value: Fraction) -> float:
    """A number rounded to float64; infinite beyond the largest one."""
    try:
        return value.numerator / value.denominator
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def is_float64(value: Fraction) -> bool:
    """Whether a number is a float64."""
    near = nearest(value)
    return math.isfinite(near) and Fraction(near) == value


def scale_to_float64(
    coefficients: Sequence[Fraction], bound: Fraction
) -> tuple[list[Fraction], Fraction]:
    """Scales a row so that its coefficients are float64 numbers, if one factor suffices.

    Decimals, a few digits over a power of ten, become integers over a power of two.
    """
    if all(map(is_float64, coefficients)):
        return list(coefficients), bound
    common = math.lcm(*(one.denominator for one in coefficients))
    factor = Fraction(common, 1 << (common.bit_length() - 1))
    scaled = [factor * one for one in coefficients]
    if not all(map(is_float64, scaled)):
        return list(coefficients), bound
    return scaled, factor * bound


def _smaller(one: Endpoint | None, other: Endpoint | None) -> Endpoint | None:
    """The smaller of two ends, the first of two equal ones."""
    if one is None or other is None:
        return one or other
    # Rounding is monotone: only ends that round to the same float64 need exact arithmetic.
    if one.near != other.near:
        return one if one.near < other.near else other
    if one.value != other.value:
        return one if one.value < other.value else other
    return other if other.strict and not one.strict else one
