"""Balls as sets of real numbers, against fractions: no point an ulp outside is inside."""

from __future__ import annotations

import math
import time
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from onnx_lippa.spec import L1, L2, InputSet, LInf, Norm, WeightedNorm
from tests.support.attacks import plain_distance

EACH_NORM = pytest.mark.parametrize("norm", [LInf(), L1(), L2()], ids=["linf", "l1", "l2"])
EXACT = settings(derandomize=True, deadline=None, max_examples=300)
ANY = st.floats(allow_nan=False, allow_infinity=False)
NEAR = st.floats(-2.0, 2.0, allow_subnormal=True)
UNITS = st.floats(1e-3, 1e3) | st.floats(min_value=0, exclude_min=True, allow_infinity=False)
POINTS = st.lists(st.tuples(ANY | NEAR, ANY | NEAR, UNITS), min_size=1, max_size=6)


def is_within(norm: Norm, x, center, eps: float, units=None) -> bool:
    """The same question, put to fractions."""
    units = [1.0] * len(x) if units is None else units
    parts = [
        abs(Fraction(a) - Fraction(b)) / Fraction(u)
        for a, b, u in zip(x, center, units, strict=True)
    ]
    if norm.name == "linf":
        return max(parts) <= Fraction(eps)
    return sum(part**norm.power for part in parts) <= Fraction(eps) ** norm.power


def columns(points) -> list[np.ndarray]:
    return [np.array(column) for column in zip(*points, strict=True)]


@EACH_NORM
@EXACT
@given(points=POINTS, eps=st.floats(0, allow_infinity=False), ulps=st.integers(-2, 2))
@example(points=[(1.0, 0.9, 1.0)], eps=0.1, ulps=0)
@example(points=[(5e-324, 0.0, 1.0)], eps=0.0, ulps=0)
@example(points=[(1e308, -1e308, 1.0)], eps=1.7e308, ulps=0)
@example(points=[(1e-200, 0.0, 1.0)], eps=1e-200, ulps=0)
def test_membership_is_that_of_real_numbers(norm: Norm, points, eps, ulps) -> None:
    """At any radius, at the distance itself and at the floats beside it."""
    x, center, units = columns(points)
    for one, scales in ((norm, None), (WeightedNorm(norm, units), units)):
        distance = one.distance(x, center)
        beside = distance
        for _ in range(abs(ulps)):
            beside = math.nextafter(beside, math.inf if ulps > 0 else 0.0)
        for radius in (eps, 1.0, beside):
            if math.isfinite(radius):
                assert one.within(x, center, radius) == is_within(norm, x, center, radius, scales)
        assert one.within(x, center, math.inf)


@EACH_NORM
@EXACT
@given(points=st.lists(st.tuples(NEAR, NEAR, st.floats(1e-3, 1e3)), min_size=1, max_size=6))
def test_distances_are_rounded_up(norm: Norm, points) -> None:
    x, center, units = columns(points)
    assert norm.distance(x, center) == plain_distance(norm.name, x, center)
    expected = plain_distance(norm.name, x, center, units)
    assert WeightedNorm(norm, units).distance(x, center) == expected


@EACH_NORM
@pytest.mark.parametrize("scaled", [False, True])
def test_points_on_the_sphere_an_ulp_in_and_out(norm: Norm, scaled: bool) -> None:
    """Where floating point cannot tell: many float64 features, rounded onto the sphere."""
    wrong = 0
    for seed in range(60):
        generator = np.random.default_rng(seed)
        d = int(generator.integers(1, 40))
        center, eps = generator.uniform(-0.1, 0.1, d), float(generator.uniform(0.01, 1.0))
        units = generator.uniform(0.5, 2.0, d) if scaled else None
        one = norm if units is None else WeightedNorm(norm, units)
        step = generator.normal(size=d)
        step *= eps / one.lengths(step[None])[0]
        on = center + step
        for x in (on, np.nextafter(on, center), np.nextafter(on, on + step)):
            inside = is_within(norm, x, center, eps, units)
            assert one.within(x, center, eps) == inside
            wrong += inside != bool(one.lengths((x - center)[None])[0] <= eps)
    assert wrong > 0, "these points do not tell exact from rounded"


@EACH_NORM
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rounding_inward_ends_inside_and_near(norm: Norm, dtype) -> None:
    for seed in range(60):
        generator = np.random.default_rng(seed)
        d = int(generator.integers(1, 40))
        center = generator.uniform(0, 1, d).astype(dtype).astype(np.float64)
        eps = float(10.0 ** generator.uniform(-4, 0))
        inputs = InputSet(center, norm, eps, np.full(d, -3.0), np.full(d, 3.0), np.dtype(dtype))
        step = generator.normal(size=d)
        x = center + step * (eps / norm.lengths(step[None])[0])
        stored = inputs.to_model_type(x)
        assert is_within(norm, stored.astype(np.float64), center, eps)
        # What rounding takes is of the size of rounding.
        unit = float(np.finfo(dtype).eps)
        assert inputs.distance(stored) >= eps - 8 * d * unit
        assert inputs.contains(inputs.center)
        assert inputs.to_model_type(inputs.center).astype(np.float64).tolist() == center.tolist()


def test_a_ball_without_radius_holds_its_centre_alone() -> None:
    center = np.array([0.1, 0.2, 0.0])
    for norm in (LInf(), L1(), L2(), WeightedNorm(L2(), np.array([1.0, 2.0, 0.0]))):
        assert norm.within(center, center, 0.0)
        assert norm.distance(center, center) == 0.0
        for i in range(3):
            moved = center.copy()
            moved[i] = np.nextafter(moved[i], 1.0)
            assert not norm.within(moved, center, 0.0)
            assert norm.distance(moved, center) > 0.0


def test_what_is_not_finite_is_outside_and_infinitely_far() -> None:
    center = np.zeros(2)
    for norm in (LInf(), L1(), L2(), WeightedNorm(L1(), np.ones(2))):
        for value in (np.inf, -np.inf, np.nan):
            x = np.array([value, 0.0])
            with np.errstate(invalid="ignore"):
                assert not norm.within(x, center, math.inf)
                assert norm.distance(x, center) == math.inf


@EACH_NORM
def test_hundreds_of_points_of_an_image_are_decided_in_a_second(norm: Norm) -> None:
    generator = np.random.default_rng(3)
    center = generator.uniform(size=3072)
    step = generator.normal(size=3072)
    x = center + step * (0.5 / norm.lengths(step[None])[0])
    started = time.perf_counter()
    for _ in range(10):
        norm.within(x, center, 0.5)
        norm.distance(x, center)
    assert time.perf_counter() - started < 10 * 0.05
