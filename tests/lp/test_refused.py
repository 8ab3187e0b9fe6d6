"""Programs that no solver can do anything with: a failure that is counted, never an exception."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from onnx_lippa.ending import Ending
from onnx_lippa.lp.program import Program
from onnx_lippa.lp.solvers.table import SOLVER_NAMES, make_solver
from onnx_lippa.spec import Rows


def rows(coefficient: float) -> Rows:
    return Rows(sp.csr_array(np.array([[coefficient, 1.0]])), np.array([0.5]), np.array([np.inf]))


def program(coefficient: float) -> Program:
    return Program(np.ones(2), np.zeros(2), np.ones(2), rows(coefficient))


@pytest.mark.parametrize("name", SOLVER_NAMES)
@pytest.mark.parametrize("coefficient", [np.inf, np.nan, 1e308])
def test_a_program_of_impossible_numbers(name, coefficient):
    solver = make_solver(name)
    solution = solver.open(program(coefficient)).solve()
    assert solution.ending is not Ending.OPTIMAL or coefficient == 1e308
    assert solver.counts.solves >= 1


@pytest.mark.parametrize("name", SOLVER_NAMES)
def test_rows_of_impossible_numbers(name):
    """A session that was fine fails from the moment it is given them."""
    session = make_solver(name).open(program(1.0))
    assert session.solve().ending is Ending.OPTIMAL
    session.add_rows(rows(np.nan))
    assert session.solve().ending is not Ending.OPTIMAL


@pytest.mark.parametrize("name", SOLVER_NAMES)
def test_a_sane_program_after_a_refused_one(name):
    solver = make_solver(name)
    solver.open(program(np.nan)).solve()
    solution = solver.open(program(1.0)).solve()
    assert solution.ending is Ending.OPTIMAL
    assert solution.objective == pytest.approx(0.5, abs=1e-6)
