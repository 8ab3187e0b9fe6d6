"""Every solver of mixed-integer programs, against trying all values of the integers."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp

from onnx_lippa.ending import Ending
from onnx_lippa.errors import InputError
from onnx_lippa.lp.program import Program
from onnx_lippa.lp.solver import Session, Solution, SolveLimits
from onnx_lippa.lp.solvers.fallback import FallbackSolver
from onnx_lippa.lp.solvers.table import (
    MIP_SOLVER_NAMES,
    SOLVER_NAMES,
    make_mip_solver,
    make_single,
    make_solver,
)
from onnx_lippa.spec import Rows
from tests.support.faults import Fake
from tests.support.programs import brute_force, knapsack, random_mixed, random_program, violation

AVAILABLE = ("scip", "highs")
EACH = pytest.mark.parametrize("name", AVAILABLE)


def assert_is_a_solution(program: Program, solution: Solution, tolerance: float = 1e-6) -> None:
    """Feasible, whole where it must be, and worth what is said."""
    assert violation(program, solution.values) <= tolerance
    whole = solution.values[program.integers]
    np.testing.assert_allclose(whole, np.round(whole), rtol=0, atol=1e-5)
    assert program.cost @ solution.values == pytest.approx(solution.objective, abs=1e-6)
    assert solution.bound <= solution.objective + 1e-6


def test_the_names() -> None:
    assert MIP_SOLVER_NAMES == ("scip", "highs", "gurobi")
    for name in AVAILABLE:
        assert make_mip_solver(name).name == name
    with pytest.raises(InputError, match="choose one of scip, highs, gurobi"):
        make_mip_solver("glop")


def test_gurobi_is_refused_in_one_sentence_where_there_is_none() -> None:
    try:
        make_mip_solver("gurobi")
    except InputError as error:
        assert "GUROBI_HOME" in str(error)
        assert "\n" not in str(error)


@EACH
@pytest.mark.parametrize("seed", range(2))
def test_random_programs(name: str, seed: int) -> None:
    generator = np.random.default_rng([seed, 20])
    solver = make_mip_solver(name)
    for _ in range(6):
        program = random_mixed(generator)
        solution = solver.open(program).solve()
        optimum = brute_force(program)
        assert solution.ending is Ending.OPTIMAL
        assert solution.objective == pytest.approx(optimum, abs=1e-5)
        assert solution.bound == pytest.approx(optimum, abs=1e-5)
        assert solution.duals.size == 0
        assert_is_a_solution(program, solution)
    assert (solver.counts.solves, solver.counts.retries) == (6, 0)


def assert_solves(session: Session) -> Ending:
    """The session's answer to the program as it stands is that of trying all integers."""
    solution, optimum = session.solve(), brute_force(session.program)
    assert solution.ending is (Ending.OPTIMAL if np.isfinite(optimum) else Ending.INFEASIBLE)
    if solution.ending is Ending.OPTIMAL:
        assert solution.objective == pytest.approx(optimum, abs=1e-5)
    return solution.ending


@EACH
def test_changes_in_place(name: str) -> None:
    generator = np.random.default_rng(21)
    session = make_mip_solver(name).open(random_mixed(generator, binaries=4))
    seen = set()
    for _ in range(4):
        assert session.program.integers is not None
        n, continuous = session.program.variables, ~session.program.integers
        session.change_cost(generator.normal(size=n))
        seen.add(assert_solves(session))
        lower, upper = session.program.lower, session.program.upper
        session.change_bounds(lower - 0.2 * continuous, upper + 0.1 * continuous)
        session.add_rows(Rows(sp.csr_array(np.ones((1, n))), np.array([-9.0]), np.array([4.0])))
        seen.add(assert_solves(session))
    assert Ending.OPTIMAL in seen


@EACH
def test_without_a_whole_solution_it_is_infeasible(name: str) -> None:
    half = Rows(sp.csr_array([[2.0, 2.0]]), np.array([1.0]), np.array([1.0]))
    program = Program(np.ones(2), np.zeros(2), np.ones(2), half, integers=np.ones(2, bool))
    solution = make_mip_solver(name).open(program).solve()
    assert solution.ending is Ending.INFEASIBLE
    assert solution.values.size == 0
    assert solution.bound == np.inf
    relaxed = make_mip_solver(name).open(replace(program, integers=None)).solve()
    assert relaxed.ending is Ending.OPTIMAL


@EACH
def test_an_unbounded_program_is_a_failure(name: str) -> None:
    slope = Rows(sp.csr_array([[1.0, -1.0]]), np.array([0.0]), np.array([np.inf]))
    program = Program(
        np.array([-1.0, 1.0]), np.zeros(2), np.array([np.inf, 1.0]), slope,
        integers=np.array([False, True]),
    )  # fmt: skip
    solver = make_mip_solver(name)
    solution = solver.open(program).solve(5.0)
    assert solution.ending is Ending.FAILED
    assert solution.values.size == 0
    assert solution.bound == -np.inf
    assert (solver.counts.retries, solver.counts.failures) == (1, 1)


@EACH
def test_a_limit_on_nodes_keeps_the_incumbent_and_the_bound(name: str) -> None:
    program = knapsack(40, 5, 0)
    optimum = make_mip_solver(name).open(program).solve().objective
    solution = make_mip_solver(name).open(program).solve(limits=SolveLimits(nodes=2))
    assert solution.ending is Ending.OUT_OF_NODES
    assert_is_a_solution(program, solution)
    assert solution.bound <= optimum + 1e-6 <= solution.objective + 2e-6
    assert solution.bound < solution.objective - 1e-4
    assert 1 <= solution.nodes <= 3


@EACH
def test_the_first_solution_is_enough(name: str) -> None:
    """With a row that cuts the objective off, this decides whether there is one below."""
    program = knapsack(40, 5, 0)
    optimum = make_mip_solver(name).open(program).solve().objective
    for cutoff, ending in (
        (optimum + 0.5, Ending.ENOUGH_SOLUTIONS),
        (optimum - 1e-3, Ending.INFEASIBLE),
    ):
        session = make_mip_solver(name).open(program)
        row = sp.csr_array(program.cost[None])
        session.add_rows(Rows(row, np.array([-np.inf]), np.array([cutoff])))
        solution = session.solve(limits=SolveLimits(solutions=1))
        if ending is Ending.ENOUGH_SOLUTIONS and solution.ending is Ending.OPTIMAL:
            assert solution.objective == pytest.approx(optimum, abs=1e-5)
            continue  # it was the best at once
        assert solution.ending is ending
        if ending is Ending.ENOUGH_SOLUTIONS:
            assert solution.objective <= cutoff + 1e-6


@EACH
def test_no_time_at_all(name: str) -> None:
    solution = make_mip_solver(name).open(knapsack(60, 20, 3)).solve(0.0)
    assert solution.ending is Ending.OUT_OF_TIME
    assert solution.values.size == 0
    assert np.isnan(solution.objective)


@EACH
def test_warm_starts_change_no_optimum(name: str) -> None:
    """Good ones, bad ones and impossible ones."""
    program = knapsack(25, 4, 5)
    plain = make_mip_solver(name).open(program).solve()
    for warm_start in (plain.values, np.zeros(program.variables), np.full(program.variables, 0.5)):
        solution = make_mip_solver(name).open(program).solve(warm_start=warm_start)
        assert solution.ending is Ending.OPTIMAL
        assert solution.objective == pytest.approx(plain.objective, abs=1e-6)


def test_scip_uses_its_warm_start() -> None:
    program = knapsack(60, 20, 3)
    good = make_single("scip").open(program).solve(limits=SolveLimits(nodes=30)).values
    first = (
        make_single("scip").open(program).solve(warm_start=good, limits=SolveLimits(solutions=1))
    )
    assert first.ending is Ending.ENOUGH_SOLUTIONS
    assert first.objective == pytest.approx(program.cost @ good, abs=1e-6)


@EACH
def test_two_runs_are_one(name: str) -> None:
    program = knapsack(30, 5, 6)
    one, other = (make_mip_solver(name).open(program).solve() for _ in range(2))
    np.testing.assert_array_equal(one.values, other.values)
    assert one.nodes == other.nodes


_INTERRUPTED = """
import os, signal, threading
from onnx_lippa.lp.solvers.table import make_mip_solver
from tests.support.programs import knapsack
session = make_mip_solver("scip").open(knapsack(80, 30, 3))
threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
try:
    session.solve(60.0)
except KeyboardInterrupt:
    print("heard")
"""


def test_an_interrupt_ends_a_solve_of_scip() -> None:
    command = [sys.executable, "-c", _INTERRUPTED]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=40, check=True)
    assert "heard" in ended.stdout


@pytest.mark.parametrize("name", SOLVER_NAMES)
def test_who_takes_integers(name: str) -> None:
    program = random_mixed(np.random.default_rng(22))
    solver = make_solver(name)
    assert not program.is_linear
    assert solver.takes(program) == (name == "highs")
    if name != "highs":
        with pytest.raises(InputError, match="no whole numbers"):
            solver.open(program)
    nothing_whole = replace(program, integers=np.zeros(program.variables, bool))
    assert nothing_whole.is_linear
    assert solver.takes(nothing_whole)


@pytest.mark.parametrize("kind", ["scip", "highs"])
def test_linear_programs_are_solved_too(kind: str) -> None:
    program = random_program(np.random.default_rng(23))
    reference = make_solver("glop").open(program).solve()
    solution = (
        make_single(kind)
        .open(program)
        .solve(warm_start=reference.values, limits=SolveLimits(nodes=1, solutions=1))
    )
    assert solution.ending is Ending.OPTIMAL
    assert solution.objective == pytest.approx(reference.objective, abs=1e-6)
    assert solution.bound == solution.objective


def test_where_one_fails_the_next_answers() -> None:
    program = knapsack(12, 3, 1)
    solver = FallbackSolver([Fake(Ending.FAILED), make_single("scip")])
    solution = solver.open(program).solve(warm_start=np.zeros(program.variables))
    assert solution.ending is Ending.OPTIMAL
    assert solution.objective == pytest.approx(brute_force_of_binaries(program), abs=1e-5)
    assert (solver.counts.retries, solver.counts.failures) == (1, 0)


def test_a_failure_of_all_is_no_answer() -> None:
    solver = FallbackSolver([Fake(Ending.FAILED), Fake(Ending.FAILED)])
    solution = solver.open(knapsack(12, 3, 1)).solve()
    assert solution.ending is Ending.FAILED
    assert solution.values.size == 0
    assert solution.bound == -np.inf
    assert solver.counts.failures == 1


def brute_force_of_binaries(program: Program) -> float:
    """The optimum of a small knapsack, by a solver that is not the one under test."""
    return make_single("highs").open(program).solve().objective
