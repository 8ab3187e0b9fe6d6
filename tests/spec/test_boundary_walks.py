"""Steps along a hyperplane within a trust region, against SciPy's sequential programs."""

import numpy as np
import pytest
import scipy.optimize

from onnx_lippa.spec import Norm, WeightedNorm
from onnx_lippa.spec.norms.trust_region import Walk
from tests.support.norms import NORMS

EACH_NORM = pytest.mark.parametrize("norm", NORMS, ids=lambda norm: norm.name)


def best_length(norm, shift, normal, gap, radius, low, high):
    """The least norm after a step, by SLSQP over the step and the parts of its norm."""
    d = len(shift)
    parts = 1 if norm.name == "linf" else d
    smooth = norm.name == "l2"

    def cost(v):
        return ((shift + v[:d]) ** 2).sum() if smooth else v[d:].sum()

    constraints = [
        {"type": "eq", "fun": lambda v: normal @ v[:d] - gap},
        {"type": "ineq", "fun": lambda v: radius**2 - v[:d] @ v[:d]},
    ]
    bounds = list(zip(low, high, strict=True))
    start = np.zeros(d)
    if not smooth:
        constraints += [
            {"type": "ineq", "fun": lambda v: v[d:] - (shift + v[:d])},
            {"type": "ineq", "fun": lambda v: v[d:] + (shift + v[:d])},
        ]
        bounds += [(0, None)] * parts
        start = np.concatenate([start, np.full(parts, np.abs(shift).max())])
    found = scipy.optimize.minimize(
        cost, start, bounds=bounds, constraints=constraints, method="SLSQP",
        options={"ftol": 1e-12, "maxiter": 1000},
    )  # fmt: skip
    if not found.success:
        return None
    return float(norm.lengths((shift + found.x[:d])[None])[0])


@EACH_NORM
@pytest.mark.parametrize("weighted", [False, True])
def test_steps_minimise_the_distance(norm: Norm, weighted: bool) -> None:
    generator = np.random.default_rng(21)
    n, d = 30, 7
    shift = generator.normal(size=(n, d)) * 0.3
    normal = generator.normal(size=(n, d))
    gap = 0.1 * generator.normal(size=n)
    radius = generator.choice([0.1, 0.3, 3.0], n)
    low, high = -generator.uniform(0, 0.5, (n, d)), generator.uniform(0, 0.5, (n, d))
    scale = 10.0 ** generator.uniform(-0.3, 0.3, d) if weighted else np.ones(d)
    used = WeightedNorm(norm, scale) if weighted else norm
    walk = Walk(scale * shift, normal / scale, gap, radius, scale * low, scale * high)
    steps = used.walk_boundary(walk) / scale
    assert np.all((steps >= low - 1e-9) & (steps <= high + 1e-9))
    assert np.all(np.linalg.norm(steps, axis=1) <= radius * (1 + 1e-9))
    compared = 0
    for i in range(n):
        best = best_length(norm, shift[i], normal[i], gap[i], radius[i], low[i], high[i])
        if best is not None:
            compared += 1
            assert normal[i] @ steps[i] == pytest.approx(gap[i], abs=1e-6)
            length = norm.lengths((shift[i] + steps[i])[None])[0]
            assert length == pytest.approx(best, rel=2e-3, abs=2e-4)
    assert compared >= 20


@EACH_NORM
def test_a_hyperplane_out_of_reach_is_approached(norm: Norm) -> None:
    normal, box = np.array([[1.0, 2.0, 0.5]]), np.ones((1, 3))
    walk = Walk(0.5 * box, normal, np.array([50.0]), np.array([0.1]), -box, box)
    step = norm.walk_boundary(walk)
    assert np.linalg.norm(step) == pytest.approx(0.1)
    assert (normal @ step[0])[0] > 0.2


@EACH_NORM
def test_rows_are_independent(norm: Norm) -> None:
    generator = np.random.default_rng(22)
    shift, normal = generator.normal(size=(2, 8, 40)).astype(np.float32)
    gap = 0.2 * generator.normal(size=8)
    radius = np.full(8, 0.5)
    box = np.full((8, 40), 0.3, np.float32)
    walk = Walk(shift, normal, gap, radius, -box, box)
    steps = norm.walk_boundary(walk)
    assert steps.dtype == np.float32
    for i in range(8):
        alone = norm.walk_boundary(walk.take(np.array([i])))
        np.testing.assert_array_equal(alone[0], steps[i])
