"""Lower bounds of linear functions of a reduced network, by Lagrangian duality (α,β-CROWN).

For an objective ``g = a x + m z + γ`` the units are substituted from the last to the first. With
``m`` the coefficient of z of one unit after all later ones, and ``l < 0 < u`` its bounds,

    active     z = ẑ                                   ν = m - β      (ẑ >= 0 costs β >= 0)
    inactive   z = 0                                   ν = β          (ẑ <= 0 costs β >= 0)
    unstable   z >= α ẑ              where m >= 0      ν = α m
               z <= u (ẑ - l) / (u - l)  elsewhere     ν = m u / (u - l), constant -ν l

and ``ν ẑ`` is expressed by x and the earlier units. The result is linear in x. Its least value over
the input domain is a lower bound of g, for any α in [0, 1] and any β >= 0. Optimised over both, it
is the bound of the linear program (α,β-CROWN: Wang et al., NeurIPS 2021).

Sums here are rounded, in float32 as in float64, so this is an estimate. ``certificate.py`` proves
bounds from the same multipliers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from typing_extensions import override

from onnx_lippa.arrays import AnyArray, Batch, Floats, Integers, States
from onnx_lippa.bounds.dual.objectives import Objectives, Units
from onnx_lippa.ir.pattern import UNDECIDED

_INTERCEPT_ROUNDINGS: Final = 8
"""Roundings of an intercept, with room."""


@dataclass(frozen=True)
class ReluRelaxation(Batch):
    """The relaxation of ReLUs under given signs; one row for each objective, or one for all.

    Attributes:
        signs: (n, units) the signs; UNDECIDED units are unstable.
        slope: (n, units) of the upper line: ``u / (u - l)``, 1 if active, 0 if inactive.
        intercept: (n, units) of the upper line: ``-u l / (u - l)``, 0 if stable.

    Whatever was rounded, slopes lie in [0, 1], and the upper line is nowhere below ``max(ẑ, 0)``
    between the bounds that it was computed from.
    """

    signs: States
    slope: Floats
    intercept: Floats

    @classmethod
    def of(cls, lower: Floats, upper: Floats, signs: States) -> ReluRelaxation:
        """From bounds (n, units) of ẑ; those of stable units do not matter.

        The bounds may have been rounded to float32 before, in either direction.
        """
        unstable, info = signs == UNDECIDED, np.finfo(lower.dtype)
        low = np.where(unstable, np.maximum(-lower, 0), 0)
        high = np.where(unstable, np.maximum(upper, 0), signs > 0).astype(lower.dtype, copy=False)
        with np.errstate(over="ignore", invalid="ignore"):
            width = low + high
            slope = high / np.maximum(width, info.tiny)
            if not np.isfinite(width).all():
                # Unbounded on one side, the line has slope 0 or 1.
                slope = np.where(np.isinf(high) & np.isfinite(low), 1, slope)
                low, high = np.where(slope == 0, 0, low), np.where(slope == 1, 0, high)
            # Whatever the slope, the line is above both ends.
            height = np.maximum(slope * low, (1 - slope) * high)
            height *= 1 + _INTERCEPT_ROUNDINGS * float(info.eps)
            height += 4 * info.tiny
        height *= unstable
        kind = lower.dtype
        return cls(signs, slope.astype(kind, copy=False), height.astype(kind, copy=False))

    def astype(self, dtype: type[np.floating]) -> ReluRelaxation:
        """The same in another floating-point type."""
        return ReluRelaxation(self.signs, self.slope.astype(dtype), self.intercept.astype(dtype))

    @override
    def take(self, rows: AnyArray) -> ReluRelaxation:
        """Some rows, in this order; one row for all stays as it is."""
        return self if len(self.signs) == 1 else self.each(rows)

    def each(self, rows: AnyArray) -> ReluRelaxation:
        """These rows, in this order, even of a single one."""
        return super().take(rows)

    def only(self, rows: Integers, units: Integers) -> ReluRelaxation:
        """Some units for some rows; one row for all stays one."""
        if len(self.signs) == 1:
            rows = np.zeros(1, np.int64)
        at = np.ix_(rows, units)
        return ReluRelaxation(self.signs[at], self.slope[at], self.intercept[at])

    def with_sign(self, rows: Integers, units: Integers, sign: States) -> ReluRelaxation:
        """A copy with the signs of some units, given by row and unit, set to ACTIVE or INACTIVE."""
        signs, slope, height = self.signs.copy(), self.slope.copy(), self.intercept.copy()
        signs[rows, units], slope[rows, units], height[rows, units] = sign, sign > 0, 0
        return ReluRelaxation(signs, slope, height)

    def alphas(self, alpha: Floats) -> Floats:
        """Slopes of the lower lines: α if unstable, 1 if active, 0 if inactive."""
        return np.where(self.signs == UNDECIDED, alpha, self.signs > 0).astype(self.slope.dtype)

    def adaptive(self) -> Floats:
        """Slopes of the lower lines of least area (DeepPoly: Singh et al., POPL 2019)."""
        return self.alphas((self.slope > 0.5).astype(self.slope.dtype))


@dataclass(frozen=True)
class BackSubstitution(Batch):
    """Objectives after all units are substituted: ``rows @ e + constant`` bounds them from below.

    Attributes:
        rows: (n, d) coefficients of e.
        constant: (n,) constants.
        coefficients: m, (n, units).
        multipliers: ν, (n, units).
        drop: (n,) what upper lines subtract from the constant; not negative.
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
    """Substitutes the relaxation of all units, the last block first.

    Args:
        units: the units.
        objectives: the n functions to be bounded.
        relaxed: the relaxation of the units.
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


def estimate_bounds(units: Units, left: BackSubstitution) -> Floats:
    """Estimates (n,) of the lower bounds: not rounded down, so they prove nothing."""
    bounds: Floats = units.domain.least(left.rows) + left.constant
    return bounds


def evaluate_relaxation(
    units: Units, relaxed: ReluRelaxation, alpha: Floats, left: BackSubstitution, points: Floats
) -> tuple[Floats, Floats]:
    """ẑ and z (n, units) at points e (n, d), with z on the lines of the relaxation.

    At the minimisers, ẑ is the derivative of the bound with respect to ν, and z to m.
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
