"""Norms in units per feature: the other norm after a change of variables, and exact at its edge."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from onnx_lippa.spec import InputSpecification, Norm, WeightedNorm
from tests.support.norms import BOXES, NORMS, Case, is_inside, random_case

EACH_NORM = pytest.mark.parametrize("norm", NORMS, ids=lambda norm: norm.name)
EACH_BOX = pytest.mark.parametrize("box", BOXES)
EXACT = settings(derandomize=True, deadline=None, max_examples=60)
UNITS = st.one_of(st.floats(1e-4, 1e3), st.sampled_from([0.0, 0.1, 1.0, 8 / 255, 1e-12, 1e6]))
SHIFTS = st.one_of(st.floats(-10, 10), st.sampled_from([0.0, 0.1, -8 / 255]))


def random_units(generator: np.random.Generator, d: int, fixed: bool = True) -> np.ndarray:
    units = 10.0 ** generator.uniform(-2, 1, d)
    return np.where(generator.uniform(size=d) < 0.2, 0.0, units) if fixed else units


def scaled_case(generator: np.random.Generator, norm: Norm, box: str) -> tuple[WeightedNorm, Case]:
    case = random_case(generator, box)
    return WeightedNorm(norm, random_units(generator, case.size)), case


def in_units(case: Case, units: np.ndarray) -> Case:
    """The same ball and box for ``z = (x - center) / units``, of the features that move."""
    free = units > 0
    low = (case.lower - case.center)[free] / units[free]
    high = (case.upper - case.center)[free] / units[free]
    return Case(np.zeros(int(free.sum())), case.eps, low, high)


def projected(norm: Norm, case: Case, x: np.ndarray) -> np.ndarray:
    centers = np.repeat(case.center[None], len(x), axis=0)
    return norm.projector(centers, np.full(len(x), case.eps), case.lower, case.upper)(x.copy())


# The edge of the ball


@EACH_NORM
@pytest.mark.parametrize("eps", [0.1, 8 / 255, 1 / 3, 1e-3, 0.7, 1e-7, 2.0**-20])
@pytest.mark.parametrize("center", [0.0, 0.1, 0.5, 3 / 255])
@pytest.mark.parametrize("direction", [-1.0, 1.0])
def test_the_edge_is_sharp(norm: Norm, eps: float, center: float, direction: float) -> None:
    """The last float32 within one feature's eps and the first one beyond are told apart."""
    features = InputSpecification(eps=1.0, scale=(0.25, eps, 0.0), lower=-9.0, upper=9.0)
    clean = np.array([0.5, center, 0.25], dtype=np.float32)
    inputs = features.input_set(clean, norm)
    exact = float(clean[1])
    inner = np.float32(exact + direction * eps)
    while abs(float(inner) - exact) > eps:
        inner = np.nextafter(inner, np.float32(exact))
    outer = np.nextafter(inner, np.float32(direction * np.inf))
    while abs(float(outer) - exact) <= eps:
        inner, outer = outer, np.nextafter(outer, np.float32(direction * np.inf))
    moved = clean.copy()
    for value, inside in ((inner, True), (outer, False)):
        moved[1] = value
        assert inputs.contains(moved) == inside
    moved = clean.copy()
    moved[2] = np.nextafter(moved[2], np.float32(1))
    assert not inputs.contains(moved)


def test_all_features_at_their_edge() -> None:
    """In ℓ∞ every feature may move by its eps at once; one ulp further in any one is too far."""
    generator = np.random.default_rng(3)
    clean = generator.integers(0, 256, 50).astype(np.float32) / np.float32(255)
    eps = 2.0 ** -generator.integers(2, 9, 50).astype(float)
    inputs = InputSpecification(eps=1.0, scale=tuple(eps), lower=-9.0, upper=9.0).input_set(
        clean, NORMS[0]
    )
    edge = clean.astype(np.float64) + eps * generator.choice([-1.0, 1.0], 50)
    stored = edge.astype(np.float32)
    exact = stored.astype(np.float64) == edge
    stored = np.where(exact, stored, clean)
    assert exact.any()
    assert inputs.contains(stored)
    for i in np.flatnonzero(exact):
        beyond = stored.copy()
        beyond[i] = np.nextafter(beyond[i], np.float32(np.sign(stored[i] - clean[i]) * 99))
        assert not inputs.contains(beyond)


@EACH_NORM
@EXACT
@given(
    data=st.lists(st.tuples(UNITS, SHIFTS), min_size=1, max_size=8),
    eps=st.sampled_from([1.0, 0.3, 0.0]),
)
@example(data=[(0.1, 3.0), (0.0, 1.0), (1e-12, 1.0)], eps=1.0)
def test_stored_points_are_in_the_set(norm: Norm, data: list[float], eps: float) -> None:
    units, shift = (np.array(column) for column in zip(*data, strict=True))
    clean = np.linspace(0.1, 0.9, len(units)).astype(np.float32)
    inputs = InputSpecification(eps=1.0, scale=tuple(units)).input_set(clean, norm).with_eps(eps)
    stored = inputs.to_model_type(inputs.center + shift)
    assert stored.dtype == np.float32
    assert inputs.contains(stored)
    np.testing.assert_array_equal(stored[units == 0], clean[units == 0])
    np.testing.assert_array_equal(inputs.to_model_type(stored.astype(np.float64)), stored)


# The change of variables


@EACH_NORM
@EXACT
@given(data=st.lists(st.tuples(UNITS, SHIFTS), min_size=1, max_size=8))
def test_distances_are_those_of_the_quotients(norm: Norm, data: list[float]) -> None:
    units, shift = (np.array(column) for column in zip(*data, strict=True))
    scaled, free = WeightedNorm(norm, units), units > 0
    if np.any(shift[~free] != 0):
        assert scaled.distance(shift, 0 * shift) == np.inf
    else:
        quotients = shift[free] / units[free]
        expected = norm.distance(quotients, 0 * quotients)
        assert scaled.distance(shift, 0 * shift) == pytest.approx(expected, rel=1e-12)
    assert scaled.lengths(shift[None])[0] == pytest.approx(
        scaled.distance(shift, 0 * shift), rel=1e-12
    )
    np.testing.assert_array_equal(scaled.unit_radii(len(units)), units)


@EACH_NORM
@EACH_BOX
def test_projections(norm: Norm, box: str) -> None:
    generator = np.random.default_rng(11)
    for _ in range(30):
        scaled, case = scaled_case(generator, norm, box)
        x = case.center + generator.normal(size=(5, case.size))
        moved = projected(scaled, case, x)
        free = scaled.scale > 0
        np.testing.assert_array_equal(moved[:, ~free], np.repeat(case.center[None], 5, 0)[:, ~free])
        assert all(is_inside(scaled, case, row, 1e-12) for row in moved)
        z = (x - case.center)[:, free] / scaled.scale[free]
        expected = case.center[free] + scaled.scale[free] * projected(
            norm, in_units(case, scaled.scale), z
        )
        np.testing.assert_allclose(moved[:, free], expected, rtol=0, atol=1e-12)


@EACH_NORM
@EACH_BOX
def test_least_linear(norm: Norm, box: str) -> None:
    generator = np.random.default_rng(12)
    for _ in range(30):
        scaled, case = scaled_case(generator, norm, box)
        cost, free = generator.normal(size=case.size), scaled.scale > 0
        x = scaled.minimize_linear(cost, case.center, case.eps, case.lower, case.upper)
        assert is_inside(scaled, case, x, 1e-9)
        inner = in_units(case, scaled.scale)
        z = norm.minimize_linear(
            cost[free] * scaled.scale[free], inner.center, inner.eps, inner.lower, inner.upper
        )
        expected = cost[free] @ (scaled.scale[free] * z)
        assert cost @ (x - case.center) == pytest.approx(expected, abs=1e-9)


@EACH_NORM
def test_steps_and_duals(norm: Norm) -> None:
    """A unit step along the steepest direction falls as fast as the dual norm says."""
    generator = np.random.default_rng(13)
    for dtype in (np.float32, np.float64):
        units = random_units(generator, 40)
        scaled = WeightedNorm(norm, units)
        gradient: np.ndarray = generator.normal(size=(6, 40)).astype(dtype)
        steps: np.ndarray = scaled.steepest_descent(gradient.copy())
        assert steps.dtype == dtype
        assert not steps[:, units == 0].any()
        fall = -(steps.astype(np.float64) * gradient).sum(axis=1)
        np.testing.assert_allclose(fall, scaled.dual(gradient.astype(np.float64)), rtol=1e-5)
        for step in steps.astype(np.float64):
            step[units == 0] = 0.0
            assert scaled.distance(step, 0 * step) == pytest.approx(1.0, rel=1e-5)


@EACH_NORM
def test_samples_are_in_the_unit_ball(norm: Norm) -> None:
    generator = np.random.default_rng(14)
    scaled = WeightedNorm(norm, random_units(generator, 30))
    for _ in range(50):
        assert scaled.distance(scaled.sample(generator, 30), np.zeros(30)) <= 1.0 + 1e-12
        assert scaled.distance(scaled.sample_extreme(generator, 30), np.zeros(30)) <= 1.0 + 1e-12


@EACH_NORM
def test_units_of_1_change_nothing(norm: Norm) -> None:
    generator = np.random.default_rng(15)
    scaled = WeightedNorm(norm, np.ones(6))
    for box in BOXES:
        case = random_case(generator, box, 6)
        x = case.center + generator.normal(size=(3, 6))
        np.testing.assert_allclose(
            projected(scaled, case, x), projected(norm, case, x), rtol=0, atol=1e-14
        )
        assert scaled.distance(x[0], 0 * x[0]) == norm.distance(x[0], 0 * x[0])


@EACH_NORM
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_extreme_units_stay_in_range(norm: Norm, dtype: type) -> None:
    """No overflow, no division by zero, nothing that is not a number."""
    units = np.array([1e-300, 1e-50, 1e-30, 1e-3, 1.0, 1e30, 1e250, 0.0])
    scaled = WeightedNorm(norm, units)
    center: np.ndarray = np.linspace(0, 1, 8).astype(dtype)[None]
    project = scaled.projector(
        center, np.ones(1, dtype=dtype), np.zeros(8, dtype=dtype), np.ones(8, dtype=dtype)
    )
    for x in (center + 1, center - 1, center * 0 + np.asarray(1e6, dtype=dtype)):
        moved = project(x.astype(dtype))
        assert moved.dtype == dtype
        assert np.all((moved >= 0) & (moved <= 1))
    steps = scaled.steepest_descent(np.full((1, 8), 1e5, dtype=dtype))
    assert np.all(np.isfinite(steps))
    assert np.isfinite(scaled.distance(np.array([1e5] * 7 + [0.0]), np.zeros(8)))
    inputs = InputSpecification(eps=1.0, scale=tuple(units)).input_set(center[0], norm)
    assert inputs.contains(inputs.to_model_type(inputs.center + 1.0))


@EACH_NORM
def test_lengths_are_distances(norm: Norm) -> None:
    generator = np.random.default_rng(16)
    x = generator.normal(size=(20, 9))
    np.testing.assert_allclose(
        norm.lengths(x), [norm.distance(row, 0 * row) for row in x], rtol=1e-14
    )
    np.testing.assert_array_equal(norm.unit_radii(9), np.ones(9))
    assert norm.lengths(np.zeros((0, 9))).shape == (0,)


@EACH_NORM
def test_boxes_of_rows_may_differ(norm: Norm) -> None:
    generator = np.random.default_rng(17)
    centers = generator.uniform(0, 1, (4, 5))
    fixed = generator.uniform(size=(4, 5)) < 0.4
    lower, upper = np.where(fixed, centers, 0.0), np.where(fixed, centers, 1.0)
    x = generator.normal(size=(4, 5))
    together = norm.projector(centers, np.full(4, 0.3), lower, upper)(x.copy())
    for i in range(4):
        alone = norm.projector(centers[i : i + 1], np.full(1, 0.3), lower[i], upper[i])
        np.testing.assert_array_equal(alone(x[i : i + 1].copy())[0], together[i])
    np.testing.assert_array_equal(together[fixed], centers[fixed])
