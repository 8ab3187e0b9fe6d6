"""Softmax and LogSoftmax at the end, with the axis of their opset."""

import numpy as np
import pytest

from onnx_lippa.layers.readout import Readout
from tests.graphs import graph_model, load_model, newest_opset, node, normal, one_op, opsets_of
from tests.layers.checks import check_model, refusal

READOUTS = {"Softmax": Readout.SOFTMAX, "LogSoftmax": Readout.LOG_SOFTMAX}


def classifier(op, opset=17, **attributes):
    """A dense layer with the operator behind it."""
    nodes = [node("MatMul", "x w", "a"), node(op, "a", "y", **attributes)]
    return graph_model(nodes, (4,), {"w": normal(1, 4, 3)}, opset=opset)


@pytest.mark.parametrize(
    ("op", "opset"), [(op, opset) for op in READOUTS for opset in opsets_of(op)]
)
def test_every_opset(op, opset):
    network = check_model(classifier(op, opset))
    assert network.readout is READOUTS[op]
    assert [step.op for step in network.steps] == ["MatMul"]
    assert any(op in note for note in network.notes)


@pytest.mark.parametrize("op", READOUTS)
@pytest.mark.parametrize(
    ("opset", "axis"), [(7, 1), (11, 1), (11, -1), (13, 1), (13, -1), (newest_opset(), -1)]
)
def test_the_axis_of_the_classes(op, opset, axis):
    check_model(classifier(op, opset, axis=axis))


@pytest.mark.parametrize("op", READOUTS)
@pytest.mark.parametrize(("opset", "axis"), [(7, 0), (11, 0), (11, -2), (13, 0), (13, -2)])
def test_refuses_the_batch_axis(op, opset, axis):
    problem = refusal(classifier(op, opset, axis=axis))
    assert problem.op == op
    assert "axis 0" in problem.reason


@pytest.mark.parametrize("opset", [11, 13])
def test_refuses_images(opset):
    problem = refusal(one_op("Softmax", (2, 3), flatten=False, opset=opset))
    assert "(2, 3)" in problem.reason


def test_refuses_an_axis_outside_the_tensor():
    assert "axis" in refusal(classifier("Softmax", axis=2)).reason


@pytest.mark.parametrize("op", READOUTS)
def test_refuses_it_in_the_middle(op):
    nodes = [node(op, "x", "a"), node("Gemm", "a w", "y")]
    problem = refusal(graph_model(nodes, (4,), {"w": normal(1, 4, 3)}))
    assert (problem.op, problem.node) == (op, f"{op.lower()}_a")
    assert "last step" in problem.reason


def test_refuses_a_softmax_of_a_softmax():
    nodes = [node("Softmax", "x", "a"), node("Softmax", "a", "y")]
    assert refusal(graph_model(nodes, (4,))).node == "softmax_a"


def test_straight_on_the_input():
    check_model(one_op("Softmax", (4,), flatten=False))


@pytest.mark.parametrize("op", READOUTS)
def test_does_not_overflow(op):
    nodes = [node("Mul", "x c", "a"), node(op, "a", "y")]
    model = load_model(graph_model(nodes, (4,), {"c": np.float32(1e4)}))
    x = np.array([[1.0, 0.5, -1.0, 0.0]], np.float32)
    ours = model.network.readout.apply(model.network.forward(x.astype(np.float64)))
    np.testing.assert_allclose(ours, model.runtime.outputs(x), rtol=1e-5)


def test_keeps_the_order_of_the_classes():
    model = load_model(classifier("LogSoftmax"))
    x = normal(5, 50, 4)
    logits = model.network.forward(x.astype(np.float64))
    np.testing.assert_array_equal(
        np.argsort(logits, axis=1), np.argsort(model.runtime.outputs(x), axis=1)
    )
