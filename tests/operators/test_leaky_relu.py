"""LeakyRelu with slopes of every kind."""

import numpy as np
import pytest

from tests.support.graphs import graph_model, load_model, node, normal, one_op, opsets_of
from tests.support.layers import check_model


@pytest.mark.parametrize("opset", opsets_of("LeakyRelu"))
def test_every_opset(opset):
    check_model(one_op("LeakyRelu", (4,), flatten=False, opset=opset, alpha=0.2))


@pytest.mark.parametrize("alpha", [0.0, 0.01, 0.1, 1.0, 1.5, -0.3])
def test_every_kind_of_slope(alpha):
    check_model(one_op("LeakyRelu", (2, 3), alpha=alpha))


def test_slope_has_the_default_of_the_standard():
    network = load_model(one_op("LeakyRelu", (1,), flatten=False)).network
    np.testing.assert_allclose(network.forward(np.array([[-1.0]])), [[-0.01]], rtol=1e-6)


def test_around_other_layers():
    nodes = [
        node("LeakyRelu", "x", "a", alpha=0.3),
        node("Gemm", "a w c", "b"),
        node("LeakyRelu", "b", "y", alpha=2.0),
    ]
    check_model(graph_model(nodes, (3,), {"w": normal(1, 3, 4), "c": normal(2, 4)}))
