"""Pre-activations that are 0 but for rounding are no units."""

from __future__ import annotations

import numpy as np
import pytest

from onnx_lippa.bounds.domain import InputDomain
from onnx_lippa.bounds.reduced.build import reduce_network
from onnx_lippa.bounds.reduced.reduction import Tightening
from onnx_lippa.spec import StatedSet, get_norm
from tests.support.graphs import graph_model, load_model, node, normal


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
