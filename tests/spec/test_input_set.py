from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from onnx_lippa.arrays import FLOAT32
from onnx_lippa.spec import InputSet, LInf, Norm
from onnx_lippa.spec.input_set import round_down, round_up
from tests.support.norms import NORMS

EACH_NORM = pytest.mark.parametrize("norm", NORMS, ids=lambda norm: norm.name)
EXACT = settings(derandomize=True, deadline=None, max_examples=50)

EPS = st.one_of(
    # Most of these are not float32 numbers, some not even near one of the same grid.
    st.sampled_from([0.0, 0.1, 0.05, 0.3, 1 / 3, 8 / 255, 1e-3, 1e-7, 1e-9, 1e-45, 1e-300, 5.0]),
    st.floats(0, 2),
)
PIXELS = st.integers(0, 255).map(lambda value: float(np.float32(value / 255)))
VALUES = st.one_of(PIXELS, st.floats(0, 1, width=32), st.sampled_from([0.0, 1.0]))
PUSHES = st.one_of(st.sampled_from([-1.0, 1.0, 0.0, 1e6, -1e6]), st.floats(-3, 3, allow_nan=False))


def input_set(center, norm: Norm, eps: float, lower=0.0, upper=1.0) -> InputSet:
    exact = np.asarray(center, dtype=np.float32).astype(np.float64)
    bounds = [np.broadcast_to(np.float64(bound), exact.shape) for bound in (lower, upper)]
    return InputSet(exact, norm, eps, *bounds)


@EACH_NORM
@EXACT
@given(data=st.lists(st.tuples(VALUES, PUSHES), min_size=1, max_size=12), eps=EPS)
@example(data=[(0.9, 1.0), (0.1, -1.0), (0.3, 1.0)], eps=0.1)
@example(data=[(0.5, 1.0)] * 8, eps=0.05)
@example(data=[(0.0, 1.0), (1.0, -1.0)], eps=1e-9)
def test_stored_points_are_in_the_set(norm: Norm, data: list[float], eps: float) -> None:
    center, push = (np.array(column) for column in zip(*data, strict=True))
    inputs = input_set(center, norm, eps)
    stored = inputs.to_model_type(inputs.center + push * eps)
    assert stored.dtype == np.float32
    assert stored.shape == inputs.center.shape
    assert inputs.contains(stored)


@EACH_NORM
@pytest.mark.parametrize("eps", [0.1, 0.05, 0.3, 8 / 255, 1e-4, 0.0])
def test_stored_points_of_an_image_are_in_the_set_and_near(norm: Norm, eps: float) -> None:
    generator = np.random.default_rng(31)
    radius = eps * {"linf": 1, "l2": 5, "l1": 50}[norm.name]
    for _ in range(20):
        inputs = input_set(generator.integers(0, 256, 784) / 255, norm, radius)
        on_edge = norm.projector(
            inputs.center[None], np.array([radius]), inputs.lower, inputs.upper
        )((inputs.center + 10 * generator.normal(size=784))[None])[0]
        stored = inputs.to_model_type(on_edge)
        assert inputs.contains(stored)
        # Two units in the last place below 1: one for the rounding, one for drawing in.
        np.testing.assert_allclose(stored, on_edge, rtol=0, atol=2.0**-23)


@EACH_NORM
def test_projecting_leaves_its_argument_alone(norm: Norm) -> None:
    inputs = input_set(np.full(5, 0.5), norm, 0.1)
    x = np.arange(10.0).reshape(2, 5)
    kept = x.copy()
    moved = inputs.project(x)
    np.testing.assert_array_equal(x, kept)
    assert not np.array_equal(moved, x)
    assert not np.shares_memory(moved, x)


@EACH_NORM
@EXACT
@given(data=st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=12), eps=EPS)
@example(data=[(1.0, 1e-12), (0.5, 0.5)], eps=1.0)
@example(data=[(0.75, 3e-10), (0.1, 0.2)], eps=2.0)
def test_points_of_the_set_are_stored_unchanged(norm: Norm, data: list[float], eps: float) -> None:
    center, other = (np.array(column) for column in zip(*data, strict=True))
    inputs = input_set(center, norm, eps)
    x = other.astype(np.float32)
    stored = inputs.to_model_type(x.astype(np.float64))
    if inputs.contains(x):
        np.testing.assert_array_equal(stored, x)
    np.testing.assert_array_equal(inputs.to_model_type(stored.astype(np.float64)), stored)


@EACH_NORM
@EXACT
@given(
    data=st.lists(
        st.tuples(VALUES, st.floats(0, 0.3), st.floats(0, 0.3), PUSHES), min_size=1, max_size=6
    ),
    eps=EPS,
)
def test_stored_points_respect_a_box_that_float32_cannot_hold(
    norm: Norm, data: list[float], eps: float
) -> None:
    center, below, above, push = (np.array(column) for column in zip(*data, strict=True))
    inputs = input_set(center, norm, eps, center - below, center + above)
    inside = inputs.with_eps(eps)
    assert inside.contains(inputs.center.astype(np.float32))
    assert inside.contains(inside.to_model_type(inputs.center + push))


@EACH_NORM
def test_nothing_is_stored_as_the_centre(norm: Norm) -> None:
    inputs = input_set([0.25, 0.5, 0.75], norm, 0.1)
    stored = inputs.to_model_type(np.array([np.nan, np.nan, 0.7]))
    assert inputs.contains(stored)


@EACH_NORM
def test_points_beyond_float32_are_moved_in(norm: Norm) -> None:
    inputs = input_set([0.25, 0.5], norm, 0.1)
    assert inputs.contains(inputs.to_model_type(np.array([1e200, -1e200])))


@EACH_NORM
def test_an_infinite_radius_keeps_the_box(norm: Norm) -> None:
    inputs = input_set([0.25, 0.5, 0.75], norm, np.inf, 0.1, 0.9)
    stored = inputs.to_model_type(np.array([-4.0, 0.123, 9.0]))
    assert inputs.contains(stored)
    np.testing.assert_allclose(stored, [0.1, 0.123, 0.9], rtol=1e-6)


@EACH_NORM
@pytest.mark.parametrize("center", [0.5, 0.1, 0.9, 0.0, 3 / 255, 254 / 255])
@pytest.mark.parametrize("eps", [0.1, 0.05, 0.3, 8 / 255, 1e-6, 0.0])
@pytest.mark.parametrize("direction", [-1.0, 1.0])
def test_the_balls_edge_is_sharp(norm: Norm, center: float, eps: float, direction: float) -> None:
    """The last float32 inside and the first one outside are told apart."""
    inputs = input_set([center, 0.5], norm, eps, -np.inf, np.inf)
    exact = inputs.center[0]
    x = np.float32(exact + direction * eps)
    while abs(float(x) - exact) > eps:
        x = np.nextafter(x, np.float32(exact))
    outer = np.nextafter(x, np.float32(direction * np.inf))
    while abs(float(outer) - exact) <= eps:
        x, outer = outer, np.nextafter(outer, np.float32(direction * np.inf))
    assert inputs.contains(np.array([x, 0.5], dtype=np.float32))
    assert not inputs.contains(np.array([outer, 0.5], dtype=np.float32))


@EACH_NORM
@pytest.mark.parametrize("bound", [0.1, 0.3, 0.5, 1.0, 2 / 3])
def test_the_boxes_edge_is_sharp(norm: Norm, bound: float) -> None:
    inputs = input_set([0.05, 0.05], norm, 9.0, -bound, bound)
    inner = round_down(np.array([bound]), FLOAT32)[0]
    outer = np.nextafter(inner, np.float32(np.inf))
    for sign in (-1, 1):
        assert inputs.contains(np.array([0.0, sign * inner], dtype=np.float32))
        assert not inputs.contains(np.array([0.0, sign * outer], dtype=np.float32))


@EACH_NORM
def test_what_is_not_a_number_is_not_in_the_set(norm: Norm) -> None:
    inputs = input_set([0.5, 0.5], norm, np.inf, -np.inf, np.inf)
    assert inputs.contains(np.array([3.0, 0.5], dtype=np.float32))
    assert not inputs.contains(np.array([np.nan, 0.5], dtype=np.float32))


def test_distance_takes_any_shape_and_precision() -> None:
    inputs = input_set([0.0, 0.5, 1.0, 0.0], LInf(), 0.1)
    assert inputs.size == 4
    assert inputs.distance(np.array([[0.0, 0.5], [0.5, 0.0]], dtype=np.float32)) == 0.5
    assert inputs.distance(np.array([0.0, 0.125, 1.0, 0.0])) == 0.375
    assert inputs.distance(np.array([0.0, 0.1, 1.0, 0.0])) == 0.4
    assert inputs.length(np.array([0.0, 0.125, 1.0, 0.0])) == 0.375


def test_with_eps_changes_the_radius_only() -> None:
    inputs = input_set([0.5], LInf(), 0.1)
    wider = inputs.with_eps(0.2)
    assert (wider.eps, inputs.eps) == (0.2, 0.1)
    assert wider.center is inputs.center


@EXACT
@given(value=st.floats(allow_nan=False))
@example(value=1e300)
@example(value=-1e300)
@example(value=3.4028235677973366e38)
@example(value=1e-46)
@example(value=-1e-46)
@example(value=0.1)
@example(value=float("inf"))
def test_rounding_to_float32_in_one_direction(value: float) -> None:
    above, below = round_up(np.array([value]), FLOAT32), round_down(np.array([value]), FLOAT32)
    assert above.dtype == below.dtype == np.float32
    assert float(below[0]) <= value <= float(above[0])
    # Nothing in float32 lies nearer.
    with np.errstate(over="ignore"):
        if float(above[0]) != value:
            assert float(np.nextafter(above[0], np.float32(-np.inf))) < value
        if float(below[0]) != value:
            assert float(np.nextafter(below[0], np.float32(np.inf))) > value
