"""MatMul: constants on either side, samples of several ranks, matrices with leading axes."""

import numpy as np
import pytest

from tests.support.graphs import graph_model, node, normal, one_op, opsets_of
from tests.support.layers import check_alone, check_model, refusal


@pytest.mark.parametrize("opset", opsets_of("MatMul"))
def test_every_opset(opset):
    check_model(one_op("MatMul", (4,), "x", normal(1, 4, 3), flatten=False, opset=opset))


@pytest.mark.parametrize("sample", [(4,), (2, 4), (3, 2, 4)])
def test_constant_on_the_right(sample):
    check_model(one_op("MatMul", sample, "x", normal(1, 4, 3)))


@pytest.mark.parametrize("sample", [(4, 2), (4, 1), (3, 4, 2)])
def test_constant_on_the_left(sample):
    check_model(one_op("MatMul", sample, normal(1, 5, 4), "x"))


def test_leading_axes_of_one_within_the_rank():
    check_model(one_op("MatMul", (2, 4), "x", normal(1, 1, 4, 3)))
    check_model(one_op("MatMul", (4, 2), normal(1, 1, 5, 4), "x"))


@pytest.mark.parametrize("sample", [(4,), (2, 4)])
@pytest.mark.parametrize("front", [(1,), (2,), (3, 1), (1, 2, 1)])
def test_a_matrix_that_adds_axes_before_the_batch(sample, front):
    matrices = normal(1, *front, *(1,) * (len(sample) - 1), 4, 3)
    check_alone(one_op("MatMul", sample, "x", matrices))


@pytest.mark.parametrize("front", [(2,), (3, 1), (1, 2, 1)])
def test_a_matrix_on_the_left_that_adds_axes_before_the_batch(front):
    check_alone(one_op("MatMul", (4, 3), normal(1, *front, 1, 5, 4), "x"))


def test_one_matrix_for_every_channel():
    check_model(one_op("MatMul", (2, 3, 4), "x", normal(1, 2, 4, 5)))
    check_model(one_op("MatMul", (2, 4, 3), normal(1, 2, 5, 4), "x"))
    check_model(one_op("MatMul", (1, 3, 4), "x", normal(1, 2, 4, 5)))
    check_model(one_op("MatMul", (1, 4, 3), normal(1, 2, 5, 4), "x"))
    check_alone(one_op("MatMul", (3, 4), "x", normal(1, 2, 4, 5)))


def test_a_vector():
    check_model(one_op("MatMul", (2, 4), "x", normal(1, 4)))
    check_model(one_op("MatMul", (4,), "x", normal(1, 4), flatten=False))
    check_model(one_op("MatMul", (4, 2), normal(1, 4), "x"))
    check_alone(one_op("MatMul", (4,), normal(1, 1), "x", flatten=False))


def test_between_other_layers():
    nodes = [
        node("MatMul", "x w", "a"),
        node("Relu", "a", "b"),
        node("MatMul", "l b", "c"),
        node("Flatten", "c", "y"),
    ]
    check_model(graph_model(nodes, (2, 3), {"w": normal(1, 3, 4), "l": normal(2, 5, 2)}))


def test_refuses_two_computed_factors():
    nodes = [node("MatMul", "x x", "t"), node("Flatten", "t", "y")]
    assert "two computed tensors" in refusal(graph_model(nodes, (2, 2))).reason


def test_refuses_what_is_no_matrix():
    assert "not a matrix" in refusal(one_op("MatMul", (2, 4), "x", np.float32(2.0))).reason


def test_a_product_along_the_batch():
    check_alone(one_op("MatMul", (4,), normal(1, 3, 1), "x", flatten=False))


@pytest.mark.parametrize("operands", [("x", np.ones((5, 3))), (np.ones((3, 5)), "x")])
def test_refuses_a_matrix_that_does_not_fit(operands):
    problem = refusal(one_op("MatMul", (4, 4), *operands))
    assert "does not fit" in problem.reason
