"""Rectified systems equal their network, and nothing escapes what is proven of them."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from onnx_lippa import load
from onnx_lippa.bounds.dual.ascent import Ascent
from onnx_lippa.bounds.dual.dual import Objectives, Units
from onnx_lippa.bounds.reduced.build import rectified
from onnx_lippa.bounds.reduced.domain import Reach
from onnx_lippa.bounds.reduced.folding import Tightening, TooLargeError, relaxed_by
from onnx_lippa.bounds.reduced.system import RectifiedSystem
from onnx_lippa.clock import OutOfTimeError
from onnx_lippa.spec import InputSet
from tests.support.bounds import NORMS, network_named, networks, points_of, random_sets

EXPORTS = sorted(Path(__file__).parents[2].glob("exports/*/*.onnx"))
WAYS = (
    Tightening(),
    Tightening(steps=8),
    Tightening(linear=False),
    Tightening(linear=False, fold=False),
    Tightening(fold=False),
)


def reduced(system: RectifiedSystem, x: np.ndarray) -> np.ndarray:
    return x[:, system.reach.free]


def check(network, inputs: InputSet, tightening: Tightening, seed: int) -> None:
    system = rectified(network, Reach.of(inputs), tightening)
    x = points_of(inputs, network, seed, 300)
    outputs = network.forward(x)
    size = 1 + np.abs(outputs).max()
    if system.exact:
        e = reduced(system, x)
        np.testing.assert_allclose(system.outputs(e), outputs, atol=1e-9 * size)
        np.testing.assert_allclose(system.whole(e), x, atol=1e-12)
        z_hat = system.pre_activations(e)
        room = 1e-9 * (1 + np.abs(z_hat).max(initial=0.0))
        assert np.all(z_hat >= system.unit_lower - room)
        assert np.all(z_hat <= system.unit_upper + room)
    if tightening.fold:
        assert np.all(system.unit_lower < 0)
        assert np.all(system.unit_upper > 0)
    for first, end in zip(system.starts, system.starts[1:], strict=False):
        assert not np.any(system.on_units[first:end, first:])
    rows = np.random.default_rng(seed).normal(size=(6, network.output_size))
    units = Units.of(system)
    objectives = Objectives.of(
        units,
        rows @ system.outputs_on_input,
        rows @ system.outputs_on_units,
        rows @ system.outputs_offset,
    )
    least = (outputs @ rows.T).min(axis=0)
    for steps in (0, 15):
        found = Ascent(units).run(objectives, relaxed_by(system), steps)
        assert np.all(found.bounds <= least + 1e-9 * size)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("name", sorted(networks()))
def test_small_networks(name, norm):
    network = network_named(name)
    for seed, inputs in enumerate(random_sets(7, network.input_size, norm, 2)):
        for tightening in WAYS:
            check(network, inputs, tightening, seed)


@pytest.mark.slow
@pytest.mark.parametrize("path", EXPORTS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_real_exports(path):
    if path.parent.name == "quantized":
        pytest.skip("quantised models are refused")
    network = load(path).network
    for norm in ("linf", "l2"):
        for inputs in random_sets(3, network.input_size, norm, 1, largest=0.1):
            check(network, inputs, Tightening(steps=4), 0)


@pytest.mark.parametrize("name", sorted(networks()))
def test_a_point_is_its_own_value(name):
    """Without room nothing is undecided, or all of it is so by rounding alone."""
    network = network_named(name)
    (inputs,) = random_sets(2, network.input_size, "linf", 1, largest=0.0)
    system = rectified(network, Reach.of(inputs), Tightening())
    value = network.forward(inputs.center[None])[0]
    middle = np.clip(inputs.center[system.reach.free], system.lower[: system.reach.free.size],
                     system.upper[: system.reach.free.size])  # fmt: skip
    if system.exact:
        np.testing.assert_allclose(system.outputs(middle[None])[0], value, atol=1e-9)


def test_limits_are_errors_of_their_own():
    network = network_named("conv 9")
    (inputs,) = random_sets(4, network.input_size, "linf", 1)
    with pytest.raises(TooLargeError, match="undecided units"):
        rectified(network, Reach.of(inputs), Tightening(memory=10))
    with pytest.raises(OutOfTimeError, match="time"):
        rectified(network, Reach.of(inputs), Tightening(deadline=time.monotonic() - 1))
