"""Intervals with rational bounds, rounded to float64 inward and outward."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An end of an interval.

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


@dataclass(frozen=True, slots=True)
class Interval:
    """The numbers between two ends; None for unbounded."""

    lower: Endpoint | None = None
    upper: Endpoint | None = None

    def intersect(self, other: Interval) -> Interval:
        """The intersection; self if it is the same."""
        lower = _tighter(self.lower, other.lower, above=True)
        upper = _tighter(self.upper, other.upper, above=False)
        if lower is self.lower and upper is self.upper:
            return self
        return Interval(lower, upper)

    def is_empty(self) -> bool:
        """Whether it contains no number."""
        lower, upper = self.lower, self.upper
        if lower is None or upper is None or lower.near < upper.near:
            return False
        if lower.near > upper.near or lower.value > upper.value:
            return True
        return lower.value == upper.value and (lower.strict or upper.strict)

    def is_beyond_float64(self) -> bool:
        """Whether all its numbers round to an infinite float64."""
        lower, upper = self.lower, self.upper
        above = lower is not None and lower.near == math.inf
        return above or (upper is not None and upper.near == -math.inf)

    def to_float64(self) -> tuple[float, float]:
        """The least and the greatest float64 in it; the nearest one twice if there is none."""
        least = -math.inf if self.lower is None else _first_above(self.lower)
        greatest = math.inf if self.upper is None else _first_below(self.upper)
        if least <= greatest or self.lower is None or self.upper is None:
            return least, greatest
        middle = nearest((self.lower.value + self.upper.value) / 2)
        return middle, middle

    def round_outward(self) -> tuple[float, float]:
        """Its bounds, rounded outward to float64."""
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
    """A number rounded to float64; infinite beyond the largest one."""
    try:
        return value.numerator / value.denominator
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def nearest_above(value: Fraction) -> float:
    """A number rounded up to float64; infinite beyond the largest one."""
    near = nearest(value)
    if not math.isfinite(near):
        return near
    return math.nextafter(near, math.inf) if _exceeds(value, near) else near


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


def _exceeds(value: Fraction, near: float) -> bool:
    numerator, denominator = near.as_integer_ratio()
    return value.numerator * denominator > numerator * value.denominator


def _tighter(one: Endpoint | None, other: Endpoint | None, above: bool) -> Endpoint | None:
    """The larger lower end, or the smaller upper end; the first of two equal ones."""
    if one is None or other is None:
        return one or other
    # Rounding is monotone: only ends that round to the same float64 need exact arithmetic.
    if one.near != other.near:
        return one if (one.near > other.near) == above else other
    if one.value != other.value:
        return one if (one.value > other.value) == above else other
    return other if other.strict and not one.strict else one


def _first_above(end: Endpoint) -> float:
    """The least float64 above a lower end."""
    side = _side(end)
    outside = side < 0 or (end.strict and side == 0)
    return math.nextafter(end.near, math.inf) if outside else end.near


def _first_below(end: Endpoint) -> float:
    """The greatest float64 below an upper end."""
    side = _side(end)
    outside = side > 0 or (end.strict and side == 0)
    return math.nextafter(end.near, -math.inf) if outside else end.near


def _side(end: Endpoint) -> float:
    """The sign of the rounding error: positive if the nearest float64 is above the end."""
    if math.isinf(end.near):
        return end.near
    numerator, denominator = end.near.as_integer_ratio()
    return numerator * end.value.denominator - end.value.numerator * denominator


def _phrase(end: Endpoint, strict: str, closed: str) -> str:
    where = "" if end.line is None else f" (line {end.line})"
    value = repr(end.near) if math.isfinite(end.near) else "a number beyond float64"
    return f"{strict if end.strict else closed} {value}{where}"
