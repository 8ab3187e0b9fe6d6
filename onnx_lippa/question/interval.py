"""The values one input may take: exact bounds, and the float64 numbers between them."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, NamedTuple

_LARGEST: Final = Fraction(sys.float_info.max)


class Limit(NamedTuple):
    """One bound.

    Attributes:
        value: the bound.
        strict: whether the value itself is outside.
        line: the line of the file it was read from.
    """

    value: Fraction
    strict: bool = False
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Interval:
    """The numbers between two bounds, where there are any; by default every number."""

    lower: Limit | None = None
    upper: Limit | None = None

    def meet(self, other: Interval) -> Interval:
        """The numbers in both."""
        lower, upper = self.lower, self.upper
        if lower is None or (other.lower is not None and _tighter(other.lower, lower, 1)):
            lower = other.lower
        if upper is None or (other.upper is not None and _tighter(other.upper, upper, -1)):
            upper = other.upper
        return Interval(lower, upper)

    def is_empty(self) -> bool:
        """Whether no finite float could ever be near it, let alone in it."""
        lower, upper = self.lower, self.upper
        if lower is not None and lower.value > _LARGEST:
            return True
        if upper is not None and upper.value < -_LARGEST:
            return True
        if lower is None or upper is None or lower.value < upper.value:
            return False
        return lower.value > upper.value or lower.strict or upper.strict

    def to_float64(self) -> tuple[float, float]:
        """The least and the greatest float64 in it; the nearest float64, twice, if none is."""
        lower = -math.inf if self.lower is None else _first_inside(self.lower)
        upper = math.inf if self.upper is None else -_first_inside(_mirrored(self.upper))
        if lower <= upper or self.lower is None or self.upper is None:
            return lower, upper
        middle = nearest((self.lower.value + self.upper.value) / 2)
        return middle, middle

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
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def shown(value: Fraction) -> str:
    """A number for messages: as short as float64 prints it where that is near enough."""
    rounded = nearest(value)
    return repr(rounded) if math.isfinite(rounded) else "a number beyond float64"


def _tighter(one: Limit, other: Limit, sign: int) -> bool:
    if one.value == other.value:
        return one.strict and not other.strict
    return (one.value > other.value) == (sign > 0)


def _mirrored(limit: Limit) -> Limit:
    return limit._replace(value=-limit.value)


def _first_inside(lower: Limit) -> float:
    """The least float64 that meets a lower bound."""
    rounded = nearest(lower.value)
    if rounded < lower.value or (lower.strict and rounded == lower.value):
        return math.nextafter(rounded, math.inf)
    return rounded


def _phrase(limit: Limit, strict: str, closed: str) -> str:
    where = "" if limit.line is None else f" (line {limit.line})"
    return f"{strict if limit.strict else closed} {shown(limit.value)}{where}"
