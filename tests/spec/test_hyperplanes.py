"""Least steps to a hyperplane inside a box, against linear and quadratic programs of SciPy."""

import numpy as np
import pytest
import scipy.optimize

from onnx_lippa.spec import L1, L2, LInf, Norm, WeightedNorm
from tests.support.norms import BOXES, NORMS, random_case

EACH_NORM = pytest.mark.parametrize("norm", NORMS, ids=lambda norm: norm.name)
EACH_BOX = pytest.mark.parametrize("box", BOXES)


def draw(generator, box, rows=5):
    """Normals, gaps and boxes of steps; some normals have zeros, some gaps are out of reach."""
    case = random_case(generator, box)
    d = case.size
    normal = generator.normal(size=(rows, d)) * (generator.uniform(size=(rows, d)) < 0.8)
    gap = generator.normal(size=rows) * generator.choice([0.0, 0.1, 1.0, 3.0], rows)
    lower = np.repeat((case.lower - case.center)[None], rows, axis=0)
    upper = np.repeat((case.upper - case.center)[None], rows, axis=0)
    return normal, gap, lower, upper


def least_length(norm, scale, normal, gap, low, high):
    """The least norm of ``step / scale`` by a program, or None where there is no such step."""
    d, bounds = len(normal), list(zip(low, high, strict=True))
    one, inverse = np.ones((d, 1)), np.diag(1 / scale)
    if norm.name == "linf":
        rows = np.block([[inverse, -one], [-inverse, -one]])
        cost, equality = np.append(np.zeros(d), 1.0), np.append(normal, 0.0)[None]
        bounds.append((0, None))
    else:
        rows = np.block([[inverse, -np.eye(d)], [-inverse, -np.eye(d)]])
        cost = np.append(np.zeros(d), np.ones(d))
        equality = np.append(normal, np.zeros(d))[None]
        bounds += [(0, None)] * d
    found = scipy.optimize.linprog(cost, rows, np.zeros(2 * d), equality, [gap], bounds)
    if not found.success:
        return None
    if norm.name != "l2":
        return found.fun
    best = scipy.optimize.minimize(
        lambda step: (step / scale) @ (step / scale),
        found.x[:d],
        jac=lambda step: 2 * step / scale**2,
        bounds=bounds[:d],
        constraints={"type": "eq", "fun": lambda s: normal @ s - gap, "jac": lambda _: normal},
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 500},
    )
    return np.sqrt(best.fun)


@EACH_NORM
@EACH_BOX
@pytest.mark.parametrize("weighted", [False, True])
def test_steps_are_least(norm: Norm, box: str, weighted: bool) -> None:
    generator = np.random.default_rng(11)
    reached = 0
    for _ in range(20):
        normal, gap, lower, upper = draw(generator, box)
        d = normal.shape[1]
        scale = 10.0 ** generator.uniform(-1, 1, d) if weighted else np.ones(d)
        used = WeightedNorm(norm, scale) if weighted else norm
        steps = used.step_to_hyperplane(normal, gap, lower, upper)
        assert np.all((steps >= lower - 1e-12) & (steps <= upper + 1e-12))
        for i in range(len(gap)):
            best = least_length(norm, scale, normal[i], gap[i], lower[i], upper[i])
            if best is not None:
                reached += 1
                assert normal[i] @ steps[i] == pytest.approx(gap[i], abs=1e-9)
                assert used.lengths(steps[i : i + 1])[0] == pytest.approx(best, abs=2e-6)
    assert reached > 20


@EACH_NORM
def test_a_hyperplane_out_of_reach_gives_the_nearest_corner(norm: Norm) -> None:
    normal = np.array([[1.0, -2.0, 0.0]], dtype=np.float32)
    lower, upper = -np.full((1, 3), 0.25, np.float32), np.full((1, 3), 0.5, np.float32)
    for gap, corner in ((9.0, [0.5, -0.25, 0.0]), (-9.0, [-0.25, 0.5, 0.0])):
        steps = norm.step_to_hyperplane(normal, np.array([gap], np.float32), lower, upper)
        assert steps.dtype == np.float32
        np.testing.assert_array_equal(steps, [corner])
    nothing = norm.step_to_hyperplane(0 * normal, np.ones(1, np.float32), lower, upper)
    np.testing.assert_array_equal(nothing, np.zeros((1, 3)))


@pytest.mark.parametrize("norm", [LInf(), L1(), L2()], ids=lambda norm: norm.name)
@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_steps_do_not_depend_on_the_length_of_the_normal(norm: Norm, scale: float) -> None:
    generator = np.random.default_rng(12)
    normal = generator.normal(size=(4, 30))
    box = -np.ones((4, 30)), np.ones((4, 30))
    plain = norm.step_to_hyperplane(normal, np.ones(4), *box)
    scaled = norm.step_to_hyperplane(scale * normal, np.full(4, scale), *box)
    np.testing.assert_allclose(scaled, plain, rtol=1e-9, atol=1e-12)


@EACH_NORM
def test_rows_are_independent_and_many_features_are_exact(norm: Norm) -> None:
    generator = np.random.default_rng(13)
    normal = generator.normal(size=(6, 784)).astype(np.float32)
    lower = -generator.uniform(0, 1, (6, 784)).astype(np.float32)
    upper = generator.uniform(0, 1, (6, 784)).astype(np.float32)
    gap = np.array([0.0, 1e-4, 0.5, -20.0, 150.0, -200.0], np.float32)
    steps = norm.step_to_hyperplane(normal, gap, lower, upper)
    assert steps.dtype == np.float32
    exact = (normal.astype(float) * steps.astype(float)).sum(axis=1)
    np.testing.assert_allclose(exact, gap, rtol=1e-5, atol=1e-6)
    for i in range(6):
        one = slice(i, i + 1)
        alone = norm.step_to_hyperplane(normal[one], gap[one], lower[one], upper[one])
        np.testing.assert_array_equal(alone[0], steps[i])


def test_a_feature_of_scale_0_does_not_move() -> None:
    norm = WeightedNorm(LInf(), np.array([0.0, 1.0]))
    box = -np.ones((1, 2)), np.ones((1, 2))
    steps = norm.step_to_hyperplane(np.ones((1, 2)), np.array([1.5]), *box)
    np.testing.assert_array_equal(steps, [[0.0, 1.0]])
