"""The check of an import against ONNX Runtime: blind to rounding, not to faults."""

import numpy as np
import pytest

from onnx_lippa.errors import ModelError, ModelMismatchError
from onnx_lippa.ir.algebra import NumpyAlgebra
from onnx_lippa.ir.layers.activation import Activation, LeakyRelu, Relu
from onnx_lippa.ir.layers.elementwise import WeightedSum
from onnx_lippa.ir.layers.linear_map import LinearMap
from onnx_lippa.ir.network import OutputActivation
from tests.support.graphs import graph_model, load_model, node, normal, one_op, with_batch


def two_layers(scale=1.0, **options):
    """Gemm, Relu, Gemm, Add."""
    nodes = [
        node("Gemm", "x w b", "h"),
        node("Relu", "h", "r"),
        node("Gemm", "r v", "g"),
        node("Add", "g c", "y"),
    ]
    constants = {
        "w": scale * normal(1, 6, 8),
        "b": normal(2, 8),
        "v": scale * normal(3, 8, 3),
        "c": normal(4, 3),
    }
    return graph_model(nodes, (6,), constants, **options)


@pytest.mark.parametrize("batch", ["batch", 1])
@pytest.mark.parametrize(
    ("kind", "corrupt", "step"),
    [
        (LinearMap, lambda y: y * 1.001, "step 1, Gemm 'gemm_h'"),
        (LinearMap, lambda y: y[..., ::-1].copy(), "step 1, Gemm 'gemm_h'"),
        (LinearMap, lambda y: y + 0.01, "step 1, Gemm 'gemm_h'"),
        (LinearMap, lambda y: y * np.nan, "step 1, Gemm 'gemm_h'"),
        (Relu, abs, "step 2, Relu 'relu_r'"),
        (Relu, lambda y: np.where(y > 1, 1, y), "step 2, Relu 'relu_r'"),
    ],
)
def test_a_wrong_layer_is_named(monkeypatch, batch, kind, corrupt, step):
    original = kind.forward

    def wrong(self, algebra, *inputs):
        result = original(self, algebra, *inputs)
        if kind is Relu:
            result = inputs[0]
        return corrupt(result) if isinstance(algebra, NumpyAlgebra) else result

    monkeypatch.setattr(kind, "forward", wrong)
    with pytest.raises(ModelMismatchError) as caught:
        load_model(with_batch(two_layers(), batch))
    assert step in str(caught.value)
    assert "differs from ONNX Runtime" in str(caught.value)
    assert "please report it" in str(caught.value)
    assert caught.value.exit_code == 3


def test_a_wrong_sign_in_a_residual_is_named(monkeypatch):
    monkeypatch.setattr(WeightedSum, "linear", lambda self, algebra, a, b: algebra.add(a, a))
    nodes = [
        node("Gemm", "x w", "a"),
        node("Relu", "a", "b"),
        node("Sub", "b x", "c"),
        node("Relu", "c", "y"),
    ]
    with pytest.raises(ModelMismatchError, match=r"step 3, Sub 'sub_c'"):
        load_model(graph_model(nodes, (3,), {"w": normal(1, 3, 3)}))


def test_a_wrong_slope_is_named(monkeypatch):
    def wrong(self, shape, alpha):
        Activation.__init__(self, shape, 0.5, 1.0)

    monkeypatch.setattr(LeakyRelu, "__init__", wrong)
    nodes = [node("Gemm", "x w", "a"), node("LeakyRelu", "a", "y", alpha=0.49)]
    with pytest.raises(ModelMismatchError, match=r"step 2, LeakyRelu 'leakyrelu_y'"):
        load_model(graph_model(nodes, (3,), {"w": normal(1, 3, 3)}))


def test_a_layer_of_the_wrong_size_is_named(monkeypatch):
    original = LinearMap.forward

    def short(self, algebra, *inputs):
        return original(self, algebra, *inputs)[..., :-1]

    monkeypatch.setattr(LinearMap, "forward", short)
    with pytest.raises(ModelMismatchError, match="3 outputs a sample in ONNX Runtime, but 2"):
        load_model(one_op("Gemm", (4,), "x", normal(1, 4, 3), flatten=False))


def test_a_layer_of_the_wrong_inner_size_is_named(monkeypatch):
    monkeypatch.setattr(Relu, "forward", lambda self, algebra, x: x[..., :1])
    nodes = [node("Relu", "x", "a"), node("MatMul", "a w", "y")]
    monkeypatch.setattr(
        LinearMap, "forward", lambda self, algebra, x: np.repeat(np.sum(x, -1, keepdims=True), 2, 1)
    )
    with pytest.raises(ModelMismatchError, match=r"step 1, Relu 'relu_a'"):
        load_model(graph_model(nodes, (3,), {"w": np.ones((3, 2), np.float32)}))


def test_a_wrong_output_activation_is_named(monkeypatch):
    monkeypatch.setattr(OutputActivation, "apply", lambda self, logits: logits)
    nodes = [node("Gemm", "x w", "a"), node("Softmax", "a", "y")]
    with pytest.raises(ModelMismatchError, match="the final Softmax differs"):
        load_model(graph_model(nodes, (3,), {"w": normal(1, 3, 3)}))


@pytest.mark.parametrize("output_activation", ["Softmax", "LogSoftmax"])
def test_saturated_probabilities_hide_no_fault(monkeypatch, output_activation):
    original = LinearMap.forward

    def wrong(self, algebra, x):
        scores = original(self, algebra, x)
        return scores * np.where(scores == scores.max(axis=1, keepdims=True), 1.0, 1.1)

    monkeypatch.setattr(LinearMap, "forward", wrong)
    nodes = [node("Gemm", "x w", "a"), node(output_activation, "a", "y")]
    weights = 1e4 * np.array([[1, 2, 3]] * 4, np.float32)
    with pytest.raises(ModelMismatchError, match=r"step 1, Gemm 'gemm_a'"):
        load_model(graph_model(nodes, (4,), {"w": weights}), lower=0.5)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e3, 1e6, 1e12])
def test_honest_weights_of_every_size(scale):
    load_model(two_layers(scale))


@pytest.mark.parametrize("output_activation", ["Softmax", "LogSoftmax"])
@pytest.mark.parametrize("scale", [1.0, 1e3, 1e6])
def test_honest_output_activations_of_large_logits(output_activation, scale):
    nodes = [node("Gemm", "x w", "h"), node("Relu", "h", "r"), node("Gemm", "r v", "g")]
    constants = {"w": scale * normal(1, 30, 50), "v": normal(2, 50, 10)}
    nodes.append(node(output_activation, "g", "y"))
    load_model(graph_model(nodes, (30,), constants))


@pytest.mark.parametrize("seed", range(5))
def test_honest_deep_networks_of_large_weights(seed):
    nodes, constants, last = [], {}, "x"
    for depth in range(10):
        constants[f"w{depth}"] = 30.0 * normal(seed + depth, 40, 40)
        nodes.append(node("Gemm", f"{last} w{depth}", f"h{depth}"))
        nodes.append(node("Relu", f"h{depth}", f"r{depth}"))
        last = f"r{depth}"
    nodes.append(node("Identity", last, "y"))
    load_model(graph_model(nodes, (40,), constants))


@pytest.mark.parametrize("offset", [1e3, 1e5, 1e7])
def test_honest_cancellation(offset):
    """Large terms that cancel leave a rounding error far above that of the result."""
    nodes = [
        node("Gemm", "x w b", "h"),
        node("Relu", "h", "r"),
        node("Gemm", "r v d", "y"),
    ]
    v = normal(3, 16, 3)
    constants = {
        "w": normal(1, 8, 16),
        "b": np.full(16, offset, np.float32),
        "v": v,
        "d": (-offset * v.astype(np.float64).sum(axis=0)).astype(np.float32),
    }
    load_model(graph_model(nodes, (8,), constants))


def test_outputs_that_overflow_are_no_fault_of_the_import():
    nodes = [node("Gemm", "x w", "a"), node("Gemm", "a w", "y")]
    model = graph_model(nodes, (3,), {"w": np.full((3, 3), 1e30, np.float32)})
    with pytest.raises(ModelError, match=r"NaN or infinite outputs") as caught:
        load_model(model)
    assert not isinstance(caught.value, ModelMismatchError)
    assert "onnx-lippa" not in str(caught.value)


@pytest.mark.parametrize(
    "domain",
    [
        (-1.0, 1.0),
        (0.0, 255.0),
        (-np.inf, np.inf),
        (-1e4, 0.0),
        (5.0, np.inf),
        (-np.inf, -5.0),
        (2.0, 2.0),
    ],
)
def test_domains(domain):
    lower, upper = domain
    load_model(two_layers(), lower=lower, upper=upper)


@pytest.mark.parametrize(
    ("domain", "seen"),
    [
        ((0.0, 1.0), False),
        ((-1.0, 0.0), True),
        ((3.0, np.inf), False),
        ((-np.inf, -3.0), True),
        ((-np.inf, np.inf), True),
    ],
)
def test_points_are_drawn_from_the_domain(monkeypatch, domain, seen):
    """A fault on one side of a kink shows where the domain reaches it, and only there."""
    monkeypatch.setattr(Relu, "forward", lambda self, algebra, x: x)
    lower, upper = domain
    model = one_op("Relu", (3,), flatten=False)
    if seen:
        with pytest.raises(ModelMismatchError, match="Relu"):
            load_model(model, lower=lower, upper=upper)
    else:
        load_model(model, lower=lower, upper=upper)
