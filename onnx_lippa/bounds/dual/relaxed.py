"""What the units of a node are replaced by: lines above and below each kink, or a sign."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from onnx_lippa.arrays import Floats, Integers, States

_FEW: Final = 8
"""Roundings of a line's height, with room."""


@dataclass(frozen=True)
class Relaxed:
    """What the units are replaced by; one row for each objective, or a single one for all.

    Attributes:
        state: (n, units) 1 active, -1 inactive, 0 unstable.
        slope: (n, units) of the upper line: ``u / (u - l)``, 1 if active, 0 if inactive.
        height: (n, units) of the upper line at ẑ = 0: ``-u l / (u - l)``, 0 if not unstable.

    However slope and bounds were rounded, slopes are in [0, 1] and the line is nowhere below
    ``max(ẑ, 0)`` between the bounds that it was made of.
    """

    state: States
    slope: Floats
    height: Floats

    @classmethod
    def of(cls, lower: Floats, upper: Floats, state: States) -> Relaxed:
        """From bounds (n, units) of ẑ; those of units that are not unstable do not matter.

        Bounds may have been rounded to float32 before, up or down.
        """
        unstable, info = state == 0, np.finfo(lower.dtype)
        low = np.where(unstable, np.maximum(-lower, 0), 0)
        high = np.where(unstable, np.maximum(upper, 0), state > 0).astype(lower.dtype, copy=False)
        with np.errstate(over="ignore", invalid="ignore"):
            width = low + high
            slope = high / np.maximum(width, info.tiny)
            if not np.isfinite(width).all():
                # Without an end on one side a line is level, or as steep as z = ẑ.
                slope = np.where(np.isinf(high) & np.isfinite(low), 1, slope)
                low, high = np.where(slope == 0, 0, low), np.where(slope == 1, 0, high)
            # Whatever the slope, the line is above both ends of the kink.
            height = np.maximum(slope * low, (1 - slope) * high)
            height *= 1 + _FEW * float(info.eps)
            height += 4 * info.tiny
        height *= unstable
        kind = lower.dtype
        return cls(state, slope.astype(kind, copy=False), height.astype(kind, copy=False))

    def astype(self, dtype: type[np.floating]) -> Relaxed:
        """The same in another floating-point type."""
        return Relaxed(self.state, self.slope.astype(dtype), self.height.astype(dtype))

    def take(self, rows: np.ndarray) -> Relaxed:
        """Some rows, in this order; a single row for all stays as it is."""
        return self if len(self.state) == 1 else self.each(rows)

    def each(self, rows: np.ndarray) -> Relaxed:
        """These rows, in this order, whether or not there is but one."""
        return Relaxed(self.state[rows], self.slope[rows], self.height[rows])

    def only(self, rows: Integers, units: Integers) -> Relaxed:
        """Some units for some rows; a single row for all stays one."""
        if len(self.state) == 1:
            rows = np.zeros(1, np.int64)
        at = np.ix_(rows, units)
        return Relaxed(self.state[at], self.slope[at], self.height[at])

    def with_sign(self, rows: Integers, units: Integers, sign: States) -> Relaxed:
        """A copy in which some units, given by row and unit, are active (1) or inactive (-1)."""
        state, slope, height = self.state.copy(), self.slope.copy(), self.height.copy()
        state[rows, units], slope[rows, units], height[rows, units] = sign, sign > 0, 0
        return Relaxed(state, slope, height)

    def alphas(self, alpha: Floats) -> Floats:
        """Slopes of the lower lines: α where unstable, 1 if active, 0 if inactive."""
        return np.where(self.state == 0, alpha, self.state > 0).astype(self.slope.dtype)

    def adaptive(self) -> Floats:
        """Lower lines of the smaller area (DeepPoly: Singh et al., POPL 2019)."""
        return self.alphas((self.slope > 0.5).astype(self.slope.dtype))
