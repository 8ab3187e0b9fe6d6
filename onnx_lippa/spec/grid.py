"""Features that take only multiples of a step: integers, 8-bit pixels, categories."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import Final

import numpy as np

from onnx_lippa.arrays import Float64, Integers

_LARGEST_DENOMINATOR: Final = 1_000_000
_COUNTABLE: Final = 2.0**52
"""Multiples of a step are distinct in float64 up to about here; beyond, any value will do."""


@dataclass(frozen=True)
class Grid:
    """The points whose feature i is an integer multiple of ``steps[i]``.

    A multiple is rounded to the nearest number of the model's type. A step that is the float64 of
    a simple fraction p/q stands for that fraction: multiples of 1/255 are the pixels of 8-bit
    images divided by 255, and 3 * 0.1 is the 0.3 of a data file, not 0.30000000000000004.

    Attributes:
        steps: (d,) the steps; 0 for any value.
    """

    steps: Float64

    def nearest(self, x: Float64) -> Float64:
        """The nearest grid point to a point (d,), in float64."""
        return self.at(self.counts(x), x)

    def within(
        self, x: Float64, lower: Float64, upper: Float64, dtype: np.dtype[np.floating]
    ) -> Float64:
        """The nearest grid points to points (n, d) of a box that are in the box when stored."""
        counts = self.counts(x)
        stored = self.at(counts, x).astype(dtype).astype(np.float64)
        return self.at(counts + (stored < lower) - (stored > upper), x)

    def contains(self, x: Float64, dtype: np.dtype[np.floating]) -> bool:
        """Whether a stored point (d,) is on the grid."""
        return bool(np.all(self.are_on(x, dtype)))

    def are_on(self, x: Float64, dtype: np.dtype[np.floating]) -> np.ndarray:
        """Which stored values (..., d) are on the grid."""
        with np.errstate(over="ignore"):  # infinite beyond the type
            snapped = self.nearest(x).astype(dtype).astype(np.float64)
        return np.asarray((self.steps == 0.0) | (snapped == x))

    def counts(self, x: Float64) -> Float64:
        """The numbers of the nearest multiples to a point (..., d); 0 for a step of 0."""
        quotients = np.zeros_like(x)
        with np.errstate(over="ignore"):
            np.divide(x, self.steps, out=quotients, where=self.steps != 0.0)
        return np.rint(quotients)

    def at(self, counts: Float64, x: Float64) -> Float64:
        """The multiples with these numbers (..., d), in float64; x where the step is 0."""
        countable = (self.steps != 0.0) & (np.abs(counts) < _COUNTABLE)
        counts = np.where(countable, counts, 0.0)
        return np.where(countable, counts * self._numerators / self._denominators, x)

    def multiples(self, features: Integers | int, counts: Float64) -> Float64:
        """The multiples with these numbers (n,) of some features' steps, none of them 0."""
        exact = counts * self._numerators[features]
        return np.asarray(exact / self._denominators[features], dtype=np.float64)

    @cached_property
    def _fractions(self) -> Float64:
        different, places = np.unique(self.steps, return_inverse=True)
        return np.array([_fraction(float(step)) for step in different])[places.ravel()]

    @property
    def _numerators(self) -> Float64:
        return self._fractions[:, 0]

    @property
    def _denominators(self) -> Float64:
        return self._fractions[:, 1]


@lru_cache(maxsize=4096)
def _fraction(step: float) -> tuple[float, float]:
    """Numerator and denominator of a step: integers if it is the float64 of a simple fraction."""
    simple = Fraction(step).limit_denominator(_LARGEST_DENOMINATOR)
    if float(simple) == step and simple.numerator < _COUNTABLE:
        return float(simple.numerator), float(simple.denominator)
    inverse = round(1.0 / step) if step > 1.0 / _COUNTABLE else 0
    if inverse and 1.0 / inverse == step:
        return 1.0, float(inverse)
    return step, 1.0
