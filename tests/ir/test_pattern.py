"""Activation patterns: B(x) of eq. 8 and its key."""

from typing import Any

import numpy as np

from onnx_lippa.ir.layers.activation import LeakyRelu
from onnx_lippa.ir.pattern import ActivationPattern
from tests.support.networks import chain, conv_net, mlp, random_dense


def test_states_are_the_signs_of_the_preactivations():
    network = mlp(0, (4, 6, 5, 3))
    x = np.random.default_rng(0).uniform(size=4)
    values = network.values(x[None])
    pattern = network.pattern(x)
    assert [s.shape for s in pattern.states] == [(1, 6), (1, 5)]
    for state, preactivation in zip(pattern.states, (values[1], values[3]), strict=True):
        np.testing.assert_array_equal(state, preactivation >= 0)


def test_equal_inside_a_region_and_not_beyond_it():
    network = mlp(1, (3, 8, 2))
    x = np.random.default_rng(1).uniform(size=3)
    pattern = network.pattern(x)
    assert network.pattern(x + 1e-12).key == pattern.key
    first: Any = network.steps[0].layer
    direction = first.matrices()[0].toarray()[0]
    value = network.values(x[None])[1][0, 0]
    beyond = x - 1.01 * value * direction / (direction @ direction)
    other = network.pattern(beyond)
    assert other.key != pattern.key


def test_any_shape_of_the_input():
    network = conv_net(0)
    x = np.random.default_rng(0).uniform(size=network.input_shape)
    keys = {network.pattern(form).key for form in (x, x.ravel(), x[None])}
    assert len(keys) == 1


def test_key_depends_on_every_unit():
    ones = ActivationPattern((np.ones((1, 2), np.int8), np.ones((1, 3), np.int8)))
    keys = {ones.key}
    for layer, unit in ((0, 0), (0, 1), (1, 0), (1, 1), (1, 2)):
        states = tuple(s.copy() for s in ones.states)
        states[layer][0, unit] = 0
        flipped = ActivationPattern(states)
        keys.add(flipped.key)
    assert len(keys) == 6


def test_key_does_not_depend_on_memory_layout():
    state = np.arange(6, dtype=np.int8).reshape(1, 2, 3) % 2
    turned = np.asfortranarray(state)
    assert ActivationPattern((state,)).key == ActivationPattern((turned,)).key


def test_leaky_units_have_states_too():
    generator = np.random.default_rng(0)
    network = chain((2,), random_dense(generator, 2, 4), LeakyRelu((4,), 0.1))
    x = np.array([0.3, 0.8])
    expected = network.values(x[None])[1] >= 0
    np.testing.assert_array_equal(network.pattern(x).states[0], expected)
