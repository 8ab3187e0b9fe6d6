"""Neg."""

import pytest

from tests.support.graphs import graph_model, node, normal, one_op, opsets_of
from tests.support.layers import check_model


@pytest.mark.parametrize("opset", opsets_of("Neg"))
@pytest.mark.parametrize("sample", [(4,), (2, 3)])
def test_every_opset(opset, sample):
    check_model(one_op("Neg", sample, opset=opset))


def test_between_other_layers():
    nodes = [node("Gemm", "x w", "a"), node("Neg", "a", "b"), node("Relu", "b", "y")]
    check_model(graph_model(nodes, (3,), {"w": normal(1, 3, 5)}))
