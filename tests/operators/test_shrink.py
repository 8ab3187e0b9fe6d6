"""Shrink as soft thresholding, which PyTorch exports for Softshrink."""

import numpy as np
import pytest

from tests.support.graphs import graph_model, load_model, node, normal, one_op, opsets_of
from tests.support.layers import check_model, refusal


@pytest.mark.parametrize("opset", opsets_of("Shrink", since=9))
def test_every_opset(opset):
    check_model(one_op("Shrink", (2, 3), opset=opset, lambd=0.5, bias=0.5))


@pytest.mark.parametrize("threshold", [0.0, 1e-6, 0.3, 1.0, 50.0])
def test_every_threshold(threshold):
    check_model(one_op("Shrink", (4,), lambd=threshold, bias=threshold))


def test_at_and_between_the_kinks():
    model = load_model(one_op("Shrink", (5,), flatten=False, lambd=0.5, bias=0.5))
    x = np.array([[-1.5, -0.5, 0.25, 0.5, 2.0]])
    np.testing.assert_array_equal(model.network.forward(x), [[-1.0, 0.0, 0.0, 0.0, 1.5]])
    assert model.network.units == 10


def test_between_other_layers():
    nodes = [
        node("Gemm", "x w", "a"),
        node("Shrink", "a", "b", lambd=0.4, bias=0.4),
        node("Gemm", "b v", "y"),
    ]
    check_model(graph_model(nodes, (3,), {"w": normal(1, 3, 6), "v": normal(2, 6, 2)}))


@pytest.mark.parametrize("attributes", [{}, {"lambd": 0.5, "bias": 0.4}, {"lambd": -1, "bias": -1}])
def test_refuses_jumps(attributes):
    wanted = {name: float(value) for name, value in attributes.items()}
    assert "jumps" in refusal(one_op("Shrink", (3,), **wanted)).reason
