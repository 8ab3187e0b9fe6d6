"""Softmax and LogSoftmax at the end, with the axis of their opset."""

import numpy as np
import pytest

from onnx_lippa.ir.network import OutputActivation
from tests.support.graphs import (
    graph_model,
    load_model,
    newest_opset,
    node,
    normal,
    one_op,
    opsets_of,
)
from tests.support.layers import check_model, refusal

ACTIVATIONS = {"Softmax": OutputActivation.SOFTMAX, "LogSoftmax": OutputActivation.LOG_SOFTMAX}


def classifier(op, opset=17, **attributes):
    """A dense layer with the operator behind it."""
    nodes = [node("MatMul", "x w", "a"), node(op, "a", "y", **attributes)]
    return graph_model(nodes, (4,), {"w": normal(1, 4, 3)}, opset=opset)


@pytest.mark.parametrize(
    ("op", "opset"), [(op, opset) for op in ACTIVATIONS for opset in opsets_of(op)]
)
def test_every_opset(op, opset):
    network = check_model(classifier(op, opset))
    assert network.output_activation is ACTIVATIONS[op]
    assert [step.op for step in network.steps] == ["MatMul"]
    assert any(op in note for note in network.notes)


@pytest.mark.parametrize("op", ACTIVATIONS)
@pytest.mark.parametrize(
    ("opset", "axis"), [(7, 1), (11, 1), (11, -1), (13, 1), (13, -1), (newest_opset(), -1)]
)
def test_the_axis_of_the_classes(op, opset, axis):
    check_model(classifier(op, opset, axis=axis))


@pytest.mark.parametrize("op", ACTIVATIONS)
@pytest.mark.parametrize(("opset", "axis"), [(7, 0), (11, 0), (11, -2), (13, 0), (13, -2)])
def test_refuses_the_batch_axis(op, opset, axis):
    problem = refusal(classifier(op, opset, axis=axis))
    assert problem.op == op
    assert "axis 0" in problem.reason


@pytest.mark.parametrize("op", ACTIVATIONS)
def test_over_all_scores_of_several_axes(op):
    network = check_model(one_op(op, (2, 3), flatten=False, opset=11))
    assert network.output_activation is ACTIVATIONS[op]


@pytest.mark.parametrize("op", ACTIVATIONS)
@pytest.mark.parametrize(("opset", "axis"), [(13, -1), (13, 1), (11, 2)])
def test_refuses_one_for_every_place(op, opset, axis):
    problem = refusal(one_op(op, (2, 3), flatten=False, opset=opset, axis=axis))
    assert "(2, 3)" in problem.reason


@pytest.mark.parametrize("op", ACTIVATIONS)
def test_classes_as_channels_of_one_place(op):
    check_model(one_op(op, (3, 1, 1), flatten=False, axis=1))
    check_model(one_op(op, (3, 1, 1), flatten=True, axis=1))


@pytest.mark.parametrize("op", ACTIVATIONS)
def test_refuses_rows_that_are_no_samples(op):
    """A constant of several rows makes a table of a single sample: no vector of scores."""
    nodes = [node("Add", "x w", "a"), node(op, "a", "y", axis=1)]
    assert "(4, 3)" in refusal(graph_model(nodes, (3,), {"w": normal(1, 4, 3)}, batch=1)).reason


@pytest.mark.parametrize("op", ACTIVATIONS)
def test_scores_may_take_another_shape_behind_it(op):
    nodes = [node("Gemm", "x w", "a"), node(op, "a", "b"), node("Reshape", "b s", "y")]
    constants = {"w": normal(1, 4, 6), "s": np.array([-1, 2, 3])}
    network = check_model(graph_model(nodes, (4,), constants))
    assert network.output_activation is ACTIVATIONS[op]
    assert network.output_shape == (2, 3)


def test_refuses_an_axis_outside_the_tensor():
    assert "axis" in refusal(classifier("Softmax", axis=2)).reason


@pytest.mark.parametrize("op", ACTIVATIONS)
def test_refuses_it_in_the_middle(op):
    nodes = [node(op, "x", "a"), node("Gemm", "a w", "y")]
    problem = refusal(graph_model(nodes, (4,), {"w": normal(1, 4, 3)}))
    assert (problem.op, problem.node) == ("Gemm", "gemm_y")
    assert f"takes the result of a {op}, which is supported only as the very last" in problem.reason


@pytest.mark.parametrize("first", [*ACTIVATIONS, "Sigmoid"])
@pytest.mark.parametrize("second", [*ACTIVATIONS, "Sigmoid"])
def test_refuses_one_behind_another(first, second):
    nodes = [node(first, "x", "a"), node(second, "a", "y")]
    problem = refusal(graph_model(nodes, (4,)))
    assert (problem.op, problem.node) == (second, f"{second.lower()}_y")
    assert first in problem.reason


def test_straight_on_the_input():
    check_model(one_op("Softmax", (4,), flatten=False))


@pytest.mark.parametrize("op", ACTIVATIONS)
def test_does_not_overflow(op):
    nodes = [node("Mul", "x c", "a"), node(op, "a", "y")]
    model = load_model(graph_model(nodes, (4,), {"c": np.float32(1e4)}))
    x = np.array([[1.0, 0.5, -1.0, 0.0]], np.float32)
    ours = model.network.output_activation.apply(model.network.forward(x.astype(np.float64)))
    np.testing.assert_allclose(ours, model.runtime.forward(x), rtol=1e-5)


def test_keeps_the_order_of_the_classes():
    model = load_model(classifier("LogSoftmax"))
    x = normal(5, 50, 4)
    logits = model.network.forward(x.astype(np.float64))
    np.testing.assert_array_equal(
        np.argsort(logits, axis=1), np.argsort(model.runtime.forward(x), axis=1)
    )
