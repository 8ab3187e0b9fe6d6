"""The maximum along any axis, in any place."""

import numpy as np
import pytest

from onnx_lippa.ir.layers.reduce_max import ReduceMax
from onnx_lippa.ir.network import Network
from onnx_lippa.ir.passes import Step
from onnx_lippa.onnx_io import gradient_model
from onnx_lippa.onnx_io.runtime import GradientRuntime
from tests.support.layers import assert_near, check_layer

SOURCES = [((5,), 0), ((1,), 0), ((3, 5), 0), ((3, 5), 1), ((2, 3, 40), 1), ((2, 3, 2, 2), 1)]


@pytest.mark.parametrize(("source", "axis"), SOURCES)
def test_statements(source, axis):
    layer = ReduceMax(source, axis)
    assert layer.shape == (*source[:axis], *source[axis + 1 :])
    check_layer(layer, (source,))


@pytest.mark.parametrize(("source", "axis"), SOURCES)
def test_compiled_gradient(source, axis):
    layer = ReduceMax(source, axis)
    network = Network(source, (Step("m", "Max", "m", layer, (0,)),))
    graph = gradient_model(network).SerializeToString()
    compiled = GradientRuntime(graph, source, np.dtype(np.float32), 1)
    generator = np.random.default_rng(3)
    x = generator.choice([-1.0, 0.0, 1.0], size=(6, network.input_size)).astype(np.float32)
    v = generator.normal(size=(6, network.output_size)).astype(np.float32)
    logits, gradient = compiled.value_and_gradient(x, v)
    exact, pulled = network.value_and_gradient(x.astype(np.float64), v.astype(np.float64))
    np.testing.assert_array_equal(logits, exact)
    assert_near(gradient, pulled, 1e-6)
