"""Flatten behind the batch axis."""

import pytest

from tests.support.graphs import graph_model, node, normal, one_op, opsets_of
from tests.support.layers import check_alone, check_model, refusal


@pytest.mark.parametrize("opset", opsets_of("Flatten"))
def test_every_opset(opset):
    check_model(one_op("Flatten", (2, 3), flatten=False, opset=opset))


@pytest.mark.parametrize("sample", [(4,), (2, 3), (2, 3, 2), (2, 1, 3, 2)])
@pytest.mark.parametrize("attributes", [{}, {"axis": 1}])
def test_every_rank(sample, attributes):
    check_model(one_op("Flatten", sample, flatten=False, **attributes))


@pytest.mark.parametrize("sample", [(4,), (2, 3), (2, 3, 2)])
def test_negative_axis(sample):
    check_model(one_op("Flatten", sample, flatten=False, axis=-len(sample)))


def test_between_other_layers():
    nodes = [node("Relu", "x", "a"), node("Flatten", "a", "b"), node("Gemm", "b w", "y")]
    check_model(graph_model(nodes, (2, 3), {"w": normal(1, 6, 2)}))


@pytest.mark.parametrize("axis", [0, 2, 3, -1, -3])
def test_axes_that_mix_in_the_batch(axis):
    check_alone(one_op("Flatten", (2, 3), flatten=False, axis=axis))


@pytest.mark.parametrize("axis", [4, -4])
def test_refuses_axes_outside_the_tensor(axis):
    problem = refusal(one_op("Flatten", (2, 3), flatten=False, axis=axis))
    assert problem.op == "Flatten"
    assert f"axis {axis} is outside a tensor of rank 3" in problem.reason
