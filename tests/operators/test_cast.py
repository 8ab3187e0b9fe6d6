"""Cast and CastLike: between floating-point types, and the refusal to round."""

import numpy as np
import pytest
from onnx import TensorProto

from tests.support.graphs import graph_model, node, normal, one_op, opsets_of
from tests.support.layers import check_model, refusal


@pytest.mark.parametrize("opset", opsets_of("Cast"))
def test_cast_in_every_opset(opset):
    network = check_model(one_op("Cast", (3,), to=TensorProto.FLOAT, flatten=False, opset=opset))
    assert network.steps == ()


def test_through_float64_and_back():
    nodes = [
        node("Cast", "x", "a", to=TensorProto.DOUBLE),
        node("MatMul", "a w", "b"),
        node("Relu", "b", "c"),
        node("Cast", "c", "y", to=TensorProto.FLOAT),
    ]
    network = check_model(graph_model(nodes, (3,), {"w": normal(1, 3, 2).astype(np.float64)}))
    assert [step.op for step in network.steps] == ["MatMul", "Relu"]


@pytest.mark.parametrize(
    ("to", "name"),
    [("INT64", "int64"), ("INT32", "int32"), ("UINT8", "uint8"), ("BOOL", "bool")],
)
def test_refuses_to_round(to, name):
    nodes = [
        node("Cast", "x", "a", to=TensorProto.DataType.Value(to)),
        node("Cast", "a", "y", to=TensorProto.FLOAT),
    ]
    problem = refusal(graph_model(nodes, (3,)))
    assert (problem.op, problem.node) == ("Cast", "cast_a")
    assert f"a cast to {name} rounds" in problem.reason


@pytest.mark.parametrize("opset", opsets_of("CastLike", since=15))
def test_cast_like_in_every_opset(opset):
    for like in (np.float32(0), "x"):
        network = check_model(one_op("CastLike", (3,), "x", like, flatten=False, opset=opset))
        assert network.steps == ()


def test_a_constant_cast_to_the_type_of_the_input():
    """As the bodies of functions write their constants."""
    nodes = [node("CastLike", "c x", "a"), node("Relu", "x", "b"), node("Add", "b a", "y")]
    network = check_model(graph_model(nodes, (3,), {"c": np.float64(2.5)}))
    assert [step.op for step in network.steps] == ["Relu", "Add"]


def test_a_constant_cast_to_the_type_of_a_float64_input():
    nodes = [node("CastLike", "c x", "a"), node("Add", "x a", "y")]
    model = graph_model(nodes, (3,), {"c": np.float32(0.1)}, element=TensorProto.DOUBLE)
    check_model(model)


@pytest.mark.parametrize("like", [np.int64(0), np.uint8(0), np.bool_(False)])
def test_cast_like_refuses_to_round(like):
    nodes = [node("CastLike", "x like", "a"), node("Cast", "a", "y", to=TensorProto.FLOAT)]
    problem = refusal(graph_model(nodes, (3,), {"like": like}))
    assert problem.op == "CastLike"
    assert f"a cast to {like.dtype} rounds" in problem.reason


@pytest.mark.parametrize(("number", "name"), [(10, "float16"), (16, "bfloat16")])
def test_casts_to_short_floats_are_refused_for_their_rounding(number, name):
    nodes = [node("Cast", "x", "h", to=number), node("Cast", "h", "y", to=1)]
    problem = refusal(graph_model(nodes, (3,)))
    assert problem.op == "Cast"
    assert name in problem.reason
    assert "not piecewise linear" in problem.reason
