"""Lines are on their side of the function everywhere between the bounds, and touch it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from onnx_lippa.bounds.interval import Interval, bound_output
from onnx_lippa.bounds.relaxation import LinearRelaxation, relax
from onnx_lippa.ir.algebra import NumpyAlgebra
from onnx_lippa.ir.layers import PiecewiseLayer
from onnx_lippa.ir.layers.activation import (
    Abs,
    LeakyRelu,
    MaxWithConstant,
    MinWithConstant,
    PRelu,
    Relu,
)
from onnx_lippa.ir.layers.reduce_max import ReduceMax
from onnx_lippa.ir.layers.select import Select

ALGEBRA = NumpyAlgebra()
ONE = (1,)
KINKS: dict[str, PiecewiseLayer] = {
    "relu": Relu(ONE),
    "leaky": LeakyRelu(ONE, 0.1),
    "negative leaky": LeakyRelu(ONE, -0.6),
    "steep leaky": LeakyRelu(ONE, 3.0),
    "prelu 1": PRelu(ONE, np.array([1.0])),
    "abs": Abs(ONE),
    "not below": MaxWithConstant(ONE, np.array([0.4])),
    "not above": MinWithConstant(ONE, np.array([-0.3])),
}
ENDS = (
    (-1.0, 2.0), (-2.0, 0.7), (0.5, 0.9), (-3.0, -0.5), (0.0, 1.0), (-1.0, 0.0), (0.3, 0.3),
)  # fmt: skip
TOUCH = 1e-12


def values_of(lines: LinearRelaxation, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper lines (n, *shape) at inputs (n, *source), one row of lines for all."""
    found = []
    for slope, offset in (
        (lines.lower_slope, lines.lower_intercept),
        (lines.upper_slope, lines.upper_intercept),
    ):
        if slope is None:
            found.append(np.broadcast_to(offset, (len(x), *offset.shape[1:])))
            continue
        terms = slope * x
        found.append((terms if lines.axis is None else terms.sum(axis=lines.axis + 1)) + offset)
    return found[0], found[1]


def box(lower: np.ndarray, upper: np.ndarray) -> Interval:
    return Interval(lower[None], upper[None])


def assert_valid(layer: PiecewiseLayer, bounds: Interval, x: np.ndarray, room: float = 0.0):
    z = layer.forward(ALGEBRA, x)
    lower, upper = values_of(relax(layer, bounds), x)
    assert np.all(lower <= z + room)
    assert np.all(z <= upper + room)
    union = bound_output(layer, bounds)
    assert np.all((union.lower <= z) & (z <= union.upper))


@pytest.mark.parametrize("name", KINKS)
@pytest.mark.parametrize(
    "ends",
    [(-1.0, 2.0), (-2.0, 0.7), (0.5, 0.9), (-3.0, -0.5), (0.0, 1.0), (-1.0, 0.0), (0.3, 0.3)],
)
def test_kinks(name, ends):
    layer: Any = KINKS[name]
    low, high = ends
    x = np.linspace(low, high, 2001)[:, None]
    bounds = box(np.array([low]), np.array([high]))
    assert_valid(layer, bounds, x, room=1e-15)
    z = layer.forward(ALGEBRA, x)
    lower, upper = values_of(relax(layer, bounds), x)
    # The chord meets both ends, the free line at least one point.
    gaps = sorted((z - lower, upper - z), key=lambda gap: gap.max())
    assert all(gap.min() < 2e-3 for gap in gaps)
    assert min(gap[0] + gap[-1] for gap in gaps) < TOUCH
    if high <= layer.kink or low >= layer.kink:
        assert gaps[1].max() < TOUCH
    union = bound_output(layer, bounds)
    np.testing.assert_allclose(union.lower.item(), z.min(), atol=2e-3)
    np.testing.assert_allclose(union.upper.item(), z.max(), atol=2e-3)


@pytest.mark.parametrize("name", KINKS)
@pytest.mark.parametrize("alpha", [0.0, 0.2, 0.5, 1.0])
def test_any_free_line_of_a_kink(name, alpha):
    layer, bounds = KINKS[name], box(np.array([-1.0]), np.array([2.0]))
    x = np.linspace(-1.0, 2.0, 501)[:, None]
    z = layer.forward(ALGEBRA, x)
    lower, upper = values_of(relax(layer, bounds, np.full((1, 1), alpha)), x)
    assert np.all((lower <= z + 1e-15) & (z <= upper + 1e-15))


def test_relu_lines_are_those_of_deeppoly():
    bounds = Interval(np.array([[-1.0, -3.0, 1.0, -2.0]]), np.array([[3.0, 1.0, 2.0, -1.0]]))
    lines = relax(Relu((4,)), bounds)
    np.testing.assert_array_equal(lines.lower_slope, [[1.0, 0.0, 1.0, 0.0]])
    np.testing.assert_array_equal(lines.lower_intercept, np.zeros((1, 4)))
    np.testing.assert_allclose(lines.upper_slope, [[0.75, 0.25, 1.0, 0.0]], rtol=1e-15)
    np.testing.assert_allclose(lines.upper_intercept, [[0.75, 0.75, 0.0, 0.0]], rtol=1e-13)
    assert np.all(lines.upper_intercept[0, :2] >= 0.75)
    np.testing.assert_array_equal(lines.upper_intercept[0, 2:], 0.0)


def random_box(generator: np.random.Generator, shape: tuple[int, ...]) -> Interval:
    """Bounds of every kind: far apart, decided, equal."""
    scale = 10.0 ** generator.uniform(-3, 3)
    lower = scale * generator.normal(size=shape)
    width = scale * generator.choice([0.0, 0.1, 3.0], shape) * generator.uniform(size=shape)
    return box(lower, lower + width)


def points(generator: np.random.Generator, bounds: Interval, count: int) -> np.ndarray:
    """Random points, half of them corners."""
    shape = (count, *bounds.lower.shape[1:])
    share = generator.uniform(size=shape)
    share[::2] = np.round(share[::2])
    return np.minimum(bounds.lower + share * (bounds.upper - bounds.lower), bounds.upper)


@pytest.mark.parametrize("seed", range(60))
def test_maxima(seed):
    generator = np.random.default_rng(seed)
    source = tuple(generator.integers(1, 5, 3))
    axis = int(generator.integers(3))
    layer, bounds = ReduceMax(source, axis), random_box(generator, source)
    x = points(generator, bounds, 400)
    room = 4e-16 * max(np.max(np.abs(bounds.lower)), np.max(np.abs(bounds.upper)))
    assert_valid(layer, bounds, x, room)
    lines = relax(layer, bounds)
    # Never above the constant that DeepPoly takes.
    _, upper = values_of(lines, x)
    assert np.all(upper <= bounds.upper.max(axis=axis + 1) + 100 * room)


def test_a_decided_maximum_is_its_entry():
    bounds = box(np.array([0.0, 2.0, -1.0]), np.array([1.0, 3.0, 1.9]))
    lines = relax(ReduceMax((3,), 0), bounds)
    for slope, offset in (
        (lines.lower_slope, lines.lower_intercept),
        (lines.upper_slope, lines.upper_intercept),
    ):
        np.testing.assert_array_equal(slope, [[0.0, 1.0, 0.0]])
        np.testing.assert_array_equal(offset, [0.0])


@pytest.mark.parametrize("seed", range(30))
def test_selects(seed):
    generator = np.random.default_rng(seed)
    layer, bounds = Select((2, 3)), random_box(generator, (3, 2, 3))
    assert_valid(layer, bounds, points(generator, bounds, 400))


def test_decided_selects_are_their_branches():
    lower = np.array([[0.0, -2.0, -1.0], [1.0, 1.0, 1.0], [5.0, 5.0, 5.0]])
    upper = np.array([[1.0, -1.0, 1.0], [2.0, 2.0, 2.0], [6.0, 6.0, 6.0]])
    lines = relax(Select((3,)), box(lower, upper))
    expected = [[[0, 0, 0], [1, 0, 0], [0, 1, 0]]]
    np.testing.assert_array_equal(lines.lower_slope, expected)
    np.testing.assert_array_equal(lines.upper_slope, expected)
    np.testing.assert_array_equal(lines.lower_intercept, [[0, 0, 1]])
    np.testing.assert_array_equal(lines.upper_intercept, [[0, 0, 6]])
