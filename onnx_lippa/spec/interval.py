"""The values one input may take: exact bounds, and the float64 numbers between and around them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Limit:
    """One bound.

    Attributes:
        value: the bound.
        near: the nearest float64.
        strict: whether the value itself is outside.
        line: the line of the file it was read from.
    """

    value: Fraction
    near: float
    strict: bool = False
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Interval:
    """The numbers between two bounds, where there are any; by default every number."""

    lower: Limit | None = None
    upper: Limit | None = None

    def meet(self, other: Interval) -> Interval:
        """The numbers in both; one of the two themselves where that is all."""
        lower = _tighter(self.lower, other.lower, above=True)
        upper = _tighter(self.upper, other.upper, above=False)
        if lower is self.lower and upper is self.upper:
            return self
        return Interval(lower, upper)

    def is_empty(self) -> bool:
        """Whether no number at all is in it."""
        lower, upper = self.lower, self.upper
        if lower is None or upper is None or lower.near < upper.near:
            return False
        if lower.near > upper.near or lower.value > upper.value:
            return True
        return lower.value == upper.value and (lower.strict or upper.strict)

    def is_beyond_float64(self) -> bool:
        """Whether no finite float is near to anything in it."""
        lower, upper = self.lower, self.upper
        above = lower is not None and lower.near == math.inf
        return above or (upper is not None and upper.near == -math.inf)

    def to_float64(self) -> tuple[float, float]:
        """The least and the greatest float64 in it; the nearest float64, twice, if none is."""
        least = -math.inf if self.lower is None else _first_above(self.lower)
        greatest = math.inf if self.upper is None else _first_below(self.upper)
        if least <= greatest or self.lower is None or self.upper is None:
            return least, greatest
        middle = nearest((self.lower.value + self.upper.value) / 2)
        return middle, middle

    def outward(self) -> tuple[float, float]:
        """The greatest float64 not above it and the least one not below it."""
        below, above = -math.inf, math.inf
        if self.lower is not None:
            near = self.lower.near
            below = math.nextafter(near, -math.inf) if _side(self.lower) > 0 else near
        if self.upper is not None:
            near = self.upper.near
            above = math.nextafter(near, math.inf) if _side(self.upper) < 0 else near
        return below, above

    def __str__(self) -> str:
        sides = []
        if self.lower is not None:
            sides.append(_phrase(self.lower, "more than", "at least"))
        if self.upper is not None:
            sides.append(_phrase(self.upper, "less than", "at most"))
        return " and ".join(sides) or "any number"


def nearest(value: Fraction) -> float:
    """The nearest float64; infinite beyond the largest one."""
    try:
        return value.numerator / value.denominator
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def nearest_above(value: Fraction) -> float:
    """The least float64 that is not below a number; infinite beyond the largest one."""
    near = nearest(value)
    if not math.isfinite(near):
        return near
    return math.nextafter(near, math.inf) if _exceeds(value, near) else near


def is_float64(value: Fraction) -> bool:
    """Whether a float64 equals a number."""
    near = nearest(value)
    return math.isfinite(near) and Fraction(near) == value


def scaled_to_float64(
    coefficients: Sequence[Fraction], bound: Fraction
) -> tuple[list[Fraction], Fraction]:
    """A row, multiplied such that its coefficients are float64 numbers, where one factor does.

    Decimals are few digits over a power of ten, and become whole numbers over a power of two.
    """
    if all(map(is_float64, coefficients)):
        return list(coefficients), bound
    common = math.lcm(*(one.denominator for one in coefficients))
    factor = Fraction(common, 1 << (common.bit_length() - 1))
    scaled = [factor * one for one in coefficients]
    if not all(map(is_float64, scaled)):
        return list(coefficients), bound
    return scaled, factor * bound


def _exceeds(value: Fraction, near: float) -> bool:
    numerator, denominator = near.as_integer_ratio()
    return value.numerator * denominator > numerator * value.denominator


def _tighter(one: Limit | None, other: Limit | None, above: bool) -> Limit | None:
    """The lower bound that is larger, or the upper one that is smaller; the first of two equal."""
    if one is None or other is None:
        return one or other
    # Rounding is monotone: only where both round to the same float64 it takes exact arithmetic.
    if one.near != other.near:
        return one if (one.near > other.near) == above else other
    if one.value != other.value:
        return one if (one.value > other.value) == above else other
    return other if other.strict and not one.strict else one


def _first_above(limit: Limit) -> float:
    """The least float64 that meets a lower bound."""
    side = _side(limit)
    outside = side < 0 or (limit.strict and side == 0)
    return math.nextafter(limit.near, math.inf) if outside else limit.near


def _first_below(limit: Limit) -> float:
    """The greatest float64 that meets an upper bound."""
    side = _side(limit)
    outside = side > 0 or (limit.strict and side == 0)
    return math.nextafter(limit.near, -math.inf) if outside else limit.near


def _side(limit: Limit) -> float:
    """Positive where the nearest float64 is above the bound, negative below, 0 on it."""
    if math.isinf(limit.near):
        return limit.near
    numerator, denominator = limit.near.as_integer_ratio()
    return numerator * limit.value.denominator - limit.value.numerator * denominator


def _phrase(limit: Limit, strict: str, closed: str) -> str:
    where = "" if limit.line is None else f" (line {limit.line})"
    value = repr(limit.near) if math.isfinite(limit.near) else "a number beyond float64"
    return f"{strict if limit.strict else closed} {value}{where}"
