"""Sigmoid at the end: the scores before it, and the second score 1 - sigmoid(x)."""

import numpy as np
import pytest

from onnx_lippa.ir.network import OutputActivation
from tests.support.graphs import graph_model, load_model, node, normal, one_op, opsets_of
from tests.support.layers import check_model, refusal

ONE = np.float32(1.0)


def classifier(*behind, opset=17, **constants):
    """A dense layer, a Sigmoid, and nodes behind it."""
    nodes = [node("MatMul", "x w", "a"), node("Sigmoid", "a", "p" if behind else "y"), *behind]
    return graph_model(nodes, (4,), {"w": normal(1, 4, 3), **constants}, opset=opset)


@pytest.mark.parametrize("opset", opsets_of("Sigmoid"))
def test_every_opset(opset):
    network = check_model(classifier(opset=opset))
    assert network.output_activation is OutputActivation.SIGMOID
    assert [step.op for step in network.steps] == ["MatMul"]
    assert any("Sigmoid" in note for note in network.notes)


def test_of_any_shape():
    check_model(one_op("Sigmoid", (2, 3)))


@pytest.mark.parametrize("one", [ONE, np.ones(3, np.float32), np.ones((1, 1), np.float32)])
def test_one_minus_it(one):
    network = check_model(classifier(node("Sub", "one p", "y"), one=one))
    assert network.output_activation is OutputActivation.SIGMOID
    x = normal(3, 5, 4).astype(np.float64)
    plain = load_model(classifier()).network
    np.testing.assert_allclose(network.forward(x), -plain.forward(x))


def test_one_minus_one_minus_it():
    nodes = [node("Sub", "one p", "q"), node("Sub", "one q", "y")]
    assert check_model(classifier(*nodes, one=ONE)).output_activation is OutputActivation.SIGMOID


@pytest.mark.parametrize("order", ["q p", "p q", "p p"])
def test_both_probabilities_of_two_classes(order):
    """As scikit-learn's exporter writes them."""
    nodes = [node("Sub", "one p", "q"), node("Concat", order, "y", axis=1)]
    network = check_model(classifier(*nodes, one=ONE))
    assert network.output_activation is OutputActivation.SIGMOID
    assert network.output_size == 6


@pytest.mark.parametrize("inputs", ["p c", "p a", "x3 p"])
def test_refuses_probabilities_beside_other_numbers(inputs):
    nodes = [node("MatMul", "x w", "x3"), node("Concat", inputs, "y", axis=1)]
    problem = refusal(classifier(*nodes, c=np.ones((1, 2), np.float32)))
    assert (problem.op, "result of a Sigmoid" in problem.reason) == ("Concat", True)


@pytest.mark.parametrize(
    "behind",
    [node("Sub", "two p", "y"), node("Sub", "p two", "y"), node("Mul", "p two", "y"),
     node("Relu", "p", "y"), node("Sub", "p p", "y"), node("Add", "p x3", "y")],
)  # fmt: skip
def test_refuses_it_in_the_middle(behind):
    nodes = [node("MatMul", "x w", "x3"), behind]
    problem = refusal(classifier(*nodes, two=np.float32(2.0)))
    assert problem.op == behind.op_type
    assert "result of a Sigmoid" in problem.reason


def test_keeps_small_differences():
    """Probabilities that are all 1 in float32 have scores that differ."""
    model = load_model(classifier())
    x = 100.0 * normal(5, 6, 4)
    scores = model.network.forward(x.astype(np.float64))
    assert np.unique(scores).size == scores.size
    np.testing.assert_allclose(
        model.network.output_activation.apply(scores), model.runtime.forward(x), atol=1e-6
    )
