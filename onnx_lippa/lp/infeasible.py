"""Programs whose duals show that another has no solution."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from onnx_lippa.lp.program import Program, Rows


def violation_program(program: Program) -> Program:
    """The least sum of violations of a linear program's rows, within its bounds.

    Simplex solvers say that a program is infeasible and give no reason for it. The optimal duals
    of this program, which always has a solution, are a ray of multipliers of the other's rows:
    :func:`certified_bound` of the other without its cost is positive for them where it has none.

    Args:
        program: the program; its cost, curvature, cone and integrality are left out.
    """
    relaxed = elastic_program(program, 1.0)
    cost = np.concatenate([np.zeros(program.variables), relaxed.cost[program.variables :]])
    return Program(cost, relaxed.lower, relaxed.upper, relaxed.rows)


def elastic_program(program: Program, price: float) -> Program:
    """A program whose rows may be violated, at a price for each unit of violation.

    It has a solution wherever bounds and cone leave a point, and its duals are multipliers of the
    other's rows, of at most the price.

    Args:
        program: the program, without integers.
        price: what a violation costs.
    """
    rows = program.rows
    below, above = np.flatnonzero(np.isfinite(rows.lower)), np.flatnonzero(np.isfinite(rows.upper))
    slacks = below.size + above.size
    signs = np.concatenate([np.ones(below.size), -np.ones(above.size)])
    places = (np.concatenate([below, above]), np.arange(slacks))
    given = sp.csr_array((signs, places), shape=(rows.count, slacks))
    matrix = sp.csr_array(sp.hstack([rows.matrix, given], format="csr"))
    curvature = program.curvature
    return Program(
        np.concatenate([program.cost, np.full(slacks, price)]),
        np.concatenate([program.lower, np.zeros(slacks)]),
        np.concatenate([program.upper, np.full(slacks, np.inf)]),
        Rows(matrix, rows.lower, rows.upper),
        None if curvature is None else np.concatenate([curvature, np.zeros(slacks)]),
        program.cone,
    )


def without_cost(program: Program) -> Program:
    """A program's rows and bounds alone: a positive bound proves that they have no solution."""
    return Program(np.zeros(program.variables), program.lower, program.upper, program.rows)
