"""The certificate of a dual bound: signs and multipliers in, a proven lower bound out.

Theorem. Suppose that for every input of a domain, with e in [-1, 1]^d and within the ball,

    |ẑ_k - (A_k e + L_k z + c_k)| <= ρ_k,    z_k = max(ẑ_k, 0) <= u_k,
    |g - (a e + m⁰ z + γ)| <= ρ,

and that signs and bounds of each unit hold: ẑ >= 0 where it is active, ẑ <= 0 where it is inactive,
l <= ẑ <= u elsewhere. Then for any numbers α and β, g is nowhere below the value of :func:`prove`.

Proof. Take the multipliers ν as computed, with their rounding; any numbers are valid. With
``m_i = m⁰_i + Σ_k ν_k L_ki`` in real arithmetic,

    g >= (a + ν A) e + γ + ν c + Σ_i (m_i z_i - ν_i ẑ_i) - ρ - Σ_k |ν_k| ρ_k.

Let m̂ be the computed value of m. In a floating-point type of unit roundoff ε, a sum of t products,
in any order, fused or not, is off by at most γ_t = t ε / (1 - t ε) times the sum of their absolute
values, and by the least normal number η for each product that underflows (Higham, Accuracy and
Stability of Numerical Algorithms, chapter 3). So

  - replacing m_i by m̂_i costs at most γ (|m⁰_i| + Σ_k |ν_k| |L_ki|) u_i;
  - m̂_i z_i - ν_i ẑ_i is at least
      * 0 where a unit is inactive: z = 0, ẑ <= 0, and ν = β >= 0 is exact;
      * -ε |ν_i| u_i where it is active: z = ẑ >= 0, and ν is m̂ - β rounded once, β >= 0;
      * 0 where it is unstable and m̂ >= 0: ν is α m̂ rounded, hence in [0, m̂], and z >= 0, z >= ẑ;
      * m̂ h - ε |ν_i| u_i where it is unstable and m̂ < 0: ν is s m̂ rounded once, and z <= s ẑ + h
        for the upper line of slope s and intercept h (:class:`ReluRelaxation`), z >= 0;
  - the coefficients of e, the constant and the sum of the m̂ h are such sums as well.

Together this is at most ``γ (|ν| w + |m⁰| u + |a| 1 + |γ| + Σ |m̂ h|)`` with
``w_k = |A_k| 1 + |c_k| + |L_k| u``, a few more ε of ``|ν_k| u_k``, and η for each operation. It is
subtracted, enlarged by some percent for its own rounding; w is one vector for all nodes. The least
value of the function of e is :meth:`InputDomain.least`, which is rounded down. Overflow yields no
bound. ∎
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from onnx_lippa.arrays import Batch, Float64, Floats
from onnx_lippa.bounds.dual.back_substitution import (
    BackSubstitution,
    ReluRelaxation,
    back_substitute,
)
from onnx_lippa.bounds.dual.objectives import Objectives, Units
from onnx_lippa.bounds.proven import EPSILON, UNDERFLOW, ProvenBounds

_ROOM: Final = 1.03
"""Covers γ_t > t ε and the rounding of the allowance itself."""


@dataclass(frozen=True)
class Boxes(Batch):
    """A box of its own for each function, inside [-1, 1]^d.

    Attributes:
        middle: (n, d).
        radius: (n, d).
    """

    middle: Float64
    radius: Float64


def prove(
    units: Units,
    objectives: Objectives,
    relaxed: ReluRelaxation,
    alpha: Floats,
    beta: Floats | None,
    boxes: Boxes | None = None,
) -> tuple[ProvenBounds, BackSubstitution]:
    """Proven lower bounds of functions of units, from any multipliers.

    Args:
        units: the units; the computation has the type of their coefficients.
        objectives: n functions, of the same type.
        relaxed: the relaxation of the units, n rows or one, of the same type.
        alpha: (n, units) or (1, units) slopes of the lower lines of unstable units; any numbers.
        beta: (n, units) multipliers of signs; any numbers, None for 0.
        boxes: a box of inputs for each function; None for the whole domain.

    Returns:
        The bounds (n,), and the functions after back-substitution.
    """
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        alpha = relaxed.alphas(np.clip(alpha, 0, 1))
        beta = None if beta is None else np.maximum(beta, 0)
        left = back_substitute(units, objectives, relaxed, alpha, beta)
        least = units.domain.least(left.rows) if boxes is None else _least(left.rows, boxes)
        bounds = least + left.constant.astype(np.float64) - _allowance(units, objectives, left)
        bounds = np.where(np.isfinite(bounds), bounds, -np.inf)
    return ProvenBounds(bounds), left


def _allowance(units: Units, objectives: Objectives, left: BackSubstitution) -> Float64:
    """Bounds of all rounding, and of the error of the functions."""
    rounding = units.rounding
    sizes = objectives.sizes + left.drop
    total: Float64 = _ROOM * (np.abs(left.multipliers) @ rounding.each + rounding.share * sizes)
    return total + objectives.error + rounding.floor


def _least(rows: Floats, boxes: Boxes) -> Float64:
    """Proven lower bounds (n,) of linear functions, each over its own box."""
    value = np.einsum("nd,nd->n", rows, boxes.middle, dtype=np.float64)
    sizes = np.abs(rows)
    value -= np.einsum("nd,nd->n", sizes, boxes.radius, dtype=np.float64)
    slack = (2 * rows.shape[1] + 16) * EPSILON * sizes.sum(axis=1, dtype=np.float64) + UNDERFLOW
    return value - slack
