"""Reduced networks equal their network, and nothing escapes what is proven of them."""

from __future__ import annotations

import time
from collections.abc import Iterable

import numpy as np
import pytest

from onnx_lippa import load
from onnx_lippa.bounds.domain import InputDomain
from onnx_lippa.bounds.dual.ascent import Ascent
from onnx_lippa.bounds.dual.objectives import Objectives, Units
from onnx_lippa.bounds.reduced.build import reduce_network
from onnx_lippa.bounds.reduced.reduction import Tightening, TooLargeError, relax_units
from onnx_lippa.clock import OutOfTimeError
from onnx_lippa.spec import InputSet, StatedSet, get_norm
from tests.support.bounds import NORMS, network_named, networks, points_of, random_sets
from tests.support.graphs import graph_model, load_model, node, normal
from tests.support.paths import EXPORTS

WAYS = (
    Tightening(),
    Tightening(steps=8),
    Tightening(linear=False),
    Tightening(linear=False, eliminate=False),
    Tightening(eliminate=False),
)


def check(network, inputs: InputSet, ways: Iterable[Tightening], seed: int) -> None:
    x = points_of(inputs, network, seed, 300)
    outputs = network.forward(x)
    for tightening in ways:
        check_reduced(network, inputs, tightening, seed, x, outputs)


def check_reduced(network, inputs: InputSet, tightening: Tightening, seed: int, x, outputs) -> None:
    reduced = reduce_network(network, InputDomain.of(inputs), tightening)
    size = 1 + np.abs(outputs).max()
    if reduced.exact:
        e = reduced.restrict(x)
        np.testing.assert_allclose(reduced.forward(e), outputs, atol=1e-9 * size)
        np.testing.assert_allclose(reduced.embed(e), x, atol=1e-12)
        z_hat = reduced.pre_activations(e)
        room = 1e-9 * (1 + np.abs(z_hat).max(initial=0.0))
        assert np.all(z_hat >= reduced.unit_lower - room)
        assert np.all(z_hat <= reduced.unit_upper + room)
    if tightening.eliminate:
        assert np.all(reduced.unit_lower < 0)
        assert np.all(reduced.unit_upper > 0)
    for first, end in zip(reduced.starts, reduced.starts[1:], strict=False):
        assert not np.any(reduced.on_units[first:end, first:])
    rows = np.random.default_rng(seed).normal(size=(6, network.output_size))
    units = Units.of(reduced)
    objectives = Objectives.of(
        units,
        rows @ reduced.outputs_on_input,
        rows @ reduced.outputs_on_units,
        rows @ reduced.outputs_offset,
    )
    least = (outputs @ rows.T).min(axis=0)
    for steps in (0, 15):
        found = Ascent(units).run(objectives, relax_units(reduced), steps)
        assert np.all(found.bounds <= least + 1e-9 * size)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("name", sorted(networks()))
def test_small_networks(name, norm):
    network = network_named(name)
    for seed, inputs in enumerate(random_sets(7, network.input_size, norm, 2)):
        check(network, inputs, WAYS, seed)


@pytest.mark.slow
@pytest.mark.parametrize("path", EXPORTS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_real_exports(path):
    if path.parent.name == "quantized":
        pytest.skip("quantised models are refused")
    network = load(path).network
    for norm in ("linf", "l2"):
        for inputs in random_sets(3, network.input_size, norm, 1, largest=0.1):
            check(network, inputs, [Tightening(steps=4)], 0)


@pytest.mark.parametrize("name", sorted(networks()))
def test_a_point_is_its_own_value(name):
    """Without room nothing is undecided, or all of it is so by rounding alone."""
    network = network_named(name)
    (inputs,) = random_sets(2, network.input_size, "linf", 1, largest=0.0)
    reduced = reduce_network(network, InputDomain.of(inputs), Tightening())
    value = network.forward(inputs.center[None])[0]
    middle = np.clip(inputs.center[reduced.domain.free], reduced.lower[: reduced.domain.free.size],
                     reduced.upper[: reduced.domain.free.size])  # fmt: skip
    if reduced.exact:
        np.testing.assert_allclose(reduced.forward(middle[None])[0], value, atol=1e-9)


def test_limits_are_errors_of_their_own():
    network = network_named("conv 9")
    (inputs,) = random_sets(4, network.input_size, "linf", 1)
    with pytest.raises(TooLargeError, match="undecided units"):
        reduce_network(network, InputDomain.of(inputs), Tightening(memory=10))
    with pytest.raises(OutOfTimeError, match="time"):
        reduce_network(network, InputDomain.of(inputs), Tightening(deadline=time.monotonic() - 1))


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_the_larger_of_two_equal_values(scale):
    """The differences of a max-pool's entries are often exactly 0, and each became a unit."""
    nodes = [
        node("MatMul", "x w", "a"),
        node("MatMul", "x w", "b"),
        node("Max", "a b", "m"),
        node("MatMul", "m v", "y"),
    ]
    constants = {"w": scale * normal(1, 4, 5), "v": normal(2, 5, 3)}
    network = load_model(graph_model(nodes, (4,), constants)).network
    inputs = StatedSet(np.full(4, 0.5), get_norm("linf"), 0.25, np.zeros(4), np.ones(4))
    reduced = reduce_network(network, InputDomain.of(inputs), Tightening())
    assert reduced.units == 0
    x = np.random.default_rng(0).uniform(0.25, 0.75, (50, 4))
    off = np.abs(reduced.forward(x) - network.forward(x))
    assert np.all(off <= reduced.outputs_error + 1e-12 * scale)
