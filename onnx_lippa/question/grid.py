"""Features that take only multiples of a step: whole numbers, pixels of 8 bits, categories."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from onnx_lippa.arrays import Float64


@dataclass(frozen=True)
class Grid:
    """The points whose feature i is a whole multiple of ``steps[i]``.

    A multiple is the number of the model's type nearest to it: for images in float32 and a step
    of 1/255 these are the very numbers that dividing 8-bit pixels by 255 gives.

    Attributes:
        steps: (d,) the steps; 0 where a feature may take any value.
    """

    steps: Float64

    def nearest(self, x: Float64) -> Float64:
        """The point of the grid nearest to a point (d,), in float64."""
        return self._at(np.rint(self._counts(x)), x)

    def within(
        self, x: Float64, lower: Float64, upper: Float64, dtype: np.dtype[np.floating]
    ) -> Float64:
        """The nearest point of the grid that lies in a box once it is stored in a type."""
        counts = np.rint(self._counts(x))
        stored = self._at(counts, x).astype(dtype).astype(np.float64)
        counts = counts + np.where(stored < lower, 1.0, 0.0) - np.where(stored > upper, 1.0, 0.0)
        return self._at(counts, x)

    def contains(self, x: Float64, dtype: np.dtype[np.floating]) -> bool:
        """Whether stored values (d,) are those of points on the grid."""
        snapped = self.nearest(x).astype(dtype).astype(np.float64)
        return bool(np.all((self.steps == 0.0) | (snapped == x)))

    def _counts(self, x: Float64) -> Float64:
        return np.divide(x, self.steps, out=np.zeros_like(x), where=self.steps != 0.0)

    def _at(self, counts: Float64, x: Float64) -> Float64:
        return np.where(self.steps == 0.0, x, counts * self.steps)
