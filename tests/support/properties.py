"""Properties of any imported network, for tests and for ``random_graphs --check``."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx

from onnx_lippa.ir.layers.select import Select
from onnx_lippa.lp.engine import Optimum
from onnx_lippa.lp.region import LinearRegion
from onnx_lippa.onnx_io import Model, gradient_model
from tests.support import layers as checks
from tests.support.engines import Comparison
from tests.support.layers import EXACT, FLOAT32, assert_near, build_inputs
from tests.support.regions import RegionQuery

MOST_FACES = 400
"""Faces of a network that is small enough for the engines to be compared on it."""
ROUNDING = 1e-9
"""Slack below zero that rounding explains, relative to the largest slack."""


def check_values(model: Model) -> None:
    """The network agrees with ONNX Runtime, and its gradient with differences."""
    checks.check_forward(model)
    checks.check_directional_derivatives(model.network)


def check_compiled(model: Model) -> None:
    """The compiled gradient is the exact one, up to rounding of the terms that are summed up.

    In a random graph they may cancel, so each score's own gradient states the scale.
    """
    network = model.network
    onnx.checker.check_model(gradient_model(network), full_check=True)
    generator = np.random.default_rng([network.output_size, network.input_size])
    units = np.eye(network.output_size)
    for rows in (1, 5):
        x = build_inputs(network, rows)
        v = generator.normal(size=(rows, network.output_size)).astype(np.float32)
        logits, gradient = model.gradient.value_and_gradient(x, v)
        exact, pulled = network.value_and_gradient(x.astype(np.float64), v.astype(np.float64))
        assert_near(logits, exact, FLOAT32)
        parts = [
            network.value_and_gradient(np.repeat(row[None], len(units), axis=0), units)[1]
            for row in x.astype(np.float64)
        ]
        scale = max(np.max(np.abs(row) @ np.abs(part)) for row, part in zip(v, parts, strict=True))
        assert gradient.shape == pulled.shape
        np.testing.assert_allclose(gradient, pulled, rtol=0.0, atol=FLOAT32 * max(scale, 1e-12))


def check_regions(model: Model) -> None:
    """Regions contain the inputs they are taken from, and their affine maps are the network's."""
    network = model.network
    generator = np.random.default_rng([network.input_size, network.output_size])
    weights = np.eye(network.output_size)
    for x in build_inputs(network, 3).astype(np.float64):
        region = LinearRegion.of(network, x)
        here = region.evaluate(x[None])
        largest = np.max(np.abs(here.slacks), initial=0.0)
        assert region.contains(x, ROUNDING * largest), "the region does not contain its own input"
        assert_near(here.outputs, network.forward(x[None]), EXACT)
        gradient = region.gradient(weights)
        _, pulled = network.value_and_gradient(np.repeat(x[None], len(weights), axis=0), weights)
        assert_near(gradient, pulled, EXACT)
        moves = generator.normal(size=(4, x.size))
        there = region.evaluate(x + moves)
        assert_near(there.outputs, here.outputs + moves @ gradient.T, ROUNDING)
        if not region.faces:
            continue
        rows = region.face_rows(np.arange(region.faces))
        assert_near(there.slacks, here.slacks + moves @ rows.T, ROUNDING)
        outputs = network.forward(x + moves)
        inside = np.all(there.slacks >= 0, axis=1)
        assert_near(there.outputs[inside], outputs[inside], EXACT)


class _Comparison(Comparison):
    """The engines, where the network may jump on a face between two regions."""

    def check_point(self, case: RegionQuery, optimum: Optimum) -> None:
        """On a face the network may be on the other side of the jump."""
        if not any(isinstance(step.layer, Select) for step in self.network.steps):
            super().check_point(case, optimum)


def check_engines(model: Model, norm: str = "linf", regions: int = 3) -> None:
    """Both engines find the same least margin in regions that a ball meets."""
    network = model.network
    faces = LinearRegion.of(network, np.zeros(network.input_size)).faces
    if faces <= MOST_FACES:
        comparison = _Comparison(network, norm, "margin")
        comparison.run([network.input_size, faces], sets=1, regions=regions)


PROPERTIES: dict[str, Callable[[Model], None]] = {
    "values": check_values,
    "compiled": check_compiled,
    "layers": lambda model: checks.check_layers(model.network),
    "regions": check_regions,
    "engines": check_engines,
}
