"""Nodes on constants, evaluated once at import."""

import numpy as np
import pytest
from onnx import numpy_helper

from tests.graphs import graph_model, load_model, node, normal
from tests.layers.checks import check_model, refusal


def steps_of(network):
    """Operators that are left after folding."""
    return [step.op for step in network.steps]


def test_chain_from_constant_nodes_to_a_shape():
    nodes = [
        node("Constant", [], "a", value=numpy_helper.from_array(np.array([-1]))),
        node("Constant", [], "b", value=numpy_helper.from_array(np.array([2, 3]))),
        node("Concat", "a b", "s", axis=0),
        node("Reshape", "x s", "t"),
        node("Flatten", "t", "y"),
    ]
    assert steps_of(check_model(graph_model(nodes, (6,)))) == ["Reshape", "Flatten"]


def test_chain_on_weights():
    nodes = [
        node("Transpose", "w", "a", perm=[1, 0]),
        node("Mul", "a half", "b"),
        node("Cast", "b", "c", to=1),
        node("Gemm", "x c", "y"),
    ]
    constants = {"w": normal(1, 4, 3), "half": np.float32(0.5)}
    network = check_model(graph_model(nodes, (3,), constants))
    assert steps_of(network) == ["Gemm"]
    x = np.eye(3)
    np.testing.assert_allclose(network.forward(x), 0.5 * constants["w"].T)


@pytest.mark.parametrize("ir_version", [3, 4, 6, 8])
@pytest.mark.parametrize("opset", [7, 13, 17])
def test_old_formats(ir_version, opset):
    nodes = [node("Transpose", "w", "a", perm=[1, 0]), node("Gemm", "x a c", "y")]
    constants = {"w": normal(1, 2, 3), "c": normal(2, 2)}
    model = graph_model(nodes, (3,), constants, ir_version=ir_version, opset=opset)
    assert steps_of(load_model(model).network) == ["Gemm"]


def test_operators_without_a_converter_may_make_constants():
    nodes = [node("Exp", "w", "a"), node("Sqrt", "a", "b"), node("Add", "x b", "y")]
    assert steps_of(check_model(graph_model(nodes, (3,), {"w": normal(1, 3)}))) == ["Add"]


def test_several_outputs():
    nodes = [node("Split", "w n", "a b", axis=0), node("Gemm", "x a b", "y")]
    constants = {"w": normal(1, 4, 2), "n": np.array([3, 1])}
    check_model(graph_model(nodes, (3,), constants))


def test_left_out_inputs_and_outputs():
    nodes = [
        node("Clip", ["w", "", "top"], "a"),
        node("Dropout", "a", ["b", ""]),
        node("Add", "x b", "y"),
    ]
    check_model(graph_model(nodes, (3,), {"w": normal(1, 3), "top": np.float32(0.1)}))


def test_one_constant_used_twice_by_a_node():
    nodes = [node("Mul", "w w", "a"), node("Add", "x a", "y")]
    check_model(graph_model(nodes, (3,), {"w": normal(1, 3)}))


def test_constants_that_come_out_as_nan():
    nodes = [node("Log", "w", "a"), node("Add", "x a", "y")]
    problem = refusal(graph_model(nodes, (3,), {"w": np.array([1, -1, 2], np.float32)}))
    assert (problem.op, problem.node) == ("Add", "add_y")
    assert "NaN or infinite" in problem.reason


def test_constants_that_are_not_finite_on_the_way():
    """Infinite bounds, masks: what is used in the end is what counts."""
    nodes = [node("Log", "w", "a"), node("Clip", "a low", "b"), node("Add", "x b", "y")]
    constants = {"w": np.array([1, 0, 2], np.float32), "low": np.float32(-1.0)}
    assert steps_of(check_model(graph_model(nodes, (3,), constants))) == ["Add"]


def test_what_the_runtime_cannot_evaluate():
    nodes = [node("Gather", "w i", "a"), node("Add", "x a", "y")]
    problem = refusal(graph_model(nodes, (3,), {"w": normal(1, 3), "i": np.array([9])}))
    assert problem.op == "Gather"
    assert "ONNX Runtime cannot evaluate it" in problem.reason


def test_unknown_operators_on_constants():
    nodes = [node("NoSuchThing", "w", "a"), node("Add", "x a", "y")]
    problem = refusal(graph_model(nodes, (3,), {"w": normal(1, 3)}))
    assert problem.op == "NoSuchThing"


def test_sequences_are_no_constants():
    nodes = [
        node("SequenceConstruct", "w w", "s"),
        node("ConcatFromSequence", "s", "c", axis=0),
        node("Gemm", "x c", "y"),
    ]
    problem = refusal(graph_model(nodes, (2,), {"w": normal(1, 1, 3)}))
    assert problem.op == "SequenceConstruct"
    assert "not a tensor" in problem.reason
