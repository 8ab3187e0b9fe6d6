"""HardSigmoid."""

import pytest

from tests.support.graphs import graph_model, node, normal, one_op, opsets_of
from tests.support.layers import check_model


@pytest.mark.parametrize("opset", opsets_of("HardSigmoid"))
def test_every_opset(opset):
    check_model(one_op("HardSigmoid", (2, 3), opset=opset))


@pytest.mark.parametrize(
    ("alpha", "beta"), [(0.2, 0.5), (1 / 6, 0.5), (1.5, 0.3), (-2.0, 0.5), (0.0, 0.4), (1.0, -2.0)]
)
def test_every_slope(alpha, beta):
    check_model(one_op("HardSigmoid", (4,), alpha=alpha, beta=beta))


def test_between_other_layers():
    nodes = [
        node("Gemm", "x w", "a"),
        node("HardSigmoid", "a", "b", alpha=0.4, beta=0.6),
        node("Gemm", "b v", "y"),
    ]
    check_model(graph_model(nodes, (3,), {"w": 3.0 * normal(1, 3, 6), "v": normal(2, 6, 2)}))
