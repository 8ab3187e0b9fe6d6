"""Lower bounds that are proven, as a type of their own: what guides a search is none of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import final

import numpy as np

from onnx_lippa.arrays import AnyArray, Float64


@final
@dataclass(frozen=True)
class Proven:
    """Lower bounds that hold in real arithmetic, whatever was rounded on the way to them.

    Only what proves makes one: the evaluator of multipliers, the certified bound of a linear
    program, and the bounds over the tape of layers (the tests list these modules). To close a
    node, to fix a sign or to settle a case takes one.

    Attributes:
        bounds: (n,) no number; -inf where nothing is proven, inf where there is nothing to bound.
    """

    bounds: Float64

    @classmethod
    def vacuous(cls, count: int = 1) -> Proven:
        """Bounds that say nothing."""
        return cls(np.full(count, -np.inf))

    @classmethod
    def of_empty(cls, count: int = 1) -> Proven:
        """Bounds of functions over sets that were proven to be empty."""
        return cls(np.full(count, np.inf))

    @classmethod
    def from_rationals(cls, values: Sequence[Fraction]) -> Proven:
        """Rational numbers, rounded down."""
        return cls(np.array([_rounded_down(value) for value in values], np.float64))

    @property
    def least(self) -> Proven:
        """(1,) what holds for all of them together; of none it is infinite."""
        return Proven(self.bounds.min(initial=np.inf, keepdims=True))

    @property
    def value(self) -> float:
        """The least of the bounds."""
        return float(self.bounds.min(initial=np.inf))

    def take(self, chosen: AnyArray) -> Proven:
        """Some of them, in this order."""
        return Proven(self.bounds[chosen])

    def maximum(self, other: Proven) -> Proven:
        """The better of two bounds of the same functions."""
        return Proven(np.maximum(self.bounds, other.bounds))

    def concatenate(self, other: Proven) -> Proven:
        """The bounds of either, one behind the other."""
        return Proven(np.concatenate([self.bounds, other.bounds]))

    def put(self, rows: AnyArray, other: Proven) -> Proven:
        """The same with others in some places."""
        bounds = self.bounds.copy()
        bounds[rows] = other.bounds
        return Proven(bounds)


def _rounded_down(value: Fraction) -> float:
    try:
        near = float(value)
    except OverflowError:  # beyond the largest float
        return -np.inf if value < 0 else float(np.finfo(np.float64).max)
    return near if Fraction(near) <= value else float(np.nextafter(near, -np.inf))
