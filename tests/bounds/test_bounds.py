"""Tightness, batches, limits and the interval algebra itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onnx_lippa.arrays import size
from onnx_lippa.bounds import crown as substitution
from onnx_lippa.bounds.crown import BoundsTooLargeError
from onnx_lippa.bounds.interval import Interval, IntervalAlgebra
from onnx_lippa.ir.algebra import ConvGeometry, NumpyAlgebra
from onnx_lippa.ir.layers.activation import Relu
from onnx_lippa.spec import Conjunction, InputSet, LInf, StatedSet, UnsafeSet
from tests.support.bounds import (
    NORMS,
    assert_contain,
    assert_within,
    interval_bounds,
    interval_margins,
    linear_bounds,
    linear_margins,
    networks,
    operands,
    random_sets,
)
from tests.support.networks import chain, conv_net, dense, family, grid, mlp, residual_net

AT, BETWEEN = NumpyAlgebra(), IntervalAlgebra()
NETWORKS = networks()
GEOMETRY = ConvGeometry((3, 2), (2, 1), (1, 1), ((1, 0), (0, 1)), 1)
KERNEL = np.random.default_rng(0).normal(size=(4, 2, 3, 2))
OPERATIONS = {
    "add": lambda a, x: a.add(x, a.scale(x, np.array(-0.3))),
    "add_constant": lambda a, x: a.add_constant(x, np.array(0.1)),
    "scale": lambda a, x: a.scale(x, np.array([0.3, -1.7, 0.0, 1.0, -1.0])),
    "matmul": lambda a, x: a.matmul(x, np.arange(-10.0, 10.0).reshape(5, 4) / 7),
    "left_matmul": lambda a, x: a.left_matmul(np.arange(-6.0, 6.0).reshape(3, 4) / 3, x),
    "conv": lambda a, x: a.conv(x, KERNEL, GEOMETRY),
    "conv_transpose": lambda a, x: a.conv_transpose(
        a.conv(x, KERNEL, GEOMETRY), KERNEL, GEOMETRY, (4, 5)
    ),
    "reshape": lambda a, x: a.reshape(x, (8, 5)),
    "permute": lambda a, x: a.permute(x, (2, 0, 1)),
    "take": lambda a, x: a.take(x, 1, (2, 4, 5), np.array([3, -1, 0, 0])),
    "concatenate": lambda a, x: a.concatenate([x, a.relu(x)], 2),
    "sum_to": lambda a, x: a.sum_to(x, (2, 4, 5), (4, 1)),
    "relu": lambda a, x: a.relu(x),
    "maximum": lambda a, x: a.maximum(x, 1),
    "where": lambda a, x: a.where(a.at_least(x, np.array(0.2)), x, a.scale(x, np.array(-2.0))),
    "mask": lambda a, x: a.mask(a.at_least(x, np.array(-0.1)), x),
    "chosen": lambda a, x: a.mask(a.one_hot(a.argmax(x, 1), (2, 4, 5), 1), x),
}


@given(seed=st.integers(0, 2**32), name=st.sampled_from(sorted(OPERATIONS)))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_operations_contain_what_they_give(seed, name):
    generator = np.random.default_rng(seed)
    shape = (2, 2, 4, 5)
    middle, scale = generator.normal(size=shape), 10.0 ** generator.uniform(-12, 2)
    width = scale * generator.uniform(size=shape) * generator.integers(0, 2, shape)
    x = Interval(middle - width, middle + width)
    found = OPERATIONS[name](BETWEEN, x)
    for _ in range(20):
        share = generator.uniform(size=shape)
        if generator.integers(2):
            share = np.round(share)
        point = np.clip(x.lower + share * (x.upper - x.lower), x.lower, x.upper)
        value = OPERATIONS[name](AT, point)
        assert value.shape == found.lower.shape == found.upper.shape
        assert np.all((found.lower <= value) & (value <= found.upper))


def test_a_choice_is_decided_where_one_entry_is_above_the_others():
    x = Interval(np.array([[0.0, 2.0, 1.0]]), np.array([[1.0, 3.0, 1.5]]))
    positions = BETWEEN.argmax(x, 0)
    assert (positions.lower.item(), positions.upper.item()) == (1, 1)
    hot = BETWEEN.one_hot(positions, (3,), 0)
    np.testing.assert_array_equal(hot.lower, [[False, True, False]])
    np.testing.assert_array_equal(hot.upper, [[False, True, False]])
    open_ = BETWEEN.argmax(Interval(x.lower, x.upper + 2.0), 0)
    assert (open_.lower.item(), open_.upper.item()) == (0, 2)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_point_has_its_own_value(name):
    network = NETWORKS[name]()
    center = np.random.default_rng(0).uniform(-1, 1, network.input_size)
    inputs = StatedSet(center, LInf(), 0.0, center - 1, center + 1)
    taken = operands(network, center[None])
    unsafe = UnsafeSet((Conjunction(np.eye(network.output_size)[:1], np.array([0.25])),))
    reached = unsafe.margins(network.forward(center[None]))[0]
    for bounds in (interval_bounds(network, [inputs]), linear_bounds(network, [inputs])):
        for layer, value in enumerate(taken):
            room = 1e-11 * max(1.0, np.max(np.abs(value), initial=0.0))
            np.testing.assert_allclose(bounds.lower[layer], value, rtol=0, atol=room)
            np.testing.assert_allclose(bounds.upper[layer], value, rtol=0, atol=room)
    for margins in (interval_margins, linear_margins):
        (found,) = margins(network, [inputs], [unsafe])
        np.testing.assert_allclose(found, reached, rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", NETWORKS)
def test_one_input_alone_is_the_one_of_the_batch(name):
    network = NETWORKS[name]()
    for norm in NORMS:
        sets = random_sets(7, network.input_size, norm, 4, 0.3)
        row = np.eye(network.output_size)
        unsafe = [UnsafeSet((Conjunction(row[i % len(row)][None], np.zeros(1)),)) for i in range(4)]
        together = linear_bounds(network, sets)
        margins = linear_margins(network, sets, unsafe)
        for place in range(4):
            alone = linear_bounds(network, sets[place : place + 1])
            for layer in range(len(alone.lower)):
                for mine, theirs in (
                    (alone.lower[layer][0], together.lower[layer][place]),
                    (alone.upper[layer][0], together.upper[layer][place]),
                ):
                    room = 1e-11 * max(1.0, np.max(np.abs(theirs), initial=0.0))
                    np.testing.assert_allclose(mine, theirs, rtol=0, atol=room)
            (found,) = linear_margins(network, [sets[place]], [unsafe[place]])
            np.testing.assert_allclose(found, margins[place], rtol=1e-10, atol=1e-10)


def test_the_first_layer_is_exact():
    network = mlp(0, (3, 6, 2))
    inputs = StatedSet(np.full(3, 0.4), LInf(), 0.3, np.zeros(3), np.ones(3))
    (taken,) = operands(network, grid(np.full(3, 0.1), np.full(3, 0.7), 2))
    for bounds in (interval_bounds(network, [inputs]), linear_bounds(network, [inputs])):
        np.testing.assert_allclose(bounds.lower[0][0], taken.min(axis=0), atol=1e-12)
        np.testing.assert_allclose(bounds.upper[0][0], taken.max(axis=0), atol=1e-12)


def test_linear_bounds_see_what_cancels():
    """``(x_1 + 2 x_2) - (x_1 + 2 x_2)`` is 0, which intervals do not see."""
    network = chain(
        (2,), dense(2, [[1, 2], [1, 2]], [0, 0]), dense(2, [[1, -1]], [0.5]), Relu((1,)),
        dense(1, [[1]], [0]),
    )  # fmt: skip
    inputs = StatedSet(np.zeros(2), LInf(), 1.0, -np.ones(2), np.ones(2))
    loose, tight = interval_bounds(network, [inputs]), linear_bounds(network, [inputs])
    np.testing.assert_allclose([loose.lower[0].item(), loose.upper[0].item()], [-5.5, 6.5])
    np.testing.assert_allclose([tight.lower[0].item(), tight.upper[0].item()], 0.5, atol=1e-12)


def test_bounds_by_hand():
    """``relu(x) - 0.5 relu(-x)`` over [-1, 1]: lines x and (x + 1) / 2 of each unit."""
    network = chain((1,), dense(1, [[1], [-1]], [0, 0]), Relu((2,)), dense(2, [[1, -0.5]], [0]))
    inputs = InputSet(np.zeros(1), LInf(), 1.0, -np.ones(1), np.ones(1))
    one, other = (Conjunction(np.array([[sign]]), np.zeros(1)) for sign in (1.0, -1.0))
    (found,) = interval_margins(network, [inputs], [UnsafeSet((one, other))])
    np.testing.assert_allclose(found, [-0.5, -1.0], atol=1e-12)
    # With lines x - (1 - x) / 4 at x = -1, and -x / 2 - (x + 1) / 2 at x = 1, which is less.
    (found,) = linear_margins(network, [inputs], [UnsafeSet((one, other))])
    np.testing.assert_allclose(found, [-0.5, -1.0], atol=1e-12)


def test_linear_margins_by_hand():
    """``relu(x) - relu(x + 1)`` over [-1, 1]: at least ``x - (x + 1)`` with the lower line x."""
    network = chain((1,), dense(1, [[1], [1]], [0, 1]), Relu((2,)), dense(2, [[1, -1]], [0]))
    inputs = InputSet(np.zeros(1), LInf(), 1.0, -np.ones(1), np.ones(1))
    unsafe = UnsafeSet((Conjunction(np.ones((1, 1)), np.array([-3.0])),))
    np.testing.assert_allclose(interval_margins(network, [inputs], [unsafe]), [[1.0]], atol=1e-12)
    np.testing.assert_allclose(linear_margins(network, [inputs], [unsafe]), [[2.0]], atol=1e-12)


def test_margins_of_linear_bounds_are_no_looser():
    for network in family(3).values():
        sets = random_sets(2, network.input_size, "linf", 3, 0.1)
        label = [int(network.forward(s.center[None]).argmax()) for s in sets]
        unsafe = [UnsafeSet.misclassification(y, network.output_size) for y in label]
        loose, tight = (
            np.array(margins(network, sets, unsafe))
            for margins in (interval_margins, linear_margins)
        )
        assert loose.shape == (3, network.output_size - 1)
        assert np.all(tight >= loose - 1e-9)


def test_known_bounds_are_kept():
    network = residual_net(0)
    sets = random_sets(0, 5, "linf", 2, 0.4)
    tighter = linear_bounds(network, random_half(sets))
    assert_within(linear_bounds(network, sets, known=tighter), tighter)


def random_half(sets):
    return [one.with_eps(one.eps / 2) for one in sets]


def test_disjuncts_without_rows_are_unsafe():
    network = mlp(0, (3, 5, 2))
    sets = random_sets(0, 3, "linf", 3)
    nothing = Conjunction(np.zeros((0, 2)), np.zeros(0))
    unsafe = [UnsafeSet((nothing,)), UnsafeSet(()), UnsafeSet((nothing, nothing))]
    for margins in (interval_margins, linear_margins):
        found = margins(network, sets, unsafe)
        assert [one.tolist() for one in found] == [[-np.inf], [], [-np.inf, -np.inf]]


def test_no_inputs():
    network = mlp(0, (3, 5, 2))
    assert [bound.shape for bound in linear_bounds(network, []).lower] == [(0, 5)]
    assert interval_margins(network, [], []) == linear_margins(network, [], []) == []


def test_small_runs_give_the_same(monkeypatch):
    """Rows and inputs in many runs instead of one."""
    network = conv_net(0)
    sets = random_sets(0, 9, "linf", 4, 0.2)
    unsafe = [UnsafeSet.misclassification(0, 3)] * 4
    bounds, margins = linear_bounds(network, sets), linear_margins(network, sets, unsafe)
    monkeypatch.setattr(substitution, "AT_ONCE", 8.0 * 16 * 27 * 2)
    monkeypatch.setattr("onnx_lippa.bounds.pre_activations.LARGEST", 8.0 * 12 * 200)
    again = linear_bounds(network, sets)
    for layer in range(len(bounds.lower)):
        np.testing.assert_allclose(again.lower[layer], bounds.lower[layer], rtol=0, atol=1e-11)
        np.testing.assert_allclose(again.upper[layer], bounds.upper[layer], rtol=0, atol=1e-11)
    np.testing.assert_allclose(linear_margins(network, sets, unsafe), margins, rtol=0, atol=1e-10)


def test_what_does_not_fit_is_refused(monkeypatch):
    network = conv_net(0)
    sets = random_sets(0, 9, "linf", 1)
    monkeypatch.setattr(substitution, "LARGEST", 8.0 * 16 * 26)
    with pytest.raises(BoundsTooLargeError, match=r"one row .* largest layer has 27 values"):
        linear_bounds(network, sets)
    monkeypatch.setattr("onnx_lippa.bounds.pre_activations.LARGEST", 100.0)
    for bounds in (interval_bounds, linear_bounds):
        with pytest.raises(BoundsTooLargeError, match="bounds of one input"):
            bounds(network, sets)


def test_unbounded_inputs_have_no_bounds():
    """Infinite, not a number: nothing is claimed of what depends on them."""
    network = mlp(0, (3, 5, 4, 2))
    infinite = np.full(3, np.inf)
    inputs = StatedSet(np.zeros(3), LInf(), np.inf, -infinite, infinite)
    unsafe = UnsafeSet.misclassification(0, 2)
    for bounds in (interval_bounds(network, [inputs]), linear_bounds(network, [inputs])):
        assert_contain(bounds, 0, network, 1e6 * np.random.default_rng(0).normal(size=(50, 3)))
    for margins in (interval_margins, linear_margins):
        assert margins(network, [inputs], [unsafe])[0].tolist() == [-np.inf]
    assert size(network.input_shape) == 3
