"""Clip: bounds of every form, left out, infinite and the wrong way round."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onnx_lippa.errors import ModelError
from onnx_lippa.ir.algebra import NumpyAlgebra
from onnx_lippa.ir.layers.activation import MaxWithConstant, MinWithConstant
from tests.support.graphs import graph_model, load_model, node, normal, one_op, opsets_of
from tests.support.layers import assert_near, check_layer, check_model, refusal

LARGEST = float(np.finfo(np.float32).max)


def clip(low, high, sample=(2, 3), opset=17):
    """A clip between two bounds, None where one is left out, in the form of the opset."""
    if opset < 11:
        bounds = {k: v for k, v in (("min", low), ("max", high)) if v is not None}
        return one_op("Clip", sample, opset=opset, **bounds)
    operands = [None if bound is None else np.float32(bound) for bound in (low, high)]
    return one_op("Clip", sample, "x", *operands, opset=opset)


@pytest.mark.parametrize("opset", opsets_of("Clip"))
@pytest.mark.parametrize(
    ("low", "high"),
    [(0.0, 6.0), (-0.3, 0.4), (None, 0.25), (-0.5, None), (None, None), (0.0, None), (0.3, 0.3)],
)
def test_every_opset(opset, low, high):
    network = check_model(clip(low, high, opset=opset))
    assert network.units == 6 * (low is not None) + 6 * (high is not None)


@pytest.mark.parametrize("opset", opsets_of("Clip", since=11))
def test_bounds_the_wrong_way_round(opset):
    model = clip(0.5, -0.25, opset=opset)
    network = check_model(model)
    np.testing.assert_array_equal(network.forward(normal(1, 4, 6)), np.full((4, 6), -0.25))


def test_attributes_the_wrong_way_round_are_refused_by_the_runtime():
    with pytest.raises(ModelError, match="ONNX Runtime does not accept the model"):
        load_model(clip(0.5, -0.25, opset=7))


@pytest.mark.parametrize("opset", opsets_of("Clip"))
@pytest.mark.parametrize(
    ("low", "high", "units"),
    [(-np.inf, 0.5, 6), (0.0, np.inf, 6), (-np.inf, np.inf, 0), (-LARGEST, LARGEST, 0),
     (0.0, LARGEST, 6)],
)  # fmt: skip
def test_bounds_that_are_none(opset, low, high, units):
    assert check_model(clip(low, high, opset=opset)).units == units


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.floats(-1, 1, width=32), st.floats(-1, 1, width=32), st.sampled_from([7, 11, 13]))
def test_any_bounds(low, high, opset):
    low, high = (low, high) if opset > 10 else sorted((low, high))
    check_model(clip(low, high, (3,), opset), batches=("batch",))


@pytest.mark.parametrize("far", [1e3, 1e6, 1e12, 1e30])
def test_far_bounds_round_nothing_off(far):
    model = load_model(clip(-far, far, (4,)))
    x = normal(1, 5, 4)
    np.testing.assert_array_equal(model.network.forward(x), x)
    logits, gradient = model.gradient.value_and_gradient(x, np.ones_like(x))
    np.testing.assert_array_equal(logits, x)
    np.testing.assert_array_equal(gradient, np.ones_like(x))


def test_on_the_bounds():
    """A unit on a bound counts as above it, where Clip is the larger slope or the smaller."""
    network = load_model(clip(-1.0, 1.0, (3,))).network
    x = np.array([[-1.0, 1.0, 0.0]])
    values, gradient = network.value_and_gradient(x, np.ones((1, 3)))
    np.testing.assert_array_equal(values, x)
    np.testing.assert_array_equal(gradient, [[1.0, 0.0, 1.0]])


def test_relu6_between_other_layers():
    nodes = [
        node("Gemm", "x w", "a"),
        node("Clip", "a low high", "b"),
        node("Gemm", "b v", "y"),
    ]
    constants = {"w": 5.0 * normal(1, 3, 8), "v": normal(2, 8, 2), "low": np.float32(0.0),
                 "high": np.float32(6.0)}  # fmt: skip
    check_model(graph_model(nodes, (3,), constants))


def test_a_bound_of_one_entry():
    check_model(one_op("Clip", (3,), "x", np.zeros(1, np.float32), flatten=False))


def test_the_bounds_may_be_folded():
    nodes = [node("Log", "zero", "low"), node("Clip", "x low top", "y")]
    constants = {"zero": np.float32(0.0), "top": np.float32(0.5)}
    assert check_model(graph_model(nodes, (3,), constants)).units == 3


@pytest.mark.parametrize("kind", [MaxWithConstant, MinWithConstant])
@pytest.mark.parametrize("bound", [0.0, 1.0, -1.0, [1.0, -1.0, 0.0], [[1.0], [0.0]]])
def test_statements_of_the_layers(kind, bound):
    layer = kind((2, 3), np.array(bound))
    check_layer(layer, ((2, 3),))
    x = normal(1, 4, 2, 3).astype(np.float64)
    choose = np.maximum if kind is MaxWithConstant else np.minimum
    assert_near(layer.forward(NumpyAlgebra(), x), choose(x, np.array(bound)), 0.0)


def test_refuses_a_computed_bound():
    nodes = [node("Reshape", "x s", "b"), node("Clip", "x b", "y")]
    problem = refusal(graph_model(nodes, (1,), {"s": np.array([], np.int64)}))
    assert "bound min must be a constant" in problem.reason


@pytest.mark.parametrize("bound", [np.float32(np.nan), np.ones(2, np.float32)])
def test_refuses_a_bound_that_is_no_number(bound):
    nodes = [node("Sqrt", "c", "b"), node("Clip", "x b", "y")]
    squared = -np.float32(1.0) if np.isnan(bound).any() else bound
    problem = refusal(graph_model(nodes, (3,), {"c": np.asarray(squared)}))
    assert problem.op == "Clip"
    assert "bound min must be one number" in problem.reason


def test_old_form_says_which_opset_to_export():
    assert "opset 6" in refusal(one_op("Clip", (3,), opset=5, min=0.0)).reason
