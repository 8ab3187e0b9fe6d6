"""No sampled point escapes any bound, at any layer, for any kind of layer and any norm."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onnx_lippa.errors import LippaError
from onnx_lippa.ir.layers import PiecewiseLayer
from onnx_lippa.ir.layers.activation import Abs, LeakyRelu, Relu
from onnx_lippa.ir.layers.reduce_max import ReduceMax
from onnx_lippa.ir.layers.reshape import Reshape
from onnx_lippa.ir.layers.select import Select
from onnx_lippa.ir.network import Network
from onnx_lippa.onnx_io import load
from onnx_lippa.spec import Conjunction, InputSet, UnsafeSet
from tests.support.bounds import (
    NETWORKS,
    NORMS,
    assert_contain,
    assert_within,
    interval_bounds,
    interval_margins,
    linear_bounds,
    linear_margins,
    network_named,
    points_of,
    random_sets,
)
from tests.support.graphs import load_model
from tests.support.networks import chain, random_dense
from tests.support.paths import EXPORTS
from tests.support.random_graphs import graph_of_seed

POINTS = 400


def unsafe_sets(seed: int, k: int, count: int) -> list[UnsafeSet]:
    """Random disjuncts of one to three rows, and one without any."""
    generator = np.random.default_rng([seed, k])
    return [
        UnsafeSet(
            tuple(
                Conjunction(generator.normal(size=(rows, k)), generator.normal(size=rows))
                for rows in generator.integers(0, 4, size=generator.integers(1, 4))
            )
        )
        for _ in range(count)
    ]


def check(network: Network, sets: list[InputSet], seed: int, points: int = POINTS) -> None:
    """All bounds and margins of a network over some sets."""
    unsafe = unsafe_sets(seed, network.output_size, len(sets))
    loose, tight = interval_bounds(network, sets), linear_bounds(network, sets)
    assert_within(tight, loose)
    margins = [
        interval_margins(network, sets, unsafe),
        linear_margins(network, sets, unsafe),
        linear_margins(network, sets, unsafe, loose),
    ]
    for row, inputs in enumerate(sets):
        x = points_of(inputs, network, seed + row, points)
        assert_contain(loose, row, network, x)
        assert_contain(tight, row, network, x)
        reached = unsafe[row].margins(network.forward(x))
        for found in margins:
            assert found[row].shape == (len(unsafe[row].disjuncts),)
            assert np.all(reached >= found[row])


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("name", NETWORKS)
def test_small_networks(name, norm):
    network = network_named(name)
    for largest in (0.02, 0.5):
        check(network, random_sets(1, network.input_size, norm, 3, largest), seed=1)


@given(seed=st.integers(0, 2**32), name=st.sampled_from(sorted(NETWORKS)))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_boxes_of_any_size(seed, name):
    network = network_named(name)
    generator = np.random.default_rng(seed)
    largest = float(10.0 ** generator.uniform(-9, 3))
    check(network, random_sets(seed, network.input_size, "linf", 2, largest), seed, points=100)


@pytest.mark.parametrize("seed", range(24))
def test_random_graphs(seed):
    network = load_model(graph_of_seed(seed)).network
    norm = NORMS[seed % len(NORMS)]
    check(network, random_sets(seed, network.input_size, norm, 2, 0.2), seed, points=100)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 500))
def test_more_random_graphs(seed):
    network = load_model(graph_of_seed(seed)).network
    for norm in NORMS:
        for largest in (1e-3, 0.3, 3.0):
            sets = random_sets(seed, network.input_size, norm, 2, largest)
            check(network, sets, seed, points=200)


@pytest.mark.slow
@pytest.mark.parametrize("path", EXPORTS, ids=[f"{p.parent.name}-{p.stem}" for p in EXPORTS])
def test_real_exports(path):
    try:
        network = load(path).network
    except LippaError as error:
        pytest.skip(str(error))
    for norm, largest in (("linf", 0.05), ("linf", 0.5), ("l2", 0.1), ("l1", 0.3)):
        check(network, random_sets(0, network.input_size, norm, 2, largest), seed=0, points=300)


class Unknown(PiecewiseLayer):
    """A layer of a kind that no bound knows of: another one, computed from its pieces."""

    def __init__(self, inner: PiecewiseLayer) -> None:
        super().__init__(inner.shape, constraints_shape=inner.constraints_shape)
        self.inner = inner

    def state(self, algebra, x):
        return self.inner.state(algebra, x)

    def piece(self, algebra, state, x):
        return self.inner.piece(algebra, state, x)

    def piece_transpose(self, algebra, state, u):
        return self.inner.piece_transpose(algebra, state, u)

    def constraints(self, algebra, state, x):
        return self.inner.constraints(algebra, state, x)

    def constraints_transpose(self, algebra, state, u):
        return self.inner.constraints_transpose(algebra, state, u)

    def split(self):
        return self.inner.split()

    def split_bounds(self, state):
        return self.inner.split_bounds(state)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize(
    "inner",
    [Relu((6,)), Abs((6,)), LeakyRelu((6,), -0.4), ReduceMax((2, 3), 0), Select((2,))],
    ids=lambda inner: type(inner).__name__,
)
def test_unknown_kinds_are_bounded_by_constants(inner, norm):
    generator = np.random.default_rng(0)
    shapes: dict[type[PiecewiseLayer], tuple[int, ...]] = {ReduceMax: (2, 3), Select: (3, 2)}
    source = shapes.get(type(inner), (6,))
    outputs = int(np.prod(inner.shape))
    network = chain(
        (4,), random_dense(generator, 4, 6), Reshape((6,), source), Unknown(inner),
        Reshape(inner.shape, (outputs,)), random_dense(generator, outputs, 5), Relu((5,)),
        random_dense(generator, 5, 3),
    )  # fmt: skip
    for largest in (0.02, 0.5):
        check(network, random_sets(4, 4, norm, 3, largest), seed=4)
