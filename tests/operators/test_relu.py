"""Relu in every opset and rank, on its kinks, and the pattern it gives."""

import numpy as np
import pytest

from onnx_lippa.ir.layers.activation import Relu
from tests.support.graphs import graph_model, load_model, node, normal, one_op, opsets_of
from tests.support.layers import check_model


@pytest.mark.parametrize("opset", opsets_of("Relu"))
def test_every_opset(opset):
    check_model(one_op("Relu", (4,), flatten=False, opset=opset))


@pytest.mark.parametrize("sample", [(1,), (4,), (2, 3), (2, 3, 2)])
def test_every_rank(sample):
    check_model(one_op("Relu", sample))


def test_around_other_layers():
    nodes = [node("Relu", "x", "a"), node("Gemm", "a w c", "b"), node("Relu", "b", "y")]
    check_model(graph_model(nodes, (3,), {"w": normal(1, 3, 4), "c": normal(2, 4)}))


def test_at_the_kink_both_gradients_are_of_the_active_piece():
    model = load_model(one_op("Relu", (3,), flatten=False))
    x = np.array([[0.0, -0.0, -1.0]])
    v = np.array([[2.0, 3.0, 5.0]])
    _, exact = model.network.value_and_gradient(x, v)
    _, compiled = model.gradient.value_and_gradient(x.astype(np.float32), v.astype(np.float32))
    np.testing.assert_array_equal(exact, [[2.0, 3.0, 0.0]])
    np.testing.assert_array_equal(compiled, exact)


def test_pattern_is_one_where_the_preactivation_is_not_negative():
    network = load_model(one_op("Relu", (4,), flatten=False)).network
    pattern = network.pattern(np.array([1.0, 0.0, -0.0, -1e-300]))
    assert pattern.states[0].dtype == np.int8
    np.testing.assert_array_equal(pattern.states[0], [[1, 1, 1, 0]])
    assert network.units == 4


def test_split_bounds_free_one_side_each():
    lower, upper = Relu((3,)).split_bounds(np.array([[1, 0, 1]], np.int8))
    np.testing.assert_array_equal(lower, np.zeros(6))
    np.testing.assert_array_equal(upper, [np.inf, 0, np.inf, 0, np.inf, 0])
