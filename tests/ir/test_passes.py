"""The reverse pass from any value of the network, and the precision of the forward pass."""

import numpy as np
import pytest

from onnx_lippa.ir.algebra import NumpyAlgebra
from onnx_lippa.ir.layers import PiecewiseLayer
from onnx_lippa.ir.network import Network
from onnx_lippa.ir.passes import forward_pass, read_states, transpose_pass
from onnx_lippa.onnx_io import GradientRuntime, gradient_model
from tests.support.layers import assert_near, check_directional_derivatives
from tests.support.networks import conv_net, mlp, residual_net

ALGEBRA = NumpyAlgebra()


NETWORKS = {
    "mlp": lambda: mlp(0, (4, 7, 5, 3)),
    "leaky": lambda: mlp(0, (4, 7, 5, 3), alpha=0.2),
    "conv": lambda: conv_net(0),
    "residual": lambda: residual_net(0),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_vector_jacobian_is_the_directional_derivative(name):
    check_directional_derivatives(NETWORKS[name]())


@pytest.mark.parametrize("name", NETWORKS)
def test_vector_jacobian_products_of_every_value(name):
    """Inside the region, ``value(x + w) - value(x) = J w`` for the value of any step."""
    net = NETWORKS[name]()
    generator = np.random.default_rng(3)
    x = generator.uniform(size=(2, *net.input_shape))
    w = 1e-7 * generator.normal(size=x.shape)
    values = forward_pass(ALGEBRA, net.steps, x)
    moved = forward_pass(ALGEBRA, net.steps, x + w)
    states = read_states(ALGEBRA, net.steps, values)
    for start, value in enumerate(values):
        u = generator.normal(size=value.shape)
        pulled = transpose_pass(ALGEBRA, net.steps, states, start, u)
        assert pulled is not None
        left = np.sum((pulled * w).reshape(2, -1), axis=1)
        right = np.sum((u * (moved[start] - value)).reshape(2, -1), axis=1)
        np.testing.assert_allclose(left, right, rtol=1e-5, atol=1e-14)


def test_rows_of_a_batch_do_not_mix():
    net = residual_net(0)
    generator = np.random.default_rng(0)
    x, v = generator.normal(size=(6, 5)), generator.normal(size=(6, 4))
    logits, gradient = net.value_and_gradient(x, v)
    for row in range(6):
        alone, pulled = net.value_and_gradient(x[row : row + 1], v[row : row + 1])
        assert_near(alone[0], logits[row], 1e-12)
        assert_near(pulled[0], gradient[row], 1e-12)


def test_linear_in_the_weighting():
    net = conv_net(1)
    generator = np.random.default_rng(0)
    x = generator.uniform(size=(1, net.input_size))
    u, v = generator.normal(size=(2, 1, net.output_size))
    mixed = net.value_and_gradient(x, 2.0 * u - v)[1]
    expected = 2.0 * net.value_and_gradient(x, u)[1] - net.value_and_gradient(x, v)[1]
    assert_near(mixed, expected, 1e-12)


def test_precision_follows_the_input():
    net = mlp(0, (4, 6, 3))
    x = np.random.default_rng(0).uniform(size=(2, 4))
    assert net.forward(x).dtype == np.float64
    assert net.forward(x.astype(np.float32)).dtype == np.float32
    assert net.forward(np.ones((2, 4), np.int64)).dtype == np.float64


def test_float32_inputs_still_give_exact_gradients():
    net = mlp(0, (4, 6, 3))
    x = np.random.default_rng(0).uniform(size=(2, 4)).astype(np.float32)
    logits, gradient = net.value_and_gradient(x, np.ones((2, 3)))
    assert logits.dtype == gradient.dtype == np.float64
    exact = net.value_and_gradient(x.astype(np.float64), np.ones((2, 3)))
    np.testing.assert_array_equal(logits, exact[0])
    np.testing.assert_array_equal(gradient, exact[1])


@pytest.mark.parametrize("name", NETWORKS)
def test_compiled_gradient_of_large_batches(name):
    """More rows than go to the runtime at once."""
    net = NETWORKS[name]()
    runtime = GradientRuntime(gradient_model(net).SerializeToString(), net.input_shape)
    generator = np.random.default_rng(0)
    x = generator.uniform(size=(1100, net.input_size)).astype(np.float32)
    v = generator.normal(size=(1100, net.output_size)).astype(np.float32)
    logits, gradient = runtime.value_and_gradient(x, v)
    exact, pulled = net.value_and_gradient(x.astype(np.float64), v.astype(np.float64))
    assert_near(logits, exact, 1e-5)
    clear = ~_near_a_kink(net, x.astype(np.float64))
    assert clear.mean() > 0.95
    assert_near(gradient[clear], pulled[clear], 1e-5)


def _near_a_kink(net: Network, x: np.ndarray) -> np.ndarray:
    """Rows on which float32 may choose another piece."""
    near, values = np.zeros(len(x), bool), net.values(x)
    for step in net.steps:
        if isinstance(step.layer, PiecewiseLayer):
            near |= np.abs(values[step.inputs[0]]).reshape(len(x), -1).min(axis=1) < 1e-5
    return near
