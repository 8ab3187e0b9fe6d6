"""Transpose of sample axes."""

from itertools import permutations

import pytest

from tests.support.graphs import graph_model, node, normal, one_op, opsets_of
from tests.support.layers import check_alone, check_model, refusal


@pytest.mark.parametrize("opset", opsets_of("Transpose"))
def test_every_opset(opset):
    check_model(one_op("Transpose", (2, 3), perm=[0, 2, 1], opset=opset))


@pytest.mark.parametrize("order", list(permutations([1, 2, 3])))
def test_every_order(order):
    check_model(one_op("Transpose", (2, 3, 4), perm=[0, *order]))


def test_channels_last_to_channels_first():
    nodes = [
        node("Transpose", "x", "a", perm=[0, 3, 1, 2]),
        node("Conv", "a w", "b"),
        node("Relu", "b", "c"),
        node("Transpose", "c", "d", perm=[0, 2, 3, 1]),
        node("Flatten", "d", "y"),
    ]
    check_model(graph_model(nodes, (4, 5, 2), {"w": normal(1, 3, 2, 2, 2)}))


@pytest.mark.parametrize("attributes", [{}, {"perm": [1, 0, 2]}, {"perm": [2, 1, 0]}])
@pytest.mark.parametrize("flatten", [False, True])
def test_orders_that_move_the_batch(attributes, flatten):
    check_alone(one_op("Transpose", (2, 3), flatten=flatten, **attributes))


def test_orders_that_move_the_batch_and_back():
    """As recurrent models do: time comes first in between."""
    nodes = [
        node("Transpose", "x", "a", perm=[1, 0, 2]),
        node("MatMul", "a w", "b"),
        node("Relu", "b", "c"),
        node("Transpose", "c", "d", perm=[1, 0, 2]),
        node("Flatten", "d", "y"),
    ]
    check_model(graph_model(nodes, (2, 3), {"w": normal(1, 3, 4)}))


@pytest.mark.parametrize("order", [[0, 1], [0, 1, 1], [0, 1, 2, 3], [0, -1, 1]])
def test_refuses_orders_that_do_not_fit(order):
    assert "does not fit" in refusal(one_op("Transpose", (2, 3), perm=order)).reason
