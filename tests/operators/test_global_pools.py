"""Pools over the whole image: mean, maximum and sum of absolute values."""

import numpy as np
import pytest

from tests.support.graphs import graph_model, node, one_op, opsets_of, runs_in_runtime
from tests.support.layers import check_model, refusal

OPS = {"GlobalAveragePool": {}, "GlobalMaxPool": {}, "GlobalLpPool": {"p": 1}}
OPSETS = [
    (op, opset)
    for op in OPS
    for opset in opsets_of(op)
    if runs_in_runtime(one_op(op, (2, 2), opset=opset))
]


@pytest.mark.parametrize(("op", "opset"), OPSETS)
def test_every_opset(op, opset):
    check_model(one_op(op, (3, 4, 2), opset=opset, **OPS[op]))


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("sample", [(2, 5), (3, 1), (2, 1, 1), (2, 3, 2, 2), (1, 4, 4)])
def test_any_number_of_axes(op, sample):
    check_model(one_op(op, sample, **OPS[op]))


@pytest.mark.parametrize("op", OPS)
def test_images_in_place_of_a_batch(op):
    nodes = [
        node("Reshape", "x s", "a"),
        node(op, "a", "b", **OPS[op]),
        node("Reshape", "b t", "y"),
    ]
    constants = {"s": np.array([3, 2, 2, 2]), "t": np.array([1, 6])}
    check_model(graph_model(nodes, (24,), constants), (1,))


def test_a_mean_of_two_maxima():
    nodes = [
        node("MaxPool", "x", "a", kernel_shape=[2, 2], strides=[2, 2]),
        node("GlobalAveragePool", "a", "b"),
        node("Flatten", "b", "y"),
    ]
    network = check_model(graph_model(nodes, (3, 4, 4)))
    assert network.output_shape == (3,)


@pytest.mark.parametrize("attributes", [{}, {"p": 2}, {"p": 3}])
def test_other_norms_are_refused(attributes):
    problem = refusal(one_op("GlobalLpPool", (2, 3), **attributes))
    assert "not piecewise linear" in problem.reason
