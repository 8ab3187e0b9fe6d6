"""Gemm: factors, transposed weights, every shape of C, and what cannot be taken."""

import pytest

from tests.support.graphs import graph_model, node, normal, one_op, opsets_of
from tests.support.layers import check_alone, check_model, refusal

WEIGHT = normal(1, 4, 3)


@pytest.mark.parametrize("opset", opsets_of("Gemm"))
def test_every_opset(opset):
    check_model(one_op("Gemm", (4,), "x", WEIGHT, normal(2, 3), flatten=False, opset=opset))


@pytest.mark.parametrize("shape", [(), (1,), (3,), (1, 1), (1, 3)])
def test_every_shape_of_c(shape):
    c = normal(3, *shape).reshape(shape)
    check_model(one_op("Gemm", (4,), "x", WEIGHT, c, flatten=False, alpha=0.5, beta=-1.7))


@pytest.mark.parametrize("operands", [("x", WEIGHT), ("x", WEIGHT, None)])
def test_without_c(operands):
    check_model(one_op("Gemm", (4,), *operands, flatten=False, alpha=0.3))


def test_transposed_weight_with_factors():
    model = one_op(
        "Gemm", (4,), "x", WEIGHT.T, normal(2, 3), flatten=False, transB=1, alpha=-2.5, beta=0.1
    )
    check_model(model)


@pytest.mark.parametrize(("alpha", "beta"), [(0.0, 1.0), (1.0, 0.0)])
def test_factors_of_zero(alpha, beta):
    check_model(
        one_op("Gemm", (4,), "x", WEIGHT, normal(2, 3), flatten=False, alpha=alpha, beta=beta)
    )


def test_more_outputs_than_matrices_are_built_at_once():
    check_model(one_op("Gemm", (3,), "x", normal(4, 3, 700), flatten=False), batches=(1,))


def test_one_output():
    check_model(one_op("Gemm", (4,), "x", normal(5, 4, 1), normal(6, 1), flatten=False))


def test_between_other_layers():
    nodes = [
        node("Gemm", "x w c", "a", transB=1),
        node("Relu", "a", "b"),
        node("Gemm", "b v", "y", alpha=0.25),
    ]
    constants = {"w": normal(1, 6, 4), "c": normal(2, 6), "v": normal(3, 6, 2)}
    check_model(graph_model(nodes, (4,), constants))


def test_weights_are_counted():
    network = check_model(one_op("Gemm", (4,), "x", WEIGHT, normal(2, 3), flatten=False))
    assert network.parameters == 15


@pytest.mark.parametrize("c", [(), (4, 1), (1, 3), (4, 3)])
def test_a_transposed_input(c):
    operands = ["x", normal(1, 1, 3), normal(2, *c).reshape(c)]
    check_alone(one_op("Gemm", (4,), *operands, flatten=False, transA=1, alpha=0.5, beta=2.0))


@pytest.mark.parametrize("c", [None, (5, 1), (4,), (5, 4)])
def test_the_input_as_its_matrix(c):
    operands = [normal(1, 5, 1), "x", *([] if c is None else [normal(2, *c)])]
    check_alone(one_op("Gemm", (4,), *operands, flatten=False, alpha=0.5, beta=2.0))


@pytest.mark.parametrize(("transposed", "weight"), [({"transA": 1}, (1, 5)), ({}, (5, 1))])
def test_the_input_as_its_matrix_of_a_transposed_weight(transposed, weight):
    check_alone(one_op("Gemm", (4,), normal(1, *weight), "x", flatten=False, **transposed))


def test_the_transposed_input_as_its_matrix():
    check_alone(
        one_op("Gemm", (4,), normal(1, 5, 4), "x", normal(2, 5, 1), flatten=False, transB=1)
    )


def test_refuses_a_summand_for_every_sample():
    problem = refusal(one_op("Gemm", (4,), "x", WEIGHT, normal(1, 2, 3), flatten=False))
    assert "each sample of a batch" in problem.reason


def test_refuses_a_computed_summand():
    nodes = [node("Relu", "x", "r"), node("Gemm", "x w r", "y")]
    problem = refusal(graph_model(nodes, (4,), {"w": normal(1, 4, 4)}))
    assert "constant" in problem.reason


def test_refuses_images():
    problem = refusal(one_op("Gemm", (2, 4), "x", WEIGHT))
    assert "(2, 4)" in problem.reason


def test_refuses_a_matrix_that_does_not_fit():
    problem = refusal(one_op("Gemm", (5,), "x", WEIGHT, flatten=False))
    assert "(4, 3)" in problem.reason
    assert "(5,)" in problem.reason


def test_old_form_says_which_opset_to_export():
    problem = refusal(one_op("Gemm", (4,), "x", WEIGHT, normal(2, 3), flatten=False, opset=6))
    assert "opset 7" in problem.reason
