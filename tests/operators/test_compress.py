"""Compress by a constant condition."""

import numpy as np
import pytest

from tests.support.graphs import graph_model, node, one_op, opsets_of
from tests.support.layers import check_alone, check_model, refusal

KEPT = np.array([True, False, True])


@pytest.mark.parametrize("opset", opsets_of("Compress", since=9))
def test_every_opset(opset):
    check_model(one_op("Compress", (3, 2), "x", KEPT, axis=1, opset=opset))


@pytest.mark.parametrize("axis", [2, -1])
def test_a_condition_shorter_than_the_axis(axis):
    check_model(one_op("Compress", (2, 5), "x", KEPT, axis=axis))


def test_all_entries_leave_no_trace():
    condition = np.ones(3, bool)
    assert check_model(one_op("Compress", (3,), "x", condition, axis=1, flatten=False)).steps == ()


def test_of_the_flattened_tensor():
    check_alone(one_op("Compress", (2, 3), "x", np.array([1, 0, 0, 1, 1], bool), flatten=False))


def test_along_the_batch_axis():
    check_alone(one_op("Compress", (3,), "x", np.array([True]), axis=0, flatten=False))


@pytest.mark.parametrize("condition", [[False, False], [False, False, False, True]])
def test_refuses_conditions_that_name_no_entry(condition):
    problem = refusal(one_op("Compress", (3,), "x", np.array(condition), axis=1))
    assert "does not name some of the 3 entries" in problem.reason


def test_refuses_a_computed_condition():
    nodes = [node("Compress", "table x", "y", axis=0)]
    problem = refusal(graph_model(nodes, (3,), {"table": np.ones((3, 2), np.float32)}))
    assert "depends on the input" in problem.reason
