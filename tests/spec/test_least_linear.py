"""The closed-form minimiser of a linear function over ball and box, against solvers."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.optimize

from onnx_lippa.ending import Ending
from onnx_lippa.lp.program import Program
from onnx_lippa.lp.solvers.table import make_single
from onnx_lippa.spec import L1, L2, BallConstraint, LInf, Norm, Rows
from tests.support.norms import BOXES, NORMS, Case, is_inside, point_in_set, random_case

EACH_NORM = pytest.mark.parametrize("norm", NORMS, ids=lambda norm: norm.name)
EACH_BOX = pytest.mark.parametrize("box", BOXES)

SOLVERS_OWN = 1e-6
"""How far the solvers, with their own tolerances, may be off."""


def cost_of(generator: np.random.Generator, d: int) -> np.ndarray:
    """Random costs, some zero, some equal in size, some of quite another size."""
    cost = generator.normal(size=d) * 10.0 ** generator.integers(-3, 3)
    cost[generator.uniform(size=d) < 0.2] = 0.0
    cost[generator.uniform(size=d) < 0.2] = 1.0
    cost[generator.uniform(size=d) < 0.1] *= 1e-6
    return cost


def least(norm: Norm, cost: np.ndarray, case: Case) -> np.ndarray:
    return norm.minimize_linear(cost, case.center, case.eps, case.lower, case.upper)


@EACH_NORM
@EACH_BOX
def test_minimisers_lie_in_the_set_and_beat_every_sample(norm: Norm, box: str) -> None:
    generator = np.random.default_rng(11)
    for _ in range(30):
        case = random_case(generator, box)
        cost = cost_of(generator, case.size)
        x = least(norm, cost, case)
        assert is_inside(norm, case, x, 1e-14)
        for _ in range(30):
            other = point_in_set(generator, norm, case)
            assert cost @ x <= cost @ other + 1e-12 * (1 + np.abs(cost).sum())


@EACH_BOX
def test_linf_against_linprog(box: str) -> None:
    generator = np.random.default_rng(12)
    for _ in range(30):
        case = random_case(generator, box)
        cost = cost_of(generator, case.size)
        low = np.maximum(case.lower, case.center - case.eps)
        high = np.minimum(case.upper, case.center + case.eps)
        best = scipy.optimize.linprog(cost, bounds=np.stack([low, high], axis=1))
        found = cost @ least(LInf(), cost, case)
        assert found == pytest.approx(best.fun, abs=SOLVERS_OWN)
        assert found <= best.fun + 1e-12 * (1 + np.abs(cost).sum())


@EACH_BOX
def test_l1_against_linprog(box: str) -> None:
    generator = np.random.default_rng(13)
    for _ in range(30):
        case = random_case(generator, box)
        cost = cost_of(generator, case.size)
        # x = center + p - n with p, n >= 0 and sum(p + n) <= eps
        room = np.concatenate([case.upper - case.center, case.center - case.lower])
        best = scipy.optimize.linprog(
            np.concatenate([cost, -cost]),
            A_ub=np.ones((1, 2 * case.size)),
            b_ub=[case.eps],
            bounds=np.stack([np.zeros(room.size), room], axis=1),
        )
        found = cost @ (least(L1(), cost, case) - case.center)
        assert found == pytest.approx(best.fun, abs=SOLVERS_OWN)
        assert found <= best.fun + 1e-9


@EACH_BOX
def test_l2_against_clarabel(box: str) -> None:
    generator = np.random.default_rng(14)
    for _ in range(30):
        case = random_case(generator, box)
        cost = cost_of(generator, case.size)
        program = Program(
            cost,
            case.lower,
            case.upper,
            Rows.none(case.size),
            ball=BallConstraint(case.center, case.eps),
        )
        best = make_single("clarabel").open(program).solve()
        assert best.ending is Ending.OPTIMAL
        tolerance = SOLVERS_OWN * (1 + np.linalg.norm(cost))
        assert cost @ least(L2(), cost, case) == pytest.approx(best.objective, abs=tolerance)


@EACH_NORM
def test_zero_cost_stays_at_the_centre(norm: Norm) -> None:
    case = random_case(np.random.default_rng(15), "infinite", 5)
    np.testing.assert_array_equal(least(norm, np.zeros(5), case), case.center)


@EACH_NORM
@EACH_BOX
def test_free_coordinates_without_cost_do_not_move(norm: Norm, box: str) -> None:
    case = random_case(np.random.default_rng(16), box, 6)
    cost = np.array([0.0, 1.0, 0.0, -2.0, 0.0, 1e-3])
    moved = least(norm, cost, case) != case.center
    assert not np.any(moved & (cost == 0))


@EACH_NORM
@EACH_BOX
def test_radius_zero_is_the_centre(norm: Norm, box: str) -> None:
    case = random_case(np.random.default_rng(17), box, 4)
    cost = np.array([1.0, -1.0, 0.0, 3.0])
    x = norm.minimize_linear(cost, case.center, 0.0, case.lower, case.upper)
    np.testing.assert_array_equal(x, case.center)


@EACH_NORM
@EACH_BOX
def test_the_centre_is_not_changed_in_place(norm: Norm, box: str) -> None:
    case = random_case(np.random.default_rng(18), box, 4)
    before = case.center.copy()
    x = least(norm, np.array([1.0, -1.0, 0.0, 3.0]), case)
    x += 1.0
    np.testing.assert_array_equal(case.center, before)


@EACH_NORM
def test_ball_larger_than_the_box_gives_a_corner(norm: Norm) -> None:
    cost = np.array([1.0, -1.0, 2.0])
    x = norm.minimize_linear(cost, np.full(3, 0.5), 10.0, np.zeros(3), np.ones(3))
    np.testing.assert_array_equal(x, [0.0, 1.0, 0.0])
