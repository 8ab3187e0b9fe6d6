"""Bounds of linear programs that rest on no solver's word, by weak duality.

For any multipliers y of the rows, and ``r = c - yᵀA``, every feasible v has

    c v = r v + y (A v) >= sum_j min(r_j v_j) + sum_i min(y_i (A v)_i)

with each minimum over the bounds of the variable and the sides of the row. So what a solver calls
its duals need not be trusted, only be good (Neumaier and Shcherbina, Mathematical Programming
2004). What rounding may have done is subtracted.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from onnx_lippa.arrays import Float64
from onnx_lippa.lp.program import Program

_UNIT: Final = 2.0**-52
"""Twice the largest relative error of one operation; the other half covers what is of second
order, the magnitudes being rounded themselves."""
_TINY: Final = float(np.finfo(np.float64).tiny)
"""More than an operation that underflows can lose."""


def certified_bound(program: Program, duals: Float64) -> float:
    """A lower bound of a program's cost that holds for any multipliers whatever.

    Curvature, cone and integrality only ever raise the cost, and are left out. A multiplier on a
    side that a row does not have counts as 0.

    With no cost the program's cost is 0 wherever it is feasible: a positive bound, which a dual
    ray gives, proves that it is not.

    Args:
        program: the program; each side of a row and each bound of a variable may be infinite.
        duals: (rows,) multipliers, positive on lower sides and negative on upper ones.

    Returns:
        The bound, rigorous in spite of rounding; -inf where it would take an infinite bound, or
        numbers that are not finite.
    """
    rows = program.rows
    if duals.shape != (rows.count,) or not np.all(np.isfinite(duals)):
        return -math.inf
    y = np.where((duals > 0) & np.isneginf(rows.lower), 0.0, duals)
    y = np.where((y < 0) & np.isposinf(rows.upper), 0.0, y)
    used = y != 0
    with np.errstate(all="ignore"):
        sides = np.where(y > 0, rows.lower, rows.upper)[used] * y[used]
        reduced, error = _reduced_costs(program, y)
        ends = np.stack([program.lower, program.upper])
        # 0 times an infinite bound is 0 where nothing is uncertain; else that bound is needed.
        low_end = np.where(reduced == 0, 0.0, reduced * ends)
        needed = np.isinf(ends) & (np.array([[-1], [1]]) * reduced < error)
        needed &= (reduced != 0) | (error > 0)
        if np.any(needed):
            return -math.inf
        least = np.where(np.isinf(ends), np.inf, low_end).min(axis=0)
        least = np.where(np.isinf(ends).all(axis=0), 0.0, least)
        size = np.where(np.isinf(ends), 0.0, np.abs(ends)).max(axis=0)
        allowance = error @ size
        allowance += _UNIT * (np.abs(sides).sum() + np.abs(least).sum())
        allowance += _TINY * (sides.size + least.size + 1)
    terms = np.concatenate([sides, least])
    if not (np.all(np.isfinite(terms)) and np.isfinite(allowance)):
        return -math.inf
    value = math.fsum(terms)
    return float(np.nextafter(value - (1 + 1e-6) * allowance - _UNIT * abs(value), -np.inf))


def _reduced_costs(program: Program, y: Float64) -> tuple[Float64, Float64]:
    """``c - yᵀA`` and what rounding may have changed about it at most; (variables,) each."""
    matrix = program.rows.matrix
    reduced = program.cost - y @ matrix
    sizes = np.abs(program.cost) + np.abs(y) @ abs(matrix)
    terms = (y != 0).astype(np.float64) @ (matrix != 0)
    return reduced, np.where(terms > 0, (terms + 1) * (_UNIT * sizes + _TINY), 0.0)
