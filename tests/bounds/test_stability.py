"""Proven and seen stability: what is seen never contradicts what is proven."""

from __future__ import annotations

import numpy as np
import pytest

from onnx_lippa.bounds.pre_activations import BoundsMethod
from onnx_lippa.bounds.stability import count_sampled, measure_stability, points_within
from onnx_lippa.ir.layers.activation import Relu
from onnx_lippa.spec import InputSet, LInf
from tests.support.bounds import NORMS, networks, random_sets
from tests.support.networks import chain, dense, mlp

NETWORKS = networks()


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_seen_is_not_proven_stable(name, norm):
    network = NETWORKS[name]()
    for largest in (0.01, 0.4):
        sets = random_sets(3, network.input_size, norm, 3, largest)
        for method in BoundsMethod:
            for one in measure_stability(network, sets, range(3), method, 200, 0):
                proven = one.proven
                assert one.sampled.unstable <= proven.unstable
                total = proven.active + proven.inactive + proven.decided + proven.unstable
                assert total == network.units
                assert one.sampled.points == 201
                assert 1 <= one.sampled.regions <= 201
                assert one.sampled.regions <= 2.0**one.sampled.unstable or proven.decided


@pytest.mark.parametrize("norm", NORMS)
def test_points_are_in_the_set(norm):
    for inputs in random_sets(5, 30, norm, 5):
        points = points_within(inputs, 50, np.random.default_rng(0))
        assert points.shape == (51, 30)
        np.testing.assert_array_equal(points[0], inputs.center)
        assert all(inputs.contains(point) for point in points)
        assert len(np.unique(points, axis=0)) > 40


def test_counts_by_hand():
    """|x_1| <= 1 and |x_2| <= 1: two units cut the square, one never acts, one always does."""
    weight, bias = [[1, 0], [0, 1], [1, 1], [1, 1]], [0.0, 0.0, -3.0, 3.0]
    network = chain((2,), dense(2, weight, bias), Relu((4,)), dense(4, [[1, 1, 1, 1]], [0.0]))
    inputs = InputSet(np.zeros(2), LInf(), 1.0, -np.ones(2), np.ones(2))
    for method in BoundsMethod:
        (one,) = measure_stability(network, [inputs], [7], method, 400, 0)
        assert one.index == 7
        assert (one.proven.active, one.proven.inactive, one.proven.unstable) == (1, 1, 2)
        assert (one.sampled.unstable, one.sampled.regions) == (2, 4)


def test_linear_bounds_prove_more():
    network = mlp(0, (6, 20, 20, 20, 4))
    sets = random_sets(0, 6, "linf", 5, 0.2)
    interval, linear = (
        [one.proven.unstable for one in measure_stability(network, sets, range(5), method, 0, 0)]
        for method in BoundsMethod
    )
    assert all(tight <= loose for tight, loose in zip(linear, interval, strict=True))
    assert sum(linear) < sum(interval)


def test_one_input_alone_is_the_one_of_the_batch():
    network = mlp(1, (5, 16, 16, 3))
    sets = random_sets(1, 5, "l2", 40, 0.3)
    together = list(measure_stability(network, sets, range(40), BoundsMethod.LINEAR, 60, 3))
    for row in (0, 17, 39):
        (alone,) = measure_stability(network, [sets[row]], [row], BoundsMethod.LINEAR, 60, 3)
        assert alone == together[row]


def test_networks_without_units():
    network = mlp(0, (3, 4))
    (one,) = measure_stability(
        network, random_sets(0, 3, "linf", 1), [0], BoundsMethod.LINEAR, 10, 0
    )
    assert (one.proven.unstable, one.sampled.unstable, one.sampled.regions) == (0, 0, 1)


def test_regions_are_counted_over_all_points():
    """More points than are computed in one pass."""
    network = mlp(2, (2, 8, 2))
    x = np.random.default_rng(0).uniform(-1, 1, (1000, 2))
    keys = {network.pattern(point).key for point in x}
    found = count_sampled(network, x)
    assert found.regions == len(keys) > 4
    states = np.array([network.pattern(point).states[0][0] for point in x])
    assert found.unstable == np.count_nonzero(states.min(axis=0) != states.max(axis=0))
