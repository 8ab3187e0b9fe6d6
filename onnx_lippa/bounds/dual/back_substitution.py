"""What the units of a node are replaced by: lines above and below each kink, or a sign."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from onnx_lippa.arrays import Floats, Integers, States
from onnx_lippa.bounds.dual.objectives import Objectives, Units
from onnx_lippa.ir.pattern import UNDECIDED

_FEW: Final = 8
"""Roundings of a line's height, with room."""


@dataclass(frozen=True)
class ReluRelaxation:
    """What the units are replaced by; one row for each objective, or a single one for all.

    Attributes:
        signs: (n, units) the signs; UNDECIDED units are unstable.
        slope: (n, units) of the upper line: ``u / (u - l)``, 1 if active, 0 if inactive.
        height: (n, units) of the upper line at ẑ = 0: ``-u l / (u - l)``, 0 if not unstable.

    However slope and bounds were rounded, slopes are in [0, 1] and the line is nowhere below
    ``max(ẑ, 0)`` between the bounds that it was made of.
    """

    signs: States
    slope: Floats
    intercept: Floats

    @classmethod
    def of(cls, lower: Floats, upper: Floats, signs: States) -> ReluRelaxation:
        """From bounds (n, units) of ẑ; those of units that are not unstable do not matter.

        Bounds may have been rounded to float32 before, up or down.
        """
        unstable, info = signs == UNDECIDED, np.finfo(lower.dtype)
        low = np.where(unstable, np.maximum(-lower, 0), 0)
        high = np.where(unstable, np.maximum(upper, 0), signs > 0).astype(lower.dtype, copy=False)
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
        return cls(signs, slope.astype(kind, copy=False), height.astype(kind, copy=False))

    def astype(self, dtype: type[np.floating]) -> ReluRelaxation:
        """The same in another floating-point type."""
        return ReluRelaxation(self.signs, self.slope.astype(dtype), self.intercept.astype(dtype))

    def take(self, rows: np.ndarray) -> ReluRelaxation:
        """Some rows, in this order; a single row for all stays as it is."""
        return self if len(self.signs) == 1 else self.each(rows)

    def each(self, rows: np.ndarray) -> ReluRelaxation:
        """These rows, in this order, whether or not there is but one."""
        return ReluRelaxation(self.signs[rows], self.slope[rows], self.intercept[rows])

    def only(self, rows: Integers, units: Integers) -> ReluRelaxation:
        """Some units for some rows; a single row for all stays one."""
        if len(self.signs) == 1:
            rows = np.zeros(1, np.int64)
        at = np.ix_(rows, units)
        return ReluRelaxation(self.signs[at], self.slope[at], self.intercept[at])

    def with_sign(self, rows: Integers, units: Integers, sign: States) -> ReluRelaxation:
        """A copy in which some units, given by row and unit, are active (1) or inactive (-1)."""
        signs, slope, height = self.signs.copy(), self.slope.copy(), self.intercept.copy()
        signs[rows, units], slope[rows, units], height[rows, units] = sign, sign > 0, 0
        return ReluRelaxation(signs, slope, height)

    def alphas(self, alpha: Floats) -> Floats:
        """Slopes of the lower lines: α where unstable, 1 if active, 0 if inactive."""
        return np.where(self.signs == UNDECIDED, alpha, self.signs > 0).astype(self.slope.dtype)

    def adaptive(self) -> Floats:
        """Lower lines of the smaller area (DeepPoly: Singh et al., POPL 2019)."""
        return self.alphas((self.slope > 0.5).astype(self.slope.dtype))


@dataclass(frozen=True)
class BackSubstitution:
    """Objectives with all units eliminated.

    Attributes:
        rows: (n, d) what is left, linear in e.
        constant: (n,) and the constant.
        coefficients: m, (n, units).
        multipliers: ν, (n, units).
        drop: (n,) what upper lines took from the constant; not negative.
    """

    rows: Floats
    constant: Floats
    coefficients: Floats
    multipliers: Floats
    drop: Floats


def back_substitute(
    units: Units,
    objectives: Objectives,
    relaxed: ReluRelaxation,
    alpha: Floats,
    beta: Floats | None,
) -> BackSubstitution:
    """Replaces the units, the last block first.

    Args:
        units: the units.
        objectives: the functions to be bounded; n of them.
        relaxed: what the units are replaced by.
        alpha: (n, units) or (1, units) slopes of lower lines, as :meth:`Relaxed.alphas` gives.
        beta: (n, units) multipliers of ``ẑ >= 0`` or ``ẑ <= 0``, not negative; None for none.
    """
    m = objectives.on_units.copy()
    nu = np.empty_like(m)
    drop = np.zeros(len(m), m.dtype)
    for block in reversed(units.blocks):
        above, below = np.maximum(m[:, block], 0), np.minimum(m[:, block], 0)
        drop -= np.einsum(
            "nu,nu->n", below, np.broadcast_to(relaxed.intercept[:, block], below.shape)
        )
        part = above * alpha[:, block] + below * relaxed.slope[:, block]
        if beta is not None:
            part -= relaxed.signs[:, block] * beta[:, block]
        nu[:, block] = part
        if block.start:
            m[:, : block.start] += part @ units.on_units[block, : block.start]
    constant = objectives.offset - drop + nu @ units.offset
    rows = nu @ units.on_input
    rows += objectives.on_input
    return BackSubstitution(rows, constant, m, nu, drop)


def lower_bounds(units: Units, left: BackSubstitution) -> Floats:
    """Lower bounds (n,) of the objectives, but for rounding: they guide, and prove nothing."""
    bounds: Floats = units.domain.least(left.rows) + left.constant
    return bounds


def evaluate_relaxation(
    units: Units, relaxed: ReluRelaxation, alpha: Floats, left: BackSubstitution, points: Floats
) -> tuple[Floats, Floats]:
    """ẑ and z (n, units) at points e (n, d), z as the relaxation has it.

    Where the points are the minimisers, ẑ is the derivative of the bound by ν, and z by m.
    """
    z_hat = points @ units.on_input.T
    z_hat += units.offset
    z = np.empty_like(z_hat)
    for block in units.blocks:
        if block.start:
            z_hat[:, block] += z[:, : block.start] @ units.on_units[block, : block.start].T
        part, m = z_hat[:, block], left.coefficients[:, block]
        upper_line = relaxed.slope[:, block] * part + relaxed.intercept[:, block]
        z[:, block] = np.where(m >= 0, alpha[:, block] * part, upper_line)
    return z_hat, z
