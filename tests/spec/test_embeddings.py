"""ball() describes ball and box; epigraph() describes the box and its cost the distance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp

from onnx_lippa.arrays import Float64
from onnx_lippa.ending import Ending
from onnx_lippa.lp.program import Program
from onnx_lippa.lp.solver import Solution
from onnx_lippa.lp.solvers.table import make_solver
from onnx_lippa.spec import Embedding, Norm, Rows
from tests.support.norms import BOXES, NORMS, Case, is_inside, point_in_set, random_case

EACH_NORM = pytest.mark.parametrize("norm", NORMS, ids=lambda norm: norm.name)
EACH_BOX = pytest.mark.parametrize("box", BOXES)


def ball(norm: Norm, case: Case) -> Embedding:
    return norm.ball(case.center, case.eps, case.lower, case.upper)


def epigraph(norm: Norm, case: Case) -> Embedding:
    return norm.epigraph(case.center, case.lower, case.upper)


def variables_of(norm: Norm, embedding: Embedding, x: Float64) -> Float64:
    """Variables of the embedding that stand for x, at least cost."""
    shift = x - embedding.offset
    if norm.name == "l1":
        return np.concatenate([np.maximum(shift, 0), np.maximum(-shift, 0)])
    missing = embedding.lower.size - shift.size
    return np.concatenate([shift, np.full(missing, np.abs(shift).max())])


def satisfied(embedding: Embedding, v: Float64, tolerance: float = 1e-12) -> bool:
    activity, ball = embedding.rows.matrix @ v, embedding.ball
    return bool(
        np.all(v >= embedding.lower - tolerance)
        and np.all(v <= embedding.upper + tolerance)
        and np.all(activity >= embedding.rows.lower - tolerance)
        and np.all(activity <= embedding.rows.upper + tolerance)
        and (ball is None or np.linalg.norm(v[: ball.center.size]) <= ball.radius + tolerance)
    )


def cost_at(embedding: Embedding, v: Float64) -> float:
    quadratic_cost = (
        0.0 if embedding.quadratic_cost is None else embedding.quadratic_cost @ (v * v) / 2
    )
    return float(embedding.cost @ v + quadratic_cost)


def solved(
    embedding: Embedding, cost: Float64, quadratic_cost: Float64 | None, extra: Rows | None = None
) -> Solution:
    rows = embedding.rows if extra is None else embedding.rows.append(extra)
    program = Program.over(replace(embedding, cost=cost, quadratic_cost=quadratic_cost), rows)
    solution = make_solver("glop" if program.is_linear else "clarabel").open(program).solve()
    assert solution.ending is Ending.OPTIMAL
    return solution


@EACH_NORM
@EACH_BOX
@pytest.mark.parametrize("kind", [ball, epigraph])
def test_shapes_fit(norm: Norm, box: str, kind) -> None:
    case = random_case(np.random.default_rng(20), box, 4)
    embedding = kind(norm, case)
    n = embedding.lower.size
    assert embedding.offset.shape == (4,)
    assert embedding.matrix.shape == (4, n)
    assert embedding.upper.shape == embedding.cost.shape == (n,)
    assert embedding.rows.matrix.shape == (embedding.rows.lower.size, n)
    assert embedding.rows.upper.shape == embedding.rows.lower.shape
    assert np.all(embedding.lower <= embedding.upper)
    if embedding.ball is not None:
        np.testing.assert_array_equal(embedding.matrix.toarray()[:, :4], np.eye(4))


@EACH_NORM
@EACH_BOX
def test_every_point_of_the_set_is_in_the_ball_embedding(norm: Norm, box: str) -> None:
    generator = np.random.default_rng(21)
    for _ in range(30):
        case = random_case(generator, box)
        embedding = ball(norm, case)
        assert not np.any(embedding.cost)
        x = point_in_set(generator, norm, case)
        v = variables_of(norm, embedding, x)
        np.testing.assert_allclose(embedding.offset + embedding.matrix @ v, x, atol=1e-15)
        assert satisfied(embedding, v)


@EACH_NORM
@EACH_BOX
def test_points_outside_the_set_are_not_in_the_ball_embedding(norm: Norm, box: str) -> None:
    generator = np.random.default_rng(22)
    outside = 0
    for _ in range(60):
        case = random_case(generator, box)
        x = case.center + 1.5 * case.eps * generator.normal(size=case.size)
        if is_inside(norm, case, x, 1e-9):
            continue
        outside += 1
        embedding = ball(norm, case)
        assert not satisfied(embedding, variables_of(norm, embedding, x))
    assert outside > 10


@EACH_NORM
@EACH_BOX
def test_minimising_over_the_ball_embedding_gives_the_closed_form(norm: Norm, box: str) -> None:
    """No variables of the embedding leave the set, or the solver would find them."""
    generator = np.random.default_rng(23)
    for _ in range(15):
        case = random_case(generator, box)
        embedding, cost = ball(norm, case), generator.normal(size=case.size)
        solution = solved(embedding, cost @ embedding.matrix, None)
        x = embedding.offset + embedding.matrix @ solution.values
        assert is_inside(norm, case, x, 1e-6)
        closed = norm.minimize_linear(cost, case.center, case.eps, case.lower, case.upper)
        assert cost @ x == pytest.approx(cost @ closed, abs=2e-7)


@EACH_NORM
@EACH_BOX
def test_the_epigraphs_least_cost_at_a_point_is_its_distance(norm: Norm, box: str) -> None:
    generator = np.random.default_rng(24)
    for _ in range(10):
        case = random_case(generator, box)
        embedding = epigraph(norm, case)
        assert embedding.ball is None
        x = point_in_set(generator, norm, case)
        distance = norm.distance(x, case.center)
        expected = distance**2 / 2 if norm.name == "l2" else distance
        v = variables_of(norm, embedding, x)
        assert satisfied(embedding, v)
        assert cost_at(embedding, v) == pytest.approx(expected, abs=1e-12)
        fixed = Rows(sp.csr_array(embedding.matrix), x - embedding.offset, x - embedding.offset)
        solution = solved(embedding, embedding.cost, embedding.quadratic_cost, fixed)
        assert solution.objective == pytest.approx(expected, abs=2e-8)


@EACH_NORM
@EACH_BOX
def test_the_epigraph_keeps_the_box_and_nothing_else(norm: Norm, box: str) -> None:
    generator = np.random.default_rng(25)
    for _ in range(20):
        case = random_case(generator, box)
        embedding = epigraph(norm, case)
        far = np.clip(case.center + 100 * generator.normal(size=case.size), case.lower, case.upper)
        assert satisfied(embedding, variables_of(norm, embedding, far))
        beyond = case.center + 1e-3 + np.where(np.isinf(case.upper), 0, case.upper - case.center)
        if np.any(beyond > case.upper):
            assert not satisfied(embedding, variables_of(norm, embedding, beyond))


@EACH_NORM
def test_radius_zero_leaves_the_centre_alone(norm: Norm) -> None:
    center = np.array([0.0, 0.25, 1.0])
    embedding = norm.ball(center, 0.0, np.zeros(3), np.ones(3))
    cost = np.array([1.0, -2.0, 0.5])
    solution = solved(embedding, cost @ embedding.matrix, None)
    x = embedding.offset + embedding.matrix @ solution.values
    np.testing.assert_allclose(x, center, atol=1e-7)
