"""Coefficients of a rectified system are off by no more than it says, in rational numbers."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest

from onnx_lippa.bounds.dual.ascent import Ascent
from onnx_lippa.bounds.dual.dual import Units
from onnx_lippa.bounds.reduced.build import rectified
from onnx_lippa.bounds.reduced.domain import Reach
from onnx_lippa.bounds.reduced.folding import Tightening, relaxed_by
from onnx_lippa.bounds.reduced.system import RectifiedSystem
from onnx_lippa.ir.algebra import ConvGeometry
from onnx_lippa.ir.layers.activation import Absolute, LeakyRelu, Relu
from onnx_lippa.ir.layers.convolution import Conv
from onnx_lippa.ir.layers.elementwise import Addition
from onnx_lippa.ir.layers.linear_map import LinearMap
from onnx_lippa.ir.layers.reduce_max import MaxAlong
from onnx_lippa.ir.layers.reshape import Rearranged
from onnx_lippa.ir.network import Network
from onnx_lippa.search.base import rows_of
from onnx_lippa.spec import Conjunction
from tests.certify.rationals import ExactNetwork, Numbers, dot, fractions, inside, pre_activations
from tests.networks import chain, network

WAYS = (Tightening(), Tightening(steps=5), Tightening(linear=False, fold=False))


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
        (2, 3, 3), first, Relu(first.shape), second, Absolute(second.shape),
        Rearranged(second.shape, (2,)), dense(generator, 2, 3, 0),
    )  # fmt: skip


def branches(generator: np.random.Generator, powers: int) -> Network:
    """A sum of paths that cancel, and a maximum."""
    both = [(6,), (6,)]
    return network(
        (3,),
        (dense(generator, 3, 6, powers), (0,)),
        (Relu((6,)), (1,)),
        (dense(generator, 6, 6, powers), (2,)),
        (Addition(both, (1.0, -1.0)), (3, 1)),
        (Rearranged((6,), (2, 3)), (4,)),
        (MaxAlong((2, 3), 1), (5,)),
        (dense(generator, 2, 3, powers), (6,)),
    )


NETWORKS = {"deep": deep, "convolutions": convolutions, "branches": branches}


def systems(name: str, seed: int) -> tuple[Network, RectifiedSystem, np.random.Generator]:
    generator = np.random.default_rng([seed, *name.encode()])
    net = NETWORKS[name](generator, (0, 2, 6)[seed % 3])
    d = net.input_size
    center = generator.normal(size=d) * 10.0 ** generator.integers(-2, 3)
    radius = generator.uniform(0, 0.3, d) * 10.0 ** generator.integers(-3, 2)
    reach = Reach(center, np.arange(d), center - radius, center + radius)
    return net, rectified(net, reach, WAYS[seed % len(WAYS)]), generator


def units_at(net: Network, exact: ExactNetwork, x: Numbers) -> dict[int, Fraction]:
    """The pre-activation of each scalar unit of kinks, by its number; none for maxima."""
    values, found, first = exact.values(x), {}, 0
    for step in net.steps:
        if isinstance(step.layer, Relu | LeakyRelu | Absolute):
            for place, value in enumerate(values[step.inputs[0]]):
                found[first + place] = value
        if isinstance(step.layer, Relu | LeakyRelu | Absolute | MaxAlong):
            first += int(np.prod(step.layer.shape))
    return found


@pytest.mark.parametrize("seed", range(9))
@pytest.mark.parametrize("name", ["deep", "convolutions"])
def test_forms_are_off_by_no_more_than_their_error(name, seed):
    net, system, generator = systems(name, seed)
    exact = ExactNetwork(net)
    for _ in range(6):
        x = inside(system.reach, generator)
        values = units_at(net, exact, x)
        z_hat = [values[int(number)] for number in system.origin]
        z = [max(value, Fraction(0)) for value in z_hat]
        forms, outputs = pre_activations(system, x, z)
        for true, form, off in zip(z_hat, forms, system.error, strict=True):
            assert abs(true - form) <= Fraction(float(off))
        for true, form, off in zip(exact.outputs(x), outputs, system.output_error, strict=True):
            assert abs(true - form) <= Fraction(float(off))
        for true, low, high in zip(z_hat, system.unit_lower, system.unit_upper, strict=True):
            assert Fraction(float(low)) <= true <= Fraction(float(high))


@pytest.mark.parametrize("seed", range(9))
@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_no_margin_is_below_what_is_proven(name, seed):
    net, system, generator = systems(name, seed)
    exact = ExactNetwork(net)
    rows = [Conjunction(generator.normal(size=(1, 3)), generator.normal(size=1)) for _ in range(4)]
    units = Units.of(system)
    found = Ascent(units).run(rows_of(system, rows, units), relaxed_by(system), 10)
    for point in range(8):
        x = inside(system.reach, generator)
        if point < 4:  # where the bound is attained, but for the relaxation
            x = fractions(system.reach.at(found.points[point : point + 1])[0])
        outputs = exact.outputs(x)
        for row, bound in zip(rows, found.bounds, strict=True):
            margin = dot(fractions(row.matrix[0]), outputs) - Fraction(float(row.bound[0]))
            assert bound == -np.inf or margin >= Fraction(float(bound))


def test_errors_are_those_of_rounding():
    """They are small beside what forms are made of, so that nothing is lost where it matters."""
    for name in ("deep", "convolutions"):
        for seed in range(0, 9, 3):  # of weights of one size
            _, system, _ = systems(name, seed)
            sizes = system.sizes(system.on_input, system.on_units, system.offset)
            assert np.all(system.error <= 1e-12 * (1 + sizes))
