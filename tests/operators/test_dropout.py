"""Dropout at inference is the identity; in training it is refused."""

import numpy as np
import pytest

from tests.support.graphs import graph_model, node, normal, one_op, opsets_of
from tests.support.layers import check_model, refusal


@pytest.mark.parametrize("opset", opsets_of("Dropout"))
def test_every_opset(opset):
    network = check_model(one_op("Dropout", (3,), flatten=False, opset=opset))
    assert network.steps == ()


@pytest.mark.parametrize(
    "operands", [("x", np.float32(0.5)), ("x", np.float32(0.5), np.array(False)),
                 ("x", None, np.array(False))]
)  # fmt: skip
def test_inputs_of_inference(operands):
    check_model(one_op("Dropout", (3,), *operands, flatten=False))


def test_ratio_attribute_of_old_opsets():
    check_model(one_op("Dropout", (3,), flatten=False, opset=10, ratio=0.9))


def test_unused_mask():
    nodes = [node("Gemm", "x w", "a"), node("Dropout", "a", "y mask")]
    check_model(graph_model(nodes, (3,), {"w": normal(1, 3, 2)}))


def test_refuses_training():
    problem = refusal(one_op("Dropout", (3,), "x", np.float32(0.5), np.array(True)))
    assert "training mode" in problem.reason
    assert "export" in problem.reason


def test_refuses_training_of_a_constant():
    nodes = [node("Dropout", "w r t", "d"), node("Add", "x d", "y")]
    constants = {"w": normal(1, 3), "r": np.float32(0.5), "t": np.array(True)}
    problem = refusal(graph_model(nodes, (3,), constants))
    assert (problem.op, problem.node) == ("Dropout", "dropout_d")
    assert "random" in problem.reason


def test_refuses_a_used_mask():
    nodes = [node("Dropout", "x", "a mask"), node("Where", "mask a x", "y")]
    problem = refusal(graph_model(nodes, (3,)))
    assert problem.op == "Where"


def test_a_used_mask_is_not_taken_for_an_output_that_ignores_the_input():
    nodes = [node("Dropout", "x", "a mask"), node("Identity", "mask", "y")]
    problem = refusal(graph_model(nodes, (3,)))
    assert problem.op == "Identity"
    assert "mask" in problem.reason
