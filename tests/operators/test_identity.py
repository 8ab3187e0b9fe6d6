"""Identity leaves no trace."""

import pytest

from tests.support.graphs import graph_model, node, normal, one_op, opsets_of
from tests.support.layers import check_model


@pytest.mark.parametrize("opset", opsets_of("Identity"))
def test_every_opset(opset):
    network = check_model(one_op("Identity", (3,), flatten=False, opset=opset))
    assert network.steps == ()


def test_chain_around_a_layer_and_a_constant():
    nodes = [
        node("Identity", "x", "a"),
        node("Identity", "w", "v"),
        node("Gemm", "a v", "b"),
        node("Identity", "b", "c"),
        node("Identity", "c", "y"),
    ]
    network = check_model(graph_model(nodes, (3,), {"w": normal(1, 3, 2)}))
    assert [step.op for step in network.steps] == ["Gemm"]
