"""Weak duality: bounds of linear programs that trust no solver.

For any multipliers y of the rows, and ``r = c - yᵀA``, every feasible v has

    c v = r v + y (A v) >= sum_j min(r_j v_j) + sum_i min(y_i (A v)_i)

with each minimum over the bounds of the variable and the sides of the row. A solver's duals need
not be exact for that, only good (Neumaier and Shcherbina, Mathematical Programming 2004). A bound
on the rounding error is subtracted.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import scipy.sparse as sp

from onnx_lippa.arrays import Float64
from onnx_lippa.lp.program import Program
from onnx_lippa.spec import Rows

_UNIT: Final = 2.0**-52
"""Twice the largest relative error of one operation. The factor covers errors of second order."""
_TINY: Final = float(np.finfo(np.float64).tiny)
"""More than an underflow can lose."""


def certified_bound(program: Program, duals: Float64) -> float:
    """A lower bound of a program's cost, valid for any multipliers.

    The quadratic cost, the ball and integrality can only raise the optimum, and are ignored. A
    multiplier on an infinite side of a row counts as 0. A positive bound of a program without
    cost, which a dual ray gives, proves that it is infeasible.

    Args:
        program: the program; each side of a row and each bound of a variable may be infinite.
        duals: (rows,) multipliers, positive on lower sides and negative on upper ones.

    Returns:
        The bound, valid in spite of rounding; -inf where an infinite bound of a variable would
        be needed, or a number is not finite.
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
        # 0 times an infinite bound is 0 if the coefficient is exact; else that bound is needed.
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
    """``c - yᵀA`` and a bound on its rounding error; (variables,) each."""
    matrix = program.rows.matrix
    reduced = program.cost - y @ matrix
    sizes = np.abs(program.cost) + np.abs(y) @ abs(matrix)
    terms = (y != 0).astype(np.float64) @ (matrix != 0)
    return reduced, np.where(terms > 0, (terms + 1) * (_UNIT * sizes + _TINY), 0.0)


def violation_program(program: Program) -> Program:
    """Minimises the sum of violations of a linear program's rows, within its bounds.

    Simplex solvers report infeasibility without a reason. This program is always feasible, and
    its optimal duals are a dual ray of the given one: if that is infeasible,
    :func:`certified_bound` of it without its cost is positive for them.

    Args:
        program: the program; cost, quadratic cost, ball and integrality are ignored.
    """
    relaxed = elastic_program(program, 1.0)
    cost = np.concatenate([np.zeros(program.variables), relaxed.cost[program.variables :]])
    return Program(cost, relaxed.lower, relaxed.upper, relaxed.rows)


def elastic_program(program: Program, price: float) -> Program:
    """The program with rows that may be violated, at a price for each unit of violation.

    It is feasible where bounds and ball are, and its duals are multipliers of the given rows,
    bounded by the price.

    Args:
        program: the program, without integers.
        price: cost of a unit of violation.
    """
    rows = program.rows
    below, above = np.flatnonzero(np.isfinite(rows.lower)), np.flatnonzero(np.isfinite(rows.upper))
    slacks = below.size + above.size
    signs = np.concatenate([np.ones(below.size), -np.ones(above.size)])
    entries = (np.concatenate([below, above]), np.arange(slacks))
    slack = sp.csr_array((signs, entries), shape=(rows.count, slacks))
    matrix = sp.csr_array(sp.hstack([rows.matrix, slack], format="csr"))
    quadratic_cost = program.quadratic_cost
    return Program(
        np.concatenate([program.cost, np.full(slacks, price)]),
        np.concatenate([program.lower, np.zeros(slacks)]),
        np.concatenate([program.upper, np.full(slacks, np.inf)]),
        Rows(matrix, rows.lower, rows.upper),
        None if quadratic_cost is None else np.concatenate([quadratic_cost, np.zeros(slacks)]),
        program.ball,
    )


def without_cost(program: Program) -> Program:
    """A program's rows and bounds alone. A positive bound proves it infeasible."""
    return Program(np.zeros(program.variables), program.lower, program.upper, program.rows)
