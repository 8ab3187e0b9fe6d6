"""Small random networks, built from layers without any ONNX file. Equal seeds, equal networks."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from onnx_lippa.arrays import Float64, Shape
from onnx_lippa.ir.algebra import ConvGeometry
from onnx_lippa.ir.layers import Layer
from onnx_lippa.ir.layers.activation import LeakyRelu, Relu
from onnx_lippa.ir.layers.convolution import Conv
from onnx_lippa.ir.layers.elementwise import WeightedSum
from onnx_lippa.ir.layers.linear_map import LinearMap
from onnx_lippa.ir.layers.reshape import Reshape
from onnx_lippa.ir.network import Network
from onnx_lippa.ir.passes import Step


def network(input_shape: Shape, *steps: tuple[Layer, tuple[int, ...]]) -> Network:
    """A network of (layer, indices of the values it takes)."""
    return Network(
        input_shape,
        tuple(
            Step(f"step{i}", type(layer).__name__, f"value{i + 1}", layer, inputs)
            for i, (layer, inputs) in enumerate(steps)
        ),
    )


def chain(input_shape: Shape, *layers: Layer) -> Network:
    """Layers one behind the other."""
    return network(input_shape, *((layer, (i,)) for i, layer in enumerate(layers)))


def dense(inputs: int, weight: Sequence[Sequence[float]], bias: Sequence[float]) -> LinearMap:
    """A layer of given numbers; ``weight`` has one row for each of the outputs."""
    return LinearMap((inputs,), np.array(weight, dtype=np.float64).T, np.array(bias))


def random_dense(generator: np.random.Generator, inputs: int, outputs: int) -> LinearMap:
    """A random layer whose outputs keep the scale and change sign within the unit box."""
    weight = generator.normal(size=(inputs, outputs)) * np.sqrt(2.0 / inputs)
    return LinearMap((inputs,), weight, 0.3 * generator.normal(size=outputs))


def activation(shape: Shape, alpha: float | None) -> Layer:
    """ReLU, or LeakyReLU where a slope is given."""
    return Relu(shape) if alpha is None else LeakyRelu(shape, alpha)


def mlp(seed: int, sizes: Sequence[int], alpha: float | None = None) -> Network:
    """Dense layers of these sizes with activations between them."""
    generator = np.random.default_rng([seed, *sizes])
    layers: list[Layer] = []
    for place, (inputs, outputs) in enumerate(itertools.pairwise(sizes)):
        if place:
            layers.append(activation((inputs,), alpha))
        layers.append(random_dense(generator, inputs, outputs))
    return chain((sizes[0],), *layers)


def random_conv(
    generator: np.random.Generator, source: Shape, maps: int, kernel: int, stride: int
) -> Conv:
    """A random two-dimensional convolution with one row of padding."""
    geometry = ConvGeometry((kernel, kernel), (stride, stride), (1, 1), ((1, 1), (1, 1)), 1)
    fan_in = source[0] * kernel * kernel
    weight = generator.normal(size=(maps, source[0], kernel, kernel)) * np.sqrt(2.0 / fan_in)
    return Conv(source, weight, 0.2 * generator.normal(size=maps), geometry)


def conv_net(seed: int, side: int = 3, maps: int = 3, classes: int = 3) -> Network:
    """Two convolutions and a dense layer on images (1, side, side)."""
    generator = np.random.default_rng([seed, side, maps, classes])
    source = (1, side, side)
    first = random_conv(generator, source, maps, 3, 1)
    second = random_conv(generator, first.shape, maps, 3, 2)
    flat = int(np.prod(second.shape))
    return chain(
        source,
        first,
        Relu(first.shape),
        second,
        Relu(second.shape),
        Reshape(second.shape, (flat,)),
        random_dense(generator, flat, classes),
    )


def residual_net(
    seed: int, inputs: int = 5, width: int = 8, classes: int = 4, alpha: float | None = None
) -> Network:
    """Two blocks ``x + dense(act(dense(x)))``, the second with a subtraction."""
    generator = np.random.default_rng([seed, inputs, width, classes])
    both = [(width,), (width,)]
    return network(
        (inputs,),
        (random_dense(generator, inputs, width), (0,)),
        (activation((width,), alpha), (1,)),
        (random_dense(generator, width, width), (2,)),
        (activation((width,), alpha), (3,)),
        (random_dense(generator, width, width), (4,)),
        (WeightedSum(both, (1.0, 1.0)), (2, 5)),
        (activation((width,), alpha), (6,)),
        (random_dense(generator, width, width), (7,)),
        (WeightedSum(both, (1.0, -1.0)), (8, 6)),
        (activation((width,), alpha), (9,)),
        (random_dense(generator, width, classes), (10,)),
    )


def degenerate_mlp(seed: int, sizes: Sequence[int]) -> Network:
    """Small whole weights, many zero: dead and equal units, and points on several kinks at once."""
    generator = np.random.default_rng([seed, *sizes, 1])
    layers: list[Layer] = []
    for place, (inputs, outputs) in enumerate(itertools.pairwise(sizes)):
        if place:
            layers.append(Relu((inputs,)))
        weight = generator.integers(-2, 3, (inputs, outputs)) * generator.integers(
            0, 2, (inputs, outputs)
        )
        bias = generator.integers(-1, 2, outputs)
        layers.append(LinearMap((inputs,), weight.astype(np.float64), bias.astype(np.float64)))
    return chain((sizes[0],), *layers)


def family(seed: int) -> dict[str, Network]:
    """One network of every kind, two to twelve inputs each."""
    return {
        "linear": mlp(seed, (3, 4)),
        "mlp 2": mlp(seed, (2, 8, 3)),
        "mlp 4": mlp(seed, (4, 12, 12, 4)),
        "mlp 6 deep": mlp(seed, (6, 10, 10, 10, 10, 3)),
        "mlp 12 wide": mlp(seed, (12, 40, 5)),
        "degenerate 5": degenerate_mlp(seed, (5, 12, 12, 3)),
        "leaky 5": mlp(seed, (5, 12, 12, 3), alpha=0.1),
        "leaky 3": mlp(seed, (3, 10, 10, 3), alpha=-0.4),
        "conv 9": conv_net(seed),
        "residual 5": residual_net(seed),
        "residual leaky 7": residual_net(seed, inputs=7, alpha=0.01),
    }


def grid(lower: Float64, upper: Float64, steps: int) -> Float64:
    """All points of a grid over a box of few dimensions, (steps ** d, d)."""
    axes = [np.linspace(low, high, steps) for low, high in zip(lower, upper, strict=True)]
    return np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")], axis=1)
