"""What must hold for any imported network; the tests and ``tools/random_graphs --check`` use it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from onnx_lippa.layers.switch import Switch
from onnx_lippa.onnx_io import Model
from onnx_lippa.regions import LinearRegion, Optimum
from tests.layers.checks import (
    EXACT,
    assert_near,
    check_layer,
    check_loaded,
    input_shapes,
    inputs_of,
)
from tests.regions.cases import Asked
from tests.regions.test_engines_agree import Comparison

MOST_FACES = 400
"""Faces of a network that is small enough for the engines to be compared on it."""
ROUNDING = 1e-9
"""Slack below zero that rounding explains, relative to the largest slack."""


def check_layers(model: Model) -> None:
    """Each layer's statements about itself."""
    network = model.network
    for step, shapes in zip(network.steps, input_shapes(network), strict=True):
        check_layer(step.layer, shapes)


def check_regions(model: Model) -> None:
    """Regions contain the inputs they are taken from, and their affine maps are the network's."""
    network = model.network
    generator = np.random.default_rng([network.input_size, network.output_size])
    weights = np.eye(network.output_size)
    for x in inputs_of(network, 3).astype(np.float64):
        region = LinearRegion.of(network, x)
        here = region.evaluate(x[None])
        largest = np.max(np.abs(here.slacks), initial=0.0)
        assert region.contains(x, ROUNDING * largest), "the region does not contain its own input"
        assert_near(here.outputs, network.forward(x[None]), EXACT)
        gradient = region.gradient(weights)
        _, pulled = network.vector_jacobian(np.repeat(x[None], len(weights), axis=0), weights)
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

    def check_point(self, case: Asked, optimum: Optimum) -> None:
        """On a face the network may be on the other side of the jump."""
        if not any(isinstance(step.layer, Switch) for step in self.network.steps):
            super().check_point(case, optimum)


def check_engines(model: Model, norm: str = "linf", regions: int = 3) -> None:
    """Both engines find the same least margin in regions that a ball meets."""
    network = model.network
    faces = LinearRegion.of(network, np.zeros(network.input_size)).faces
    if faces <= MOST_FACES:
        comparison = _Comparison(network, norm, "margin")
        comparison.run([network.input_size, faces], questions=1, regions=regions)


PROPERTIES: dict[str, Callable[[Model], None]] = {
    "values and gradients": check_loaded,
    "layers": check_layers,
    "regions": check_regions,
    "engines": check_engines,
}
