"""Nodes on constants, evaluated once at import."""

import numpy as np
import pytest
from onnx import numpy_helper

from tests.support.graphs import graph_model, load_model, node, normal
from tests.support.layers import check_model, refusal


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
    w = normal(1, 4, 3)
    network = check_model(graph_model(nodes, (3,), {"w": w, "half": np.float32(0.5)}))
    assert steps_of(network) == ["Gemm"]
    np.testing.assert_allclose(network.forward(np.eye(3)), 0.5 * w.T)


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


def test_sequences_of_constants():
    nodes = [
        node("SequenceConstruct", "w w", "s"),
        node("ConcatFromSequence", "s", "c", axis=0),
        node("Gemm", "x c", "y"),
    ]
    assert steps_of(check_model(graph_model(nodes, (2,), {"w": normal(1, 1, 3)}))) == ["Gemm"]


def batch_and(*rest):
    """Nodes that give ``shape = [batch, *rest]``, as PyTorch writes ``(x.shape[0], ...)``."""
    nodes = [
        node("Shape", "x", "s"),
        node("Gather", "s zero", "n", axis=0),
        node("Unsqueeze", "n front", "batch"),
        node("Concat", "batch rest", "shape", axis=0),
    ]
    return nodes, {"zero": np.int64(0), "front": np.array([0]), "rest": np.array(rest)}


@pytest.mark.parametrize("rest", [(6,), (-1,), (3, 2), (3, -1), (1, 6, 1)])
def test_a_shape_that_begins_with_the_batch(rest):
    nodes, constants = batch_and(*rest)
    nodes += [node("Reshape", "x shape", "t"), node("Flatten", "t", "y")]
    network = check_model(graph_model(nodes, (2, 3), constants))
    assert set(steps_of(network)) <= {"Reshape", "Flatten"}


def test_a_shape_with_the_batch_times_an_extent():
    """Every row of every sample by itself, as layers over sequences are exported."""
    nodes = [
        node("Shape", "x", "s"),
        node("Gather", "s both", "front", axis=0),
        node("ReduceProd", "front", "rows", axes=[0], keepdims=1),
        node("Gather", "s last", "width", axis=0),
        node("Concat", "rows width", "table", axis=0),
        node("Reshape", "x table", "a"),
        node("Gemm", "a w", "b"),
        node("Concat", "front four", "back", axis=0),
        node("Reshape", "b back", "c"),
        node("Relu", "c", "d"),
        node("Flatten", "d", "y"),
    ]
    constants = {"both": np.array([0, 1]), "last": np.array([2]), "four": np.array([4])}
    check_model(graph_model(nodes, (2, 3), {**constants, "w": normal(1, 3, 4)}))


def test_a_range_as_indices():
    """Positions counted by the graph itself: 0, 2, 4 of an axis whose extent it asks for."""
    nodes = [
        node("Shape", "x", "s", start=1, end=2),
        node("Squeeze", "s", "n"),
        node("Range", "zero n two", "i"),
        node("Gather", "x i", "y", axis=1),
    ]
    constants = {"zero": np.int64(0), "two": np.int64(2)}
    network = check_model(graph_model(nodes, (5,), constants))
    np.testing.assert_array_equal(network.forward(np.arange(5.0)[None]), [[0.0, 2.0, 4.0]])


@pytest.mark.parametrize("value", [None, np.array([2.5], np.float32)])
def test_a_constant_of_the_shape_of_a_sample(value):
    filled = {} if value is None else {"value": numpy_helper.from_array(value)}
    nodes = [
        node("Shape", "x", "s"),
        node("ConstantOfShape", "s", "c", **filled),
        node("Add", "x c", "y"),
    ]
    check_model(graph_model(nodes, (3,), {}))


def test_the_size_of_a_tensor_divides_it():
    """A mean written by hand over all but the batch axis."""
    nodes = [
        node("Shape", "x", "s", start=1),
        node("ReduceProd", "s", "n", keepdims=0),
        node("Cast", "n", "count", to=1),
        node("Flatten", "x", "a"),
        node("MatMul", "a ones", "b"),
        node("Div", "b count", "y"),
    ]
    network = check_model(graph_model(nodes, (2, 3), {"ones": np.ones((6, 1), np.float32)}))
    np.testing.assert_allclose(network.forward(np.arange(6.0)[None]), [[2.5]])


def test_an_identity_matrix_of_the_shape_of_a_tensor():
    nodes = [node("EyeLike", "a", "i", k=1), node("Add", "a i", "b"), node("Flatten", "b", "y")]
    nodes.insert(0, node("Squeeze", "x zero", "a"))
    check_model(graph_model(nodes, (3, 4), {"zero": np.array([0])}, batch=1), batches=(1,))


def test_the_shape_of_a_large_tensor_that_nothing_else_takes():
    nodes = [node("Expand", "x wide", "a"), node("Shape", "a", "s"), node("Cast", "s", "f", to=1)]
    nodes += [node("Slice", "f zero two", "b"), node("Add", "x b", "y")]
    constants = {"wide": np.array([1, 60_000, 2]), "zero": np.array([0]), "two": np.array([2])}
    network = load_model(graph_model(nodes, (2,), constants, batch=1)).network
    np.testing.assert_array_equal(network.forward(np.zeros((1, 2))), [[1.0, 60_000.0]])


@pytest.mark.parametrize("opset", [7, 8, 9, 11, 13])
def test_constants_whose_shape_inference_says_nothing(opset):
    """What a constant will cost is told without shape inference, which older versions lack."""
    nodes = [
        node("Cast", "w", "a", to=1),
        node("Gather", "a row", "b", axis=0),
        node("Concat", "b v", "c", axis=0),
        node("Mul", "c half", "d"),
        node("Reshape", "d s", "e"),
        node("MatMul", "x e", "y"),
    ]
    constants = {
        "w": normal(1, 4, 6).astype(np.float64),
        "row": np.array(2),
        "v": normal(2, 3),
        "half": np.float32(0.5),
        "s": np.array([3, 3]),
    }
    network = check_model(graph_model(nodes, (3,), constants, opset=opset, ir_version=3))
    assert steps_of(network) == ["MatMul"]
