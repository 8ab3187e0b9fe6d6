"""Proven lower bounds as a type of their own, apart from estimates that guide a search."""

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
    """Lower bounds that hold in real arithmetic, in spite of all rounding.

    Few modules construct one, and a test lists them: bounds over the layers, the certificate of
    dual variables, sums of rows, and stored nodes. Only a Proven closes a node or a case.

    Attributes:
        bounds: (n,) never NaN; -inf where nothing is proven, inf over an empty set.
    """

    bounds: Float64

    @classmethod
    def vacuous(cls, count: int = 1) -> Proven:
        """The bounds -inf."""
        return cls(np.full(count, -np.inf))

    @classmethod
    def of_empty(cls, count: int = 1) -> Proven:
        """The bounds inf, of functions over sets proven to be empty."""
        return cls(np.full(count, np.inf))

    @classmethod
    def from_rationals(cls, values: Sequence[Fraction]) -> Proven:
        """Rational numbers, rounded down."""
        return cls(np.array([_rounded_down(value) for value in values], np.float64))

    @property
    def least(self) -> Proven:
        """(1,) the least of the bounds; inf for none."""
        return Proven(self.bounds.min(initial=np.inf, keepdims=True))

    @property
    def value(self) -> float:
        """The least of the bounds."""
        return float(self.bounds.min(initial=np.inf))

    def take(self, chosen: AnyArray) -> Proven:
        """The chosen bounds, in this order."""
        return Proven(self.bounds[chosen])

    def maximum(self, other: Proven) -> Proven:
        """The larger of two bounds of the same functions."""
        return Proven(np.maximum(self.bounds, other.bounds))

    def concatenate(self, other: Proven) -> Proven:
        """These bounds, then the others."""
        return Proven(np.concatenate([self.bounds, other.bounds]))

    def put(self, rows: AnyArray, other: Proven) -> Proven:
        """A copy with the bounds of some rows replaced."""
        bounds = self.bounds.copy()
        bounds[rows] = other.bounds
        return Proven(bounds)


def _rounded_down(value: Fraction) -> float:
    try:
        near = float(value)
    except OverflowError:  # beyond the largest float
        return -np.inf if value < 0 else float(np.finfo(np.float64).max)
    return near if Fraction(near) <= value else float(np.nextafter(near, -np.inf))
