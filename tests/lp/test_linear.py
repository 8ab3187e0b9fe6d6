"""Every solver on linear programs, against SciPy."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from onnx_lippa.ending import Ending
from onnx_lippa.errors import InputError
from onnx_lippa.lp.program import Program
from onnx_lippa.lp.solver import Session, Solver
from onnx_lippa.lp.solvers.table import SOLVER_NAMES, make_single, make_solver
from onnx_lippa.spec import BallConstraint, Rows
from tests.support.programs import (
    LINEAR,
    TOLERANCE,
    infeasible_program,
    random_program,
    random_rows,
    reference,
    violation,
)

SINGLE = ("glop", "glop-cautious", "highs", "pdlp", "clarabel")
EACH_SOLVER = pytest.mark.parametrize("name", LINEAR)
INCREMENTAL = pytest.mark.parametrize("name", [*LINEAR, *(f"named {n}" for n in SOLVER_NAMES)])


def solver_of(name: str) -> Solver:
    kind, _, rest = name.partition(" ")
    return make_solver(rest) if kind == "named" else make_single(name)


def tolerance_of(name: str) -> float:
    return TOLERANCE[name.removeprefix("named ")]


def assert_solves(session: Session, name: str) -> None:
    """The session's answer to the program as it stands is SciPy's."""
    status, objective = reference(session.program)
    solution, tolerance = session.solve(), tolerance_of(name)
    if name == "pdlp" and solution.ending is Ending.FAILED:
        # It may give up on an infeasible program; the chain behind it does not.
        assert status is Ending.INFEASIBLE
        return
    assert solution.ending is status
    if status is Ending.OPTIMAL:
        scale = 1 + abs(objective)
        assert solution.objective == pytest.approx(objective, abs=tolerance * scale)
        assert session.program.cost @ solution.values == pytest.approx(
            objective, abs=10 * tolerance * scale
        )
        assert violation(session.program, solution.values) <= 10 * tolerance
    else:
        assert solution.values.size == 0
        assert np.isnan(solution.objective)


def test_the_names_are_those_of_the_first_solvers() -> None:
    assert SOLVER_NAMES == ("glop", "highs", "pdlp", "clarabel")
    for name in SOLVER_NAMES:
        assert make_solver(name).name == name
    with pytest.raises(InputError, match="choose one of glop, highs, pdlp, clarabel"):
        make_solver("gurobi")


@EACH_SOLVER
@pytest.mark.parametrize("seed", range(2))
def test_random_programs(name: str, seed: int) -> None:
    generator = np.random.default_rng([seed, 1])
    solver = make_single(name)
    for _ in range(25):
        assert_solves(solver.open(random_program(generator)), name)
    assert solver.counts.solves == 25
    assert solver.counts.failures == solver.counts.retries == 0
    assert solver.counts.seconds > 0


@INCREMENTAL
@pytest.mark.parametrize("seed", range(2))
def test_changes_in_place_equal_a_fresh_start(name: str, seed: int) -> None:
    generator = np.random.default_rng([seed, 2])
    solver = solver_of(name)
    for _ in range(4):
        program = random_program(generator)
        n = program.variables
        program = Program(program.cost, np.full(n, -5.0), np.full(n, 5.0), program.rows)
        session = solver.open(program)
        assert_solves(session, name)
        for change in generator.integers(0, 4, 7):
            if change == 0:
                low = generator.uniform(-5, 0, n)
                high = np.where(generator.uniform(size=n) < 0.2, low, low + 5)
                session.change_bounds(low, high)
            elif change == 1:
                cost = generator.normal(size=n)
                cost[generator.uniform(size=n) < 0.4] = 0.0
                session.change_cost(cost)
            else:
                count = int(generator.integers(1, 4))
                session.add_rows(random_rows(generator, count, generator.uniform(-0.2, 0.2, n)))
            if change != 3:  # now and then two changes come together
                assert_solves(session, name)


@INCREMENTAL
def test_changes_before_the_first_solve_count(name: str) -> None:
    session = solver_of(name).open(
        Program(np.array([1.0, 1.0]), np.zeros(2), np.ones(2), Rows.none(2))
    )
    session.change_cost(np.array([-1.0, 0.0]))
    session.change_bounds(np.zeros(2), np.array([0.5, 1.0]))
    solution = session.solve()
    assert solution.ending is Ending.OPTIMAL
    assert solution.objective == pytest.approx(-0.5, abs=1e-6)
    assert solution.values[0] == pytest.approx(0.5, abs=1e-6)


@INCREMENTAL
def test_changes_that_change_nothing_are_harmless(name: str) -> None:
    program = random_program(np.random.default_rng(3))
    session = solver_of(name).open(program)
    first = session.solve()
    session.change_bounds(program.lower.copy(), program.upper.copy())
    session.change_cost(program.cost.copy())
    session.add_rows(Rows.none(program.variables))
    again = session.solve()
    assert again.ending is first.ending is Ending.OPTIMAL
    assert again.objective == pytest.approx(first.objective, abs=1e-7)


@INCREMENTAL
@pytest.mark.parametrize("seed", range(3))
def test_infeasible_programs_are_recognised(name: str, seed: int) -> None:
    solver = solver_of(name)
    session = solver.open(infeasible_program(np.random.default_rng([seed, 4])))
    for _ in range(2):
        solution = session.solve()
        assert solution.ending is Ending.INFEASIBLE
        assert solution.values.size == 0
    assert solver.counts.failures == 0


@INCREMENTAL
def test_a_program_recovers_from_being_infeasible(name: str) -> None:
    program = infeasible_program(np.random.default_rng(5))
    session = solver_of(name).open(program)
    assert session.solve().ending is Ending.INFEASIBLE
    session.change_bounds(program.lower, program.upper + 9)
    assert_solves(session, name)
    session.change_bounds(program.lower, program.upper)
    assert session.solve().ending is Ending.INFEASIBLE


@INCREMENTAL
def test_a_row_without_coefficients_only_compares_its_sides(name: str) -> None:
    session = solver_of(name).open(
        Program(np.array([1.0, -1.0]), np.zeros(2), np.ones(2), Rows.none(2))
    )
    nothing, no_side = sp.csr_array((1, 2)), np.array([np.inf])
    session.add_rows(Rows(nothing, np.array([-1.0]), no_side))
    assert session.solve().objective == pytest.approx(-1.0, abs=1e-6)
    session.add_rows(Rows(nothing, np.array([1.0]), no_side))
    assert session.solve().ending is Ending.INFEASIBLE


@EACH_SOLVER
def test_unbounded_programs_are_not_called_optimal(name: str) -> None:
    program = Program(np.array([-1.0]), np.zeros(1), np.array([np.inf]), Rows.none(1))
    solution = make_single(name).open(program).solve(5.0)
    assert solution.ending in (Ending.FAILED, Ending.OUT_OF_TIME)
    assert solution.values.size == 0
    assert np.isnan(solution.objective)


def large_program(size: int = 250) -> Program:
    """A dense program that takes every solver more than a moment."""
    generator = np.random.default_rng(6)
    rows = random_rows(generator, size, generator.uniform(-1, 1, size))
    return Program(generator.normal(size=size), np.full(size, -1.0), np.ones(size), rows)


@INCREMENTAL
@pytest.mark.parametrize("seconds", [0.0, -3.0, 1e-4])
def test_the_time_limit_ends_a_solve_without_values(name: str, seconds: float) -> None:
    solver = solver_of(name)
    solution = solver.open(large_program()).solve(seconds)
    assert solution.ending is Ending.OUT_OF_TIME
    assert solution.values.size == 0
    assert solver.counts.retries == 0


@INCREMENTAL
def test_a_session_goes_on_after_a_time_limit(name: str) -> None:
    session = solver_of(name).open(random_program(np.random.default_rng(7)))
    session.solve(0.0)
    assert_solves(session, name)


@INCREMENTAL
def test_sessions_of_one_solver_do_not_meet(name: str) -> None:
    generator = np.random.default_rng(8)
    solver = solver_of(name)
    first, second = (random_program(generator) for _ in range(2))
    open_first, open_second = solver.open(first), solver.open(second)
    open_second.solve()
    open_first.change_cost(-first.cost * 0)
    open_first.change_cost(first.cost)
    assert_solves(open_first, name)
    assert_solves(open_second, name)


@INCREMENTAL
def test_the_programs_own_arrays_are_left_alone(name: str) -> None:
    program = random_program(np.random.default_rng(9))
    before = [array.copy() for array in (program.cost, program.lower, program.upper)]
    session = solver_of(name).open(program)
    session.solve()
    session.change_bounds(program.lower - 1, program.upper + 1)
    session.solve()
    for array, old in zip((program.cost, program.lower, program.upper), before, strict=True):
        np.testing.assert_array_equal(array, old)


def test_what_each_solver_takes() -> None:
    plain = random_program(np.random.default_rng(10))
    n = plain.variables
    curved = Program(plain.cost, plain.lower, plain.upper, plain.rows, np.ones(n))
    coned = Program(
        plain.cost, plain.lower, plain.upper, plain.rows, ball=BallConstraint(np.zeros(n), 1.0)
    )
    taken = {
        name: [make_single(name).takes(program) for program in (plain, curved, coned)]
        for name in SINGLE
    }
    assert taken == {
        "glop": [True, False, False],
        "glop-cautious": [True, False, False],
        "highs": [True, False, False],
        "pdlp": [True, True, False],
        "clarabel": [True, True, True],
    }
