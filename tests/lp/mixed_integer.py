"""Random mixed-integer programs, and their optimum by trying all values of the integers."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from onnx_lippa.ending import Ending
from onnx_lippa.lp.program import Program, Rows
from tests.lp.linear_programs import random_rows, reference


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


def every_assignment(program: Program) -> itertools.product:
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
