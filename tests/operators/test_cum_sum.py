"""CumSum and Trilu: triangles as matrices and as masks."""

import numpy as np
import pytest

from tests.support.graphs import graph_model, node, normal, one_op, opsets_of
from tests.support.layers import check_alone, check_model, refusal


@pytest.mark.parametrize("opset", opsets_of("CumSum", since=11))
@pytest.mark.parametrize("exclusive", [0, 1])
@pytest.mark.parametrize("reverse", [0, 1])
def test_cum_sum_in_every_opset(opset, exclusive, reverse):
    flags = {"exclusive": exclusive, "reverse": reverse}
    check_model(one_op("CumSum", (4,), "x", np.int64(1), flatten=False, opset=opset, **flags))


@pytest.mark.parametrize("axis", [1, 2, 3, -1, -2, -3])
def test_cum_sum_along_any_axis(axis):
    check_model(one_op("CumSum", (2, 3, 4), "x", np.array(axis, np.int32), reverse=1))
    check_model(one_op("CumSum", (2, 1, 4), "x", np.array([axis]), exclusive=1))


def test_cum_sum_along_the_batch_axis():
    check_alone(one_op("CumSum", (3,), "x", np.int64(0), flatten=False))


@pytest.mark.parametrize(
    ("sample", "axis", "reason"),
    [
        ((3,), np.int64(2), "outside a tensor of rank 2"),
        ((3,), np.array([0, 1]), "must be one number"),
        ((5000,), np.int64(1), "axis of extent 5000 is longer than 4096"),
    ],
)
def test_cum_sum_refuses(sample, axis, reason):
    problem = refusal(one_op("CumSum", sample, "x", axis))
    assert problem.op == "CumSum"
    assert reason in problem.reason


@pytest.mark.parametrize("opset", opsets_of("Trilu", since=14))
@pytest.mark.parametrize("attributes", [{}, {"upper": 0}, {"upper": 1}])
def test_trilu_in_every_opset(opset, attributes):
    check_model(one_op("Trilu", (3, 4), opset=opset, **attributes))


@pytest.mark.parametrize("upper", [0, 1])
@pytest.mark.parametrize("k", [-4, -3, -1, 0, 1, 2, 3, 9])
def test_trilu_from_any_diagonal(upper, k):
    if upper == (k > 2):  # zeros alone, which ONNX Runtime has as well
        check_model(one_op("Trilu", (3, 3), "x", np.int64(k), upper=upper))
    check_model(one_op("Trilu", (2, 2, 4), "x", np.array([k]), upper=upper))


@pytest.mark.parametrize("k", [-1, 0, 2])
def test_trilu_with_the_batch_axis_as_rows(k):
    check_alone(one_op("Trilu", (4,), "x", np.int64(k), flatten=False))


def test_trilu_refuses_several_diagonals():
    problem = refusal(one_op("Trilu", (3, 3), "x", np.array([0, 1])))
    assert "one diagonal" in problem.reason


def test_between_other_layers():
    nodes = [
        node("MatMul", "x w", "a"),
        node("Relu", "a", "b"),
        node("Trilu", "b one", "c"),
        node("CumSum", "c one", "d"),
        node("Flatten", "d", "y"),
    ]
    check_model(graph_model(nodes, (3, 2), {"w": normal(1, 2, 4), "one": np.int64(1)}))
