"""Proven lower bounds as a type of their own, and the model of rounding that proofs use.

The model is Higham's (Accuracy and Stability of Numerical Algorithms, chapters 2 and 3). A sum of t
products, in any order, fused or not, is off by at most ``γ_t = t u / (1 - t u)`` times the sum of
their absolute values, with u the unit roundoff, and by the least normal number for each product
that underflows. Proofs take ``t EPSILON = 2 t u`` for γ_t.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, final

import numpy as np

from onnx_lippa.arrays import Batch, Float64

EPSILON: Final = float(np.finfo(np.float64).eps)
"""``2^-52``, twice the unit roundoff of float64."""
TINY: Final = 1e-300
"""Absolute error of a product that underflows, with room."""
UNDERFLOW: Final = 1e-290
"""Absolute error of a sum of products that underflow, with room."""
ROOM: Final = 1 + 1e-9
"""Factor for sums of absolute values and of errors, which are rounded themselves."""
OUTWARD: Final = 1 + 8 * EPSILON
"""Factor for radii and distances."""


@final
@dataclass(frozen=True)
class ProvenBounds(Batch):
    """Lower bounds that hold in real arithmetic, in spite of all rounding.

    Few modules construct one, and a test lists them: bounds over the layers, the certificate of
    dual variables, sums of rows, and stored nodes. Only proven bounds close a node or a case.

    Attributes:
        bounds: (n,) never NaN; -inf where nothing is proven, inf over an empty set.
    """

    bounds: Float64

    @classmethod
    def vacuous(cls, count: int = 1) -> ProvenBounds:
        """The bounds -inf."""
        return cls(np.full(count, -np.inf))

    @classmethod
    def of_empty(cls, count: int = 1) -> ProvenBounds:
        """The bounds inf, of functions over sets proven to be empty."""
        return cls(np.full(count, np.inf))

    @classmethod
    def from_rationals(cls, values: Sequence[Fraction]) -> ProvenBounds:
        """Rational numbers, rounded down."""
        return cls(np.array([_rounded_down(value) for value in values], np.float64))

    @property
    def least(self) -> ProvenBounds:
        """(1,) the least of the bounds; inf for none."""
        return ProvenBounds(self.bounds.min(initial=np.inf, keepdims=True))

    @property
    def value(self) -> float:
        """The least of the bounds."""
        return float(self.bounds.min(initial=np.inf))

    def maximum(self, other: ProvenBounds) -> ProvenBounds:
        """The larger of two bounds of the same functions."""
        return ProvenBounds(np.maximum(self.bounds, other.bounds))


def _rounded_down(value: Fraction) -> float:
    try:
        near = float(value)
    except OverflowError:  # beyond the largest float
        return -np.inf if value < 0 else float(np.finfo(np.float64).max)
    return near if Fraction(near) <= value else float(np.nextafter(near, -np.inf))
