"""Grids: which numbers are on them, and points stored on them."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onnx_lippa.spec import Grid, InputSpecification, Norm
from tests.support.norms import NORMS

EACH_NORM = pytest.mark.parametrize("norm", NORMS, ids=lambda norm: norm.name)
EXACT = settings(derandomize=True, deadline=None, max_examples=80)
F32, F64 = np.dtype(np.float32), np.dtype(np.float64)
STEPS = st.sampled_from([0.0, 1 / 255, 0.1, 0.25, 1 / 3, 1.0, 0.3, 7.0])
COUNTS = st.integers(-300, 300)


def grid(*steps: float) -> Grid:
    return Grid(np.array(steps, dtype=np.float64))


# What is on a grid


def test_pixels_are_multiples_of_1_255() -> None:
    """However they were divided: in float32, or in float64 and rounded."""
    bytes_ = np.arange(256)
    for pixels in (
        bytes_.astype(np.float32) / np.float32(255),
        (bytes_ / 255).astype(np.float32),
        (bytes_ * (1 / 255)).astype(np.float32),
    ):
        for pixel in pixels:
            assert grid(1 / 255).contains(np.array([pixel], dtype=np.float64), F32)
    exact = grid(1 / 255).multiples(0, bytes_.astype(float)).astype(np.float32)
    np.testing.assert_array_equal(exact, bytes_.astype(np.float32) / np.float32(255))


@pytest.mark.parametrize("dtype", [F32, F64])
@pytest.mark.parametrize(
    ("step", "numerator", "denominator"),
    [(0.1, 1, 10), (0.01, 1, 100), (0.3, 3, 10), (1 / 255, 1, 255), (1 / 3, 1, 3), (2.5, 5, 2),
     (1e-9, 1, 10**9), (0.0375, 3, 80), (64.0, 64, 1)],
)  # fmt: skip
def test_multiples_are_nearest_to_the_fraction(step, numerator, denominator, dtype) -> None:
    """3 times 0.1 is the 0.3 of a data file, in float64 too."""
    for count in (-7, 0, 1, 3, 6, 7, 9, 41, 255):
        wanted = Fraction(count * numerator, denominator)
        value = dtype.type(float(wanted))
        assert grid(step).contains(np.array([value], dtype=np.float64), dtype)
        for way in (-np.inf, np.inf):
            beside = np.nextafter(value, dtype.type(way))
            fine = abs(float(beside)) < 1e-30 or (step < 1e-6 and dtype == F32)
            if not fine:
                assert not grid(step).contains(np.array([beside], dtype=np.float64), dtype)


def test_a_step_of_any_number() -> None:
    step = float(np.pi)
    for count in (-3.0, 1.0, 2.0, 10.0):
        assert grid(step).contains(np.array([count * step]), F64)
        assert not grid(step).contains(np.array([count * step + 0.01]), F64)


def test_features_without_a_step_take_any_value() -> None:
    mixed = grid(0.0, 1.0, 0.25)
    assert mixed.contains(np.array([0.123, 4.0, -0.75]), F32)
    assert not mixed.contains(np.array([0.123, 4.5, -0.75]), F32)
    assert not mixed.contains(np.array([0.123, 4.0, -0.8]), F32)
    np.testing.assert_array_equal(mixed.nearest(np.array([0.123, 4.4, -0.8])), [0.123, 4.0, -0.75])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_on_no_grid(value: float) -> None:
    assert not grid(1.0).contains(np.array([np.nan]), F32)
    on = grid(1e-300).are_on(np.array([[value], [1.0]]), F32)
    assert on.shape == (2, 1)


def test_steps_that_no_float_can_follow() -> None:
    """Far finer than the floats every value is on the grid, far coarser only 0."""
    for x in (0.0, 0.1, 1e30, -3.0):
        assert grid(1e-60).contains(np.array([x]), F64)
        assert grid(1e300).contains(np.array([x]), F64) == (x == 0.0)


def test_distinct_steps_of_many_features() -> None:
    generator = np.random.default_rng(0)
    steps = generator.choice([0.0, 0.1, 1 / 255, 1.0], 5000)
    many, counts = Grid(steps), generator.integers(-9, 9, (3, 5000)).astype(float)
    x = np.where(steps == 0, 0.3, many.at(counts, np.zeros((3, 5000))))
    assert many.are_on(x, F64).all()
    np.testing.assert_array_equal(many.counts(x), np.where(steps == 0, 0.0, counts))


# Points stored on a grid


@EACH_NORM
@EXACT
@given(
    data=st.lists(st.tuples(STEPS, COUNTS, st.floats(-4, 4)), min_size=1, max_size=6),
    eps=st.sampled_from([0.0, 0.05, 8.5 / 255, 0.3, 1.0, 3.0, 9.9]),
    each=st.booleans(),
    fixed=st.booleans(),
)
def test_stored_points_are_on_the_grid(norm: Norm, data, eps, each, fixed) -> None:
    steps, counts, shift = (np.array(column, dtype=float) for column in zip(*data, strict=True))
    clean = np.where(steps == 0, 0.4, Grid(steps).at(counts, shift * 0)).astype(np.float32)
    features = InputSpecification(
        lower=-90.0, upper=50.0, grid=tuple(steps), fixed=(0,) if fixed else (),
        eps=eps, scale=tuple(np.linspace(0.5, 1, len(steps))) if each else None,
    )  # fmt: skip
    clean = np.clip(clean, -90, 50) if not np.any(np.abs(clean) > 50) else clean * 0
    inputs = features.input_set(clean, norm)
    stored = inputs.to_model_type(inputs.center + 3 * shift)
    assert inputs.contains(stored)
    moves = features.moving(len(steps))
    np.testing.assert_array_equal(stored[~moves], clean[~moves])
    for value, step in zip(stored[moves], steps[moves], strict=True):
        if step:
            nearest = np.float32(float(round(Fraction(float(value)) / Fraction(step))) * step)
            assert abs(float(nearest) - float(value)) <= 1e-6 * max(1.0, abs(float(value)))
    np.testing.assert_array_equal(inputs.to_model_type(stored.astype(np.float64)), stored)


def test_each_feature_is_rounded_to_the_nearest_it_may_take() -> None:
    """One feature at the edge of the ball does not pull the others in."""
    features = InputSpecification(eps=1.6 / 255, grid=1 / 255)
    clean = (np.full(3, 100) / 255).astype(np.float32)
    inputs = features.input_set(clean, NORMS[0])
    stored = inputs.to_model_type(inputs.center + np.array([9.0, 0.6, -0.6]) / 255)
    np.testing.assert_array_equal(stored, (np.array([101, 101, 99]) / 255).astype(np.float32))


@pytest.mark.parametrize("steps", [1, 4, 8, 25])
def test_half_a_step_more_allows_exactly_so_many(steps: int) -> None:
    """``eps = (k + 1/2) / 255`` is k steps up and down for every pixel; ``k / 255`` is not, since
    differences of float32 pixels are not exact."""
    wide = InputSpecification(eps=(steps + 0.5) / 255, grid=1 / 255)
    for pixel in range(steps, 256 - steps, 7):
        inputs = wide.input_set(np.full(1, pixel, np.float32) / np.float32(255), NORMS[0])
        for count, allowed in ((steps, True), (steps + 1, False)):
            if not 0 <= pixel - count <= pixel + count <= 255:
                continue
            for sign in (-1, 1):
                moved = np.full(1, pixel + sign * count, np.float32) / np.float32(255)
                assert inputs.contains(moved) == allowed


def test_bounds_off_the_grid() -> None:
    features = InputSpecification(lower=0.12, upper=0.47, eps=5.0, grid=0.1)
    inputs = features.input_set(np.full(2, 0.3, np.float32), NORMS[0])
    stored = inputs.to_model_type(np.array([-4.0, 4.0]))
    np.testing.assert_array_equal(stored, np.array([0.2, 0.4], np.float32))


@EACH_NORM
def test_reach_and_single_features(norm: Norm) -> None:
    features = InputSpecification(eps=1.0, scale=(0.1, 0.0, 3.0), lower=(0, 0, 0.45), upper=1.0)
    inputs = features.input_set(np.full(3, 0.5, np.float32), norm)
    np.testing.assert_array_equal(inputs.radii, [0.1, 0.0, 3.0])
    assert inputs.free_features == 2
    x = np.array([[0.6, 0.5, 1.0], [0.61, 0.51, 0.4]])
    np.testing.assert_array_equal(inputs.may_take(x), [[True] * 3, [False] * 3])
