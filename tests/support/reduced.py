"""Networks whose folded coefficients cancel, and their reduced networks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from onnx_lippa.bounds.domain import InputDomain
from onnx_lippa.bounds.reduced.build import reduce_network
from onnx_lippa.bounds.reduced.reduction import Tightening
from onnx_lippa.bounds.reduced_network import ReducedNetwork
from onnx_lippa.ir.algebra import ConvGeometry
from onnx_lippa.ir.layers.activation import Abs, LeakyRelu, Relu
from onnx_lippa.ir.layers.convolution import Conv
from onnx_lippa.ir.layers.elementwise import WeightedSum
from onnx_lippa.ir.layers.linear_map import LinearMap
from onnx_lippa.ir.layers.reduce_max import ReduceMax
from onnx_lippa.ir.layers.reshape import Reshape
from onnx_lippa.ir.network import Network
from tests.support.networks import chain, network

WAYS = (Tightening(), Tightening(steps=5), Tightening(linear=False, eliminate=False))


def cancelling(
    generator: np.random.Generator, shape: tuple[int, ...], scales: Sequence[float]
) -> np.ndarray:
    """Weights of many sizes; along the last but one axis, entries come in nearly opposite pairs."""
    values = generator.normal(size=shape) * generator.choice(scales, size=shape)
    count = shape[-2] // 2
    first, second = values[..., :count, :], values[..., count : 2 * count, :]
    second[...] = -first * (1 + 1e-7 * generator.integers(-3, 4, first.shape))
    return values


def dense(generator: np.random.Generator, inputs: int, outputs: int, powers: int) -> LinearMap:
    scales = 10.0 ** np.arange(-powers, powers + 1)
    weight = cancelling(generator, (inputs, outputs), scales)
    return LinearMap((inputs,), weight, generator.normal(size=outputs))


def deep(generator: np.random.Generator, powers: int) -> Network:
    """Dense layers, two of them with nothing in between, so that products cancel in forms."""
    return chain(
        (4,), dense(generator, 4, 6, powers), Relu((6,)), dense(generator, 6, 6, powers),
        dense(generator, 6, 6, powers), LeakyRelu((6,), 0.3), dense(generator, 6, 6, powers),
        Relu((6,)), dense(generator, 6, 3, 0),
    )  # fmt: skip


def convolutions(generator: np.random.Generator, powers: int) -> Network:
    scales = 10.0 ** np.arange(-powers, powers + 1)
    geometry = ConvGeometry((2, 2), (1, 1), (1, 1), ((0, 0), (0, 0)), 1)
    first = Conv(
        (2, 3, 3), cancelling(generator, (3, 2, 2, 2), scales), generator.normal(size=3), geometry
    )
    second = Conv(
        first.shape, cancelling(generator, (2, 3, 2, 2), scales), generator.normal(size=2), geometry
    )
    return chain(
        (2, 3, 3), first, Relu(first.shape), second, Abs(second.shape),
        Reshape(second.shape, (2,)), dense(generator, 2, 3, 0),
    )  # fmt: skip


def branches(generator: np.random.Generator, powers: int) -> Network:
    """A sum of paths that cancel, and a maximum."""
    both = [(6,), (6,)]
    return network(
        (3,),
        (dense(generator, 3, 6, powers), (0,)),
        (Relu((6,)), (1,)),
        (dense(generator, 6, 6, powers), (2,)),
        (WeightedSum(both, (1.0, -1.0)), (3, 1)),
        (Reshape((6,), (2, 3)), (4,)),
        (ReduceMax((2, 3), 1), (5,)),
        (dense(generator, 2, 3, powers), (6,)),
    )


NETWORKS = {"deep": deep, "convolutions": convolutions, "branches": branches}


def systems(name: str, seed: int) -> tuple[Network, ReducedNetwork, np.random.Generator]:
    generator = np.random.default_rng([seed, *name.encode()])
    net = NETWORKS[name](generator, (0, 2, 6)[seed % 3])
    d = net.input_size
    center = generator.normal(size=d) * 10.0 ** generator.integers(-2, 3)
    radius = generator.uniform(0, 0.3, d) * 10.0 ** generator.integers(-3, 2)
    domain = InputDomain(center, np.arange(d), center - radius, center + radius)
    return net, reduce_network(net, domain, WAYS[seed % len(WAYS)]), generator
