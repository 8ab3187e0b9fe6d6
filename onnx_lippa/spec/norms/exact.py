"""Exact norms in integer arithmetic: they decide whether an input lies in a ball.

Floats are integers times powers of two, so their sums, squares and comparisons are exact in
integers. Only quotients by a scale need a denominator. It is never reduced, which would cost more
than everything else.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from onnx_lippa.arrays import Float64

_MANTISSA: Final = 53
_GUARD: Final = 64
"""Extra bits of a root, so that it rounds correctly."""


@dataclass(frozen=True)
class Ratio:
    """``numerator / denominator``, at least 0 and not reduced."""

    numerator: int
    denominator: int

    def at_most(self, bound: float, power: int) -> bool:
        """Whether the root of this power is at most a finite bound, which is at least 0."""
        p, q = bound.as_integer_ratio()
        return bool(self.numerator * q**power <= p**power * self.denominator)

    def root(self, power: int) -> float:
        """The root of this power (1 or 2), rounded up to a float."""
        if self.numerator == 0:
            return 0.0
        top, bottom = self.numerator, self.denominator
        if power == 2:
            # More bits than a float has.
            shift = max(0, 2 * _GUARD - top.bit_length() + bottom.bit_length())
            shift += shift % 2
            top, bottom = math.isqrt((top << shift) // bottom), 1 << (shift // 2)
        try:
            root = top / bottom
        except OverflowError:
            return math.inf
        while root < math.inf and not self.at_most(root, power):
            root = math.nextafter(root, math.inf)
        while root > 0 and self.at_most(math.nextafter(root, 0.0), power):
            root = math.nextafter(root, 0.0)
        return root


@dataclass(frozen=True)
class Magnitudes:
    """``numerators / denominators * 2**power``: scaled displacements, those of 0 left out."""

    numerators: list[int]
    denominators: list[int]
    power: int

    def sum_of_powers(self, power: int) -> Ratio:
        """The sum of the magnitudes' powers."""
        sums: defaultdict[int, int] = defaultdict(int)
        for top, bottom in zip(self.numerators, self.denominators, strict=True):
            sums[bottom] += top**power
        return _shift(_add((s, unit**power) for unit, s in sums.items()), power * self.power)

    def largest(self) -> Ratio:
        """The largest magnitude."""
        largest = (0, 1)
        for top, bottom in zip(self.numerators, self.denominators, strict=True):
            if top * largest[1] > largest[0] * bottom:
                largest = (top, bottom)
        return _shift(largest, self.power)


def magnitudes(x: Float64, center: Float64, scale: Float64 | None = None) -> Magnitudes:
    """How far each feature of x is from the centre, as multiples of its unit.

    Args:
        x: (d,) finite numbers.
        center: (d,) finite numbers.
        scale: (d,) positive numbers; an infinite one makes the magnitude 0; None for 1.
    """
    moved = x != center if scale is None else (x != center) & np.isfinite(scale)
    ends, powers = _whole(np.stack([x[moved], center[moved]]))
    if not ends.size:
        return Magnitudes([], [], 0)
    power = int(powers.min())
    ends = ends << (powers - power).astype(object)
    numerators = abs(ends[0] - ends[1])
    if scale is None:
        return Magnitudes(numerators.tolist(), [1] * len(numerators), power)
    denominators, scales = _whole(scale[moved])
    largest = int(scales.max())
    numerators = numerators << (largest - scales).astype(object)
    return Magnitudes(numerators.tolist(), denominators.tolist(), power - largest)


def two_difference(a: Float64, b: Float64) -> tuple[Float64, Float64]:
    """The rounded difference and its error: ``a - b`` is their sum, exactly."""
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows has no error
        difference = a - b
        part = difference - a
        return difference, (a - (difference - part)) - (b + part)


def _whole(values: Float64) -> tuple[np.ndarray, np.ndarray]:
    """Whole numbers (objects) and powers of two whose products are the values."""
    mantissas, exponents = np.frexp(values)
    whole = np.ldexp(mantissas, _MANTISSA).astype(np.int64).astype(object)
    # A zero has any power; the largest one asks for no shift.
    powers = np.where(values == 0, exponents.max(initial=0), exponents)
    return whole, powers - _MANTISSA


def _add(terms: Iterable[tuple[int, int]]) -> tuple[int, int]:
    """The sum of quotients, in pairs: both factors of each product have about the same size."""
    left = list(terms) or [(0, 1)]
    while len(left) > 1:
        pairs = zip(left[::2], left[1::2], strict=False)
        added = [(a * d + b * c, c * d) for (a, c), (b, d) in pairs]
        left = added + (left[-1:] if len(left) % 2 else [])
    return left[0]


def _shift(quotient: tuple[int, int], power: int) -> Ratio:
    top, bottom = quotient
    return Ratio(top << power, bottom) if power >= 0 else Ratio(top, bottom << -power)
