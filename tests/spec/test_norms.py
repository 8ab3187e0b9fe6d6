from __future__ import annotations

import numpy as np
import pytest

from onnx_lippa.errors import InputError
from onnx_lippa.spec import L1, L2, LInf, Norm, get_norm
from tests.support.norms import BOXES, NORMS, Case, is_inside, point_in_set, random_case

EACH_NORM = pytest.mark.parametrize("norm", NORMS, ids=lambda norm: norm.name)
EACH_BOX = pytest.mark.parametrize("box", BOXES)


def float32_values(generator: np.random.Generator, d: int) -> np.ndarray:
    scale = 2.0 ** generator.integers(-12, 3, d)
    return (generator.normal(size=d) * scale).astype(np.float32).astype(np.float64)


@EACH_NORM
def test_distance_of_nothing_is_zero(norm: Norm) -> None:
    assert norm.distance(np.zeros(5), np.zeros(5)) == 0.0
    assert norm.distance(np.array([0.0, -3.0]), np.zeros(2)) == 3.0


@EACH_NORM
@EACH_BOX
def test_projections_lie_in_ball_and_box(norm: Norm, box: str) -> None:
    generator = np.random.default_rng(1)
    for _ in range(40):
        case = random_case(generator, box)
        x = case.center + generator.normal(size=(6, case.size))
        moved = projected(norm, case, x)
        assert all(is_inside(norm, case, row, 1e-14) for row in moved)


@EACH_NORM
def test_projections_of_float32_lie_in_ball_and_box_up_to_rounding(norm: Norm) -> None:
    generator = np.random.default_rng(2)
    for _ in range(40):
        case = random_case(generator, "unit", 30)
        x = (case.center + generator.normal(size=(6, 30))).astype(np.float32)
        bounds = [case.lower.astype(np.float32), case.upper.astype(np.float32)]
        eps = np.full(6, case.eps, dtype=np.float32)
        centers = np.repeat(case.center[None], 6, axis=0).astype(np.float32)
        moved = norm.projector(centers, eps, *bounds)(x)
        assert moved.dtype == np.float32
        assert all(is_inside(norm, case, row.astype(np.float64), 3e-6) for row in moved)


@EACH_NORM
@EACH_BOX
def test_projections_leave_inner_points_alone(norm: Norm, box: str) -> None:
    generator = np.random.default_rng(3)
    for _ in range(40):
        case = random_case(generator, box)
        x = np.stack([point_in_set(generator, norm, case) for _ in range(4)])
        np.testing.assert_allclose(projected(norm, case, x), x, rtol=0, atol=1e-15)


@EACH_NORM
@EACH_BOX
def test_projections_are_idempotent(norm: Norm, box: str) -> None:
    generator = np.random.default_rng(4)
    for _ in range(40):
        case = random_case(generator, box)
        once = projected(norm, case, case.center + generator.normal(size=(4, case.size)))
        np.testing.assert_allclose(projected(norm, case, once), once, rtol=0, atol=1e-14)


@pytest.mark.parametrize("norm", [LInf(), L1()], ids=lambda norm: norm.name)
@EACH_BOX
def test_projections_are_nearest(norm: Norm, box: str) -> None:
    """p is nearest to x exactly when ``(x - p) @ (k - p) <= 0`` for every k of the set."""
    generator = np.random.default_rng(5)
    for _ in range(60):
        case = random_case(generator, box)
        x = case.center + generator.normal(size=(1, case.size))
        p = projected(norm, case, x)[0]
        away = x[0] - p
        furthest = norm.minimize_linear(-away, case.center, case.eps, case.lower, case.upper)
        assert away @ (furthest - p) <= 1e-12


@EACH_NORM
def test_projections_with_infinite_radius_only_clip(norm: Norm) -> None:
    x = np.array([[-2.0, 0.25, 7.0]])
    project = norm.projector(np.full((1, 3), 0.5), np.array([np.inf]), np.zeros(3), np.ones(3))
    np.testing.assert_array_equal(project(x), [[0.0, 0.25, 1.0]])


@EACH_NORM
def test_projections_treat_rows_independently(norm: Norm) -> None:
    generator = np.random.default_rng(6)
    centers, x = generator.uniform(0, 1, (5, 7)), generator.normal(size=(5, 7))
    eps = np.array([0.0, 1e-3, 0.2, 1.0, 50.0])
    lower, upper = np.zeros(7), np.ones(7)
    together = norm.projector(centers, eps, lower, upper)(x.copy())
    for i in range(5):
        alone = norm.projector(centers[i : i + 1], eps[i : i + 1], lower, upper)(
            x[i : i + 1].copy()
        )
        np.testing.assert_array_equal(alone[0], together[i])


@EACH_NORM
def test_samples_fill_the_unit_ball(norm: Norm) -> None:
    generator = np.random.default_rng(7)
    points = np.stack([norm.sample(generator, 3) for _ in range(2000)])
    lengths = np.array([norm.distance(point, 0 * point) for point in points])
    assert lengths.max() <= 1.0 + 1e-15
    # Uniform in three dimensions: the length has the law r^3.
    assert np.mean(lengths**3) == pytest.approx(0.5, abs=0.03)
    np.testing.assert_allclose(points.mean(axis=0), 0.0, atol=0.05)


@EACH_NORM
@pytest.mark.parametrize("d", [1, 5, 250])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1.0, 1e12])
def test_steepest_descent_is_a_unit_step_downhill(
    norm: Norm, d: int, dtype: type, scale: float
) -> None:
    generator = np.random.default_rng(8)
    gradient: np.ndarray = (scale * generator.normal(size=(20, d))).astype(dtype)
    steps = norm.steepest_descent(gradient.copy())
    assert steps.dtype == dtype
    for step, slope in zip(steps.astype(np.float64), gradient.astype(np.float64), strict=True):
        assert norm.distance(step, 0 * step) == pytest.approx(1.0, rel=1e-5)
        fall = -(step @ slope)
        assert fall > 0
        steepest = {"linf": np.abs(slope).sum(), "l1": np.abs(slope).max()}
        best = steepest.get(norm.name, np.linalg.norm(slope))
        assert fall <= best * (1 + 1e-5)
        if norm.name != "l1" or d < 200:
            assert fall >= best * (1 - 1e-5)


@EACH_NORM
def test_a_zero_gradient_gives_no_step(norm: Norm) -> None:
    steps = norm.steepest_descent(np.zeros((2, 4), dtype=np.float32))
    np.testing.assert_array_equal(steps, np.zeros((2, 4)))


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ("linf", LInf),
        ("l1", L1),
        ("l2", L2),
        (np.inf, LInf),
        (1, L1),
        (2, L2),
        (2.0, L2),
        (L1(), L1),
    ],
)
def test_norms_by_name_or_order(given: str | float | Norm, kind: type[Norm]) -> None:
    assert isinstance(get_norm(given), kind)


@pytest.mark.parametrize("given", ["l3", "", "LINF!", 3, -np.inf, np.nan, 0])
def test_unknown_norms_are_refused_with_the_choices(given: str | float) -> None:
    with pytest.raises(InputError, match="choose one of linf, l1, l2"):
        get_norm(given)


def projected(norm: Norm, case: Case, x: np.ndarray) -> np.ndarray:
    n = len(x)
    centers = np.repeat(case.center[None], n, axis=0)
    return norm.projector(centers, np.full(n, case.eps), case.lower, case.upper)(x.copy())
