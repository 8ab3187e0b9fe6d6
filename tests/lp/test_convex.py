"""Quadratic costs and Euclidean balls, against closed forms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from onnx_lippa.ending import Ending
from onnx_lippa.errors import InputError
from onnx_lippa.lp.program import Program
from onnx_lippa.lp.solvers.table import make_single, make_solver
from onnx_lippa.spec import BallConstraint, Rows

QUADRATIC = pytest.mark.parametrize("kind", ["clarabel", "pdlp"])


def halfspace(normal: np.ndarray, at_least: float) -> Rows:
    return Rows(sp.csr_array(normal[None]), np.array([at_least]), np.array([np.inf]))


def free(n: int) -> tuple[np.ndarray, np.ndarray]:
    return np.full(n, -np.inf), np.full(n, np.inf)


def norm_program(n: int, rows: Rows) -> Program:
    return Program(np.zeros(n), *free(n), rows, quadratic_cost=np.ones(n))


@QUADRATIC
@pytest.mark.parametrize("distance", [1e-4, 1e-2, 1.0, 30.0])
def test_the_nearest_point_of_a_halfspace(kind: str, distance: float) -> None:
    """min 1/2 |v|^2 with a v >= b is v = b a / |a|^2; small distances count as much as large."""
    generator = np.random.default_rng(41)
    for _ in range(10):
        normal = generator.normal(size=int(generator.integers(1, 8)))
        side = distance * np.linalg.norm(normal)
        session = make_single(kind).open(norm_program(normal.size, halfspace(normal, side)))
        solution = session.solve()
        assert solution.ending is Ending.OPTIMAL
        nearest = side * normal / (normal @ normal)
        np.testing.assert_allclose(solution.values, nearest, rtol=0, atol=1e-6)
        assert solution.objective == pytest.approx(distance**2 / 2, abs=1e-7 * (1 + distance))


@QUADRATIC
def test_a_quadratic_over_a_box_clips(kind: str) -> None:
    """min c v + 1/2 v D v over a box is -c / D, clipped."""
    generator = np.random.default_rng(42)
    for _ in range(10):
        n = 6
        cost, quadratic_cost = generator.normal(size=n), generator.uniform(0.5, 2, n)
        lower, upper = -generator.uniform(0, 1, n), generator.uniform(0, 1, n)
        program = Program(cost, lower, upper, Rows.none(n), quadratic_cost=quadratic_cost)
        solution = make_single(kind).open(program).solve()
        best = np.clip(-cost / quadratic_cost, lower, upper)
        assert solution.ending is Ending.OPTIMAL
        np.testing.assert_allclose(solution.values, best, rtol=0, atol=1e-6)
        value = cost @ best + best @ (quadratic_cost * best) / 2
        assert solution.objective == pytest.approx(value, abs=1e-7)


@QUADRATIC
def test_quadratic_costs_of_some_variables_only(kind: str) -> None:
    """min w + 1/2 v^2 with w >= 1 - v is at v = 1 (the slope of v is that of w)."""
    program = Program(
        np.array([1.0, 0.0]),
        np.full(2, -10.0),
        np.full(2, 10.0),
        halfspace(np.array([1.0, 1.0]), 1.0),
        quadratic_cost=np.array([0.0, 1.0]),
    )
    solution = make_single(kind).open(program).solve()
    np.testing.assert_allclose(solution.values, [0.0, 1.0], atol=1e-5)
    assert solution.objective == pytest.approx(0.5, abs=1e-7)


@QUADRATIC
def test_quadratic_programs_change_in_place(kind: str) -> None:
    session = make_single(kind).open(norm_program(2, halfspace(np.array([1.0, 0.0]), 1.0)))
    np.testing.assert_allclose(session.solve().values, [1.0, 0.0], atol=1e-6)
    session.add_rows(halfspace(np.array([0.0, 1.0]), 2.0))
    np.testing.assert_allclose(session.solve().values, [1.0, 2.0], atol=1e-6)
    session.change_cost(np.array([-3.0, 0.0]))
    np.testing.assert_allclose(session.solve().values, [3.0, 2.0], atol=1e-6)
    session.change_bounds(np.full(2, -9.0), np.array([2.5, 9.0]))
    np.testing.assert_allclose(session.solve().values, [2.5, 2.0], atol=1e-6)


@QUADRATIC
def test_infeasible_quadratic_programs_are_recognised(kind: str) -> None:
    program = Program(
        np.zeros(2), np.zeros(2), np.ones(2), halfspace(np.ones(2), 2.5), quadratic_cost=np.ones(2)
    )
    assert make_single(kind).open(program).solve().ending is Ending.INFEASIBLE


@pytest.mark.parametrize("radius", [1e-3, 0.5, 20.0])
def test_a_linear_cost_over_a_ball(radius: float) -> None:
    """min c v with |v - m| <= r is v = m - r c / |c|, also where more variables follow."""
    generator = np.random.default_rng(43)
    for further in (0, 2):
        for _ in range(8):
            d = int(generator.integers(1, 7))
            center, cost = generator.normal(size=d), generator.normal(size=d)
            lower, upper = free(d + further)
            lower[d:], upper[d:] = -1.0, 2.0
            program = Program(
                np.append(cost, np.ones(further)),
                lower,
                upper,
                Rows.none(d + further),
                ball=BallConstraint(center, radius),
            )
            solution = make_single("clarabel").open(program).solve()
            best = center - radius * cost / np.linalg.norm(cost)
            assert solution.ending is Ending.OPTIMAL
            assert solution.objective == pytest.approx(cost @ best - further, abs=1e-6)
            np.testing.assert_allclose(solution.values[:d], best, rtol=0, atol=2e-3 * radius)
            assert np.linalg.norm(solution.values[:d] - center) <= radius + 1e-7
            np.testing.assert_allclose(solution.values[d:], -1.0, atol=1e-6)


def test_a_ball_cut_with_a_box_and_a_row() -> None:
    """The unit disc with v_0 <= 0.6 has its highest point at (0.6, 0.8) along (1, 1)."""
    program = Program(
        np.array([-1.0, -1.0]),
        np.full(2, -1.0),
        np.array([0.6, 1.0]),
        Rows.none(2),
        ball=BallConstraint(np.zeros(2), 1.0),
    )
    session = make_single("clarabel").open(program)
    np.testing.assert_allclose(session.solve().values, [0.6, 0.8], atol=1e-6)
    session.add_rows(halfspace(np.array([0.0, -1.0]), -0.5))
    np.testing.assert_allclose(session.solve().values, [0.6, 0.5], atol=1e-6)
    session.change_cost(np.array([1.0, 0.0]))
    assert session.solve().objective == pytest.approx(-1.0, abs=1e-6)


def test_a_ball_out_of_reach_is_infeasible() -> None:
    program = Program(
        np.ones(2),
        np.full(2, 2.0),
        np.full(2, 3.0),
        Rows.none(2),
        ball=BallConstraint(np.zeros(2), 1.0),
    )
    assert make_single("clarabel").open(program).solve().ending is Ending.INFEASIBLE


@pytest.mark.parametrize("name", ["glop", "highs", "pdlp"])
def test_solvers_without_cones_say_so_when_asked(name: str) -> None:
    program = Program(
        np.ones(2), np.zeros(2), np.ones(2), Rows.none(2), ball=BallConstraint(np.zeros(2), 1.0)
    )
    solver = make_solver(name)
    assert not solver.takes(program)
    with pytest.raises(InputError, match=f"'{name}' cannot solve.*clarabel"):
        solver.open(program)


@pytest.mark.parametrize("name", ["glop", "highs"])
def test_simplex_solvers_refuse_quadratic_costs(name: str) -> None:
    with pytest.raises(InputError, match="clarabel"):
        make_solver(name).open(norm_program(2, Rows.none(2)))


def test_pdlp_gives_up_in_finite_time() -> None:
    """There are small infeasible programs on which nothing but a limit ever ends it."""
    solver: Any = make_single("pdlp")
    limits = solver.backend.parameters().pdlp.termination_criteria
    assert limits.iteration_limit <= 1_000_000
