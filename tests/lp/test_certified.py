"""Bounds that rest on no solver's word."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from onnx_lippa.ending import Ending
from onnx_lippa.lp.duality import certified_bound, violation_program, without_cost
from onnx_lippa.lp.program import Program
from onnx_lippa.lp.solvers.table import make_single
from onnx_lippa.spec import Rows
from tests.support.programs import (
    brute_force,
    infeasible_program,
    random_mixed,
    random_program,
    reference,
)

SOLVERS = pytest.mark.parametrize("kind", ["glop", "highs", "pdlp", "clarabel"])


def bounded(program: Program) -> Program:
    """The same within finite bounds."""
    return replace(
        program, lower=np.maximum(program.lower, -50.0), upper=np.minimum(program.upper, 50.0)
    )


def exact_bound(program: Program, duals: np.ndarray) -> Fraction | None:
    """The bound in rational numbers; None for -inf."""
    rows = program.rows
    matrix = rows.matrix.toarray()
    total = Fraction(0)
    reduced = [Fraction(c) for c in program.cost]
    for i, y in enumerate(duals):
        side = rows.lower[i] if y > 0 else rows.upper[i]
        if y == 0 or np.isinf(side):
            continue
        total += Fraction(y) * Fraction(side)
        for j in range(program.variables):
            reduced[j] -= Fraction(y) * Fraction(matrix[i, j])
    for r, low, high in zip(reduced, program.lower, program.upper, strict=True):
        end = low if r > 0 else high
        if r != 0 and np.isinf(end):
            return None
        total += r * Fraction(end) if r != 0 else 0
    return total


@given(st.integers(0, 10**6), st.sampled_from([0.01, 1.0, 1e3]))
@settings(max_examples=80, deadline=None, derandomize=True)
def test_no_multipliers_give_more_than_the_optimum(seed: int, size: float) -> None:
    generator = np.random.default_rng([seed, 30])
    program = random_program(generator)
    duals = size * generator.normal(size=program.rows.count)
    duals[generator.uniform(size=duals.size) < 0.3] = 0.0
    bound = certified_bound(program, duals)
    exact = exact_bound(program, duals)
    if exact is None:
        assert bound == -np.inf
    elif bound > -np.inf:
        assert Fraction(bound) <= exact
        assert bound == pytest.approx(float(exact), abs=1e-9 * (1 + abs(float(exact))))
    assert bound <= reference(program)[1] + 1e-7


@given(st.integers(0, 10**6))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_rounding_never_lifts_the_bound(seed: int) -> None:
    """Numbers of very different sizes, against rational arithmetic."""
    generator = np.random.default_rng([seed, 31])
    n, m = 5, 4
    scale = 10.0 ** generator.integers(-8, 9, (m, n))
    rows = Rows(
        sp.csr_array(generator.normal(size=(m, n)) * scale),
        generator.normal(size=m),
        np.full(m, np.inf),
    )
    low = generator.normal(size=n) * 10.0 ** generator.integers(-6, 7, n)
    program = Program(generator.normal(size=n), low, low + generator.uniform(size=n), rows)
    duals = np.abs(generator.normal(size=m)) * 10.0 ** generator.integers(-8, 9, m)
    exact = exact_bound(program, duals)
    assert exact is not None
    assert Fraction(certified_bound(program, duals)) <= exact


@SOLVERS
def test_the_solvers_own_duals_give_the_optimum(kind: str) -> None:
    generator = np.random.default_rng(32)
    for _ in range(25):
        program = bounded(random_program(generator))
        solution = make_single(kind).open(program).solve()
        assert solution.ending is Ending.OPTIMAL
        assert solution.duals.shape == (program.rows.count,)
        bound = certified_bound(program, solution.duals)
        optimum = reference(program)[1]
        tolerance = 1e-4 if kind == "pdlp" else 1e-6
        assert optimum - tolerance * (1 + abs(optimum)) <= bound <= optimum + 1e-9
        assert solution.bound == solution.objective


def test_bounds_that_nothing_needs_may_be_infinite() -> None:
    """min v_0 with v_0 >= 1 by a row: its reduced cost is exactly 0."""
    row = Rows(sp.csr_array([[1.0, 0.0]]), np.array([1.0]), np.array([np.inf]))
    program = Program(np.array([1.0, 0.0]), np.full(2, -np.inf), np.full(2, np.inf), row)
    assert certified_bound(program, np.array([1.0])) == -np.inf  # 1 - 1 could be off by rounding
    low = replace(program, lower=np.array([0.0, -np.inf]), upper=np.array([9.0, np.inf]))
    assert certified_bound(low, np.array([1.0])) == pytest.approx(1.0, abs=1e-12)
    assert certified_bound(low, np.array([0.5])) == pytest.approx(0.5, abs=1e-12)
    # A multiplier of a side that is not there counts as none.
    assert certified_bound(low, np.array([-3.0])) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_multipliers_that_are_no_numbers_prove_nothing(bad: float) -> None:
    program = bounded(random_program(np.random.default_rng(33)))
    duals = np.full(program.rows.count + 1, bad)
    one_row = Rows(sp.csr_array(np.ones((1, program.variables))), np.zeros(1), np.ones(1))
    assert certified_bound(replace(program, rows=one_row), duals[:1]) == -np.inf
    assert certified_bound(program, duals) == -np.inf  # one too many


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e308])
def test_programs_of_impossible_numbers_have_no_bound(bad: float) -> None:
    rows = Rows(sp.csr_array([[bad, 1.0]]), np.array([0.5]), np.array([np.inf]))
    program = Program(np.ones(2), np.zeros(2), np.full(2, 9.0), rows)
    assert certified_bound(program, np.ones(1)) <= 1e-3


def test_a_bound_of_the_relaxation_is_one_of_the_integers() -> None:
    generator = np.random.default_rng(34)
    for _ in range(5):
        program = random_mixed(generator, binaries=4)
        solution = make_single("glop").open(replace(program, integers=None)).solve()
        assert certified_bound(program, solution.duals) <= brute_force(program) + 1e-9


@SOLVERS
@pytest.mark.parametrize("seed", range(4))
def test_duals_of_the_violation_show_what_is_infeasible(kind: str, seed: int) -> None:
    program = infeasible_program(np.random.default_rng([seed, 35]))
    violation = violation_program(program)
    solution = make_single(kind).open(violation).solve()
    assert solution.ending is Ending.OPTIMAL
    assert solution.objective == pytest.approx(0.5, abs=1e-5)
    bound = certified_bound(without_cost(program), solution.duals)
    assert bound == pytest.approx(0.5, abs=1e-5)


@pytest.mark.parametrize("kind", ["pdlp", "clarabel"])
def test_rays_show_what_is_infeasible(kind: str) -> None:
    """Where a solver gives a ray; the simplex solvers of MathOpt give none."""
    for seed in range(4):
        program = infeasible_program(np.random.default_rng([seed, 36]))
        solution = make_single(kind).open(program).solve()
        assert solution.ending is Ending.INFEASIBLE
        assert certified_bound(without_cost(program), solution.duals) > 0


@given(st.integers(0, 10**6))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_nothing_shows_that_a_feasible_program_is_infeasible(seed: int) -> None:
    generator = np.random.default_rng([seed, 37])
    program = without_cost(random_program(generator))
    assert certified_bound(program, generator.normal(size=program.rows.count)) <= 0
    solution = make_single("glop").open(violation_program(program)).solve()
    assert solution.objective == pytest.approx(0.0, abs=1e-9)
    assert certified_bound(program, solution.duals) <= 0
