"""Random programs, and what SciPy says of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import scipy.optimize
import scipy.sparse as sp

from onnx_lippa.ending import Ending
from onnx_lippa.lp.program import Program
from onnx_lippa.spec import Rows

LINEAR = ("glop", "glop-cautious", "highs", "pdlp", "clarabel")
TOLERANCE = {"glop": 1e-8, "glop-cautious": 1e-8, "highs": 1e-8, "pdlp": 1e-6, "clarabel": 1e-6}


def random_rows(generator: np.random.Generator, count: int, inside: np.ndarray) -> Rows:
    """One-sided, two-sided and equal rows that a given point satisfies."""
    matrix = generator.normal(size=(count, inside.size))
    matrix[generator.uniform(size=matrix.shape) < 0.4] = 0.0
    activity = matrix @ inside
    kind = generator.integers(0, 4, count)
    slack = generator.uniform(0, 1, (2, count))
    lower = np.where(kind == 0, -np.inf, np.where(kind == 3, activity, activity - slack[0]))
    upper = np.where(kind == 1, np.inf, np.where(kind == 3, activity, activity + slack[1]))
    return Rows(sp.csr_array(matrix), lower, upper)


def random_program(generator: np.random.Generator) -> Program:
    """A feasible, bounded linear program; some bounds are infinite and some equal."""
    n, m = int(generator.integers(2, 9)), int(generator.integers(0, 7))
    lower, upper = -generator.uniform(0, 3, n), generator.uniform(0, 3, n)
    pinned = generator.uniform(size=n) < 0.1
    lower = np.where(pinned, upper, lower)
    inside = generator.uniform(lower, upper)
    cost = generator.normal(size=n)
    # A variable that only ever costs may be unbounded on the other side.
    free = generator.uniform(size=n) < 0.2
    upper = np.where(free & (cost > 0), np.inf, upper)
    lower = np.where(free & (cost < 0), -np.inf, lower)
    cost[generator.uniform(size=n) < 0.1] = 0.0
    lower = np.where((cost == 0) & np.isinf(lower), -50.0, lower)
    upper = np.where((cost == 0) & np.isinf(upper), 50.0, upper)
    return Program(cost, lower, upper, random_rows(generator, m, inside))


def infeasible_program(generator: np.random.Generator) -> Program:
    """Rows that ask for more than the bounds allow."""
    n = int(generator.integers(2, 6))
    weights = generator.uniform(0.5, 1.5, (1, n))
    rows = Rows(sp.csr_array(weights), np.array([weights.sum() + 0.5]), np.array([np.inf]))
    return Program(generator.normal(size=n), np.zeros(n), np.ones(n), rows)


def reference(program: Program) -> tuple[Ending, float]:
    """Ending and optimal value according to SciPy."""
    rows = program.rows
    sides = [
        (matrix, side)
        for matrix, side in ((rows.matrix, rows.upper), (-rows.matrix, -rows.lower))
        if rows.count
    ]
    finite = [(matrix[np.isfinite(side)], side[np.isfinite(side)]) for matrix, side in sides]
    result = scipy.optimize.linprog(
        program.cost,
        A_ub=sp.vstack([matrix for matrix, _ in finite]) if finite else None,
        b_ub=np.concatenate([side for _, side in finite]) if finite else None,
        bounds=np.stack([program.lower, program.upper], axis=1),
    )
    status = {0: Ending.OPTIMAL, 2: Ending.INFEASIBLE}[result.status]
    return status, np.nan if result.fun is None else float(result.fun)


def violation(program: Program, v: np.ndarray) -> float:
    """The largest amount by which a point breaks a bound or a row."""
    activity = program.rows.matrix @ v
    return float(
        np.concatenate(
            [
                program.lower - v,
                v - program.upper,
                program.rows.lower - activity,
                activity - program.rows.upper,
            ]
        ).max()
    )


def random_mixed(generator: np.random.Generator, binaries: int = 5) -> Program:
    """Binaries, continuous variables and a feasible point; now and then a wider integer."""
    n = binaries + int(generator.integers(1, 5))
    integers = np.arange(n) < binaries
    lower = np.where(integers, 0.0, -generator.uniform(0, 3, n))
    upper = np.where(integers, 1.0, generator.uniform(0, 3, n))
    if generator.uniform() < 0.3:
        lower[0], upper[0] = -1.0, 2.0
    inside = generator.uniform(lower, upper)
    inside[integers] = np.round(inside[integers])
    rows = random_rows(generator, int(generator.integers(1, 6)), inside)
    equal = rows.lower == rows.upper  # hardly ever possible for other values of the integers
    rows = Rows(rows.matrix, np.where(equal, rows.lower - 0.3, rows.lower), rows.upper)
    return Program(generator.normal(size=n), lower, upper, rows, integers=integers)


def every_assignment(program: Program) -> Iterator[tuple[int, ...]]:
    """All values of the integers."""
    whole = np.flatnonzero(program.integers)
    ranges = [
        range(int(program.lower[i]), int(program.upper[i]) + 1) for i in whole
    ]  # fmt: skip
    return itertools.product(*ranges)


def brute_force(program: Program) -> float:
    """The optimum by one linear program for each value of the integers; inf if infeasible."""
    best = np.inf
    whole = np.flatnonzero(program.integers)
    for values in every_assignment(program):
        lower, upper = program.lower.copy(), program.upper.copy()
        lower[whole] = upper[whole] = values
        status, value = reference(replace(program, lower=lower, upper=upper, integers=None))
        if status is Ending.OPTIMAL:
            best = min(best, value)
    return best


def knapsack(items: int, rows: int, seed: int) -> Program:
    """A program of binaries and a few shares that takes a search; 0 is feasible."""
    generator = np.random.default_rng(seed)
    n = items + 5
    matrix = generator.uniform(size=(rows, n))
    room = 0.4 * matrix[:, :items].sum(axis=1)
    return Program(
        -generator.uniform(0.5, 1.0, n),
        np.zeros(n),
        np.ones(n),
        Rows(sp.csr_array(matrix), np.full(rows, -np.inf), room),
        integers=np.arange(n) < items,
    )
