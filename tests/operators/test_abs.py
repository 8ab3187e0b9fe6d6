"""Abs."""

import numpy as np
import pytest

from tests.support.graphs import graph_model, load_model, node, normal, one_op, opsets_of
from tests.support.layers import check_model


@pytest.mark.parametrize("opset", opsets_of("Abs"))
@pytest.mark.parametrize("sample", [(1,), (4,), (2, 3)])
def test_every_opset(opset, sample):
    network = check_model(one_op("Abs", sample, opset=opset))
    assert network.units == np.prod(sample)


def test_at_zero_it_rises():
    network = load_model(one_op("Abs", (3,), flatten=False)).network
    x = np.array([[0.0, -0.0, -2.0]])
    values, gradient = network.value_and_gradient(x, np.ones((1, 3)))
    np.testing.assert_array_equal(values, np.abs(x))
    np.testing.assert_array_equal(gradient, [[1.0, 1.0, -1.0]])


def test_between_other_layers():
    nodes = [node("Gemm", "x w", "a"), node("Abs", "a", "b"), node("Gemm", "b v", "y")]
    check_model(graph_model(nodes, (3,), {"w": normal(1, 3, 5), "v": normal(2, 5, 2)}))
