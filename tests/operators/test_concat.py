"""Concat: computed and constant parts in any order, along any axis."""

import itertools

import numpy as np
import pytest

from onnx_lippa.onnx_io.interface import Batch
from tests.support.graphs import graph_model, load_model, node, normal, one_op, opsets_of
from tests.support.layers import check_alone, check_layers, check_loaded, check_model, refusal


@pytest.mark.parametrize("opset", opsets_of("Concat"))
def test_every_opset(opset):
    check_model(one_op("Concat", (2, 3), "x", "x", axis=1, opset=opset))


def branches(shapes, axis, parts=None):
    """Products of the input, reshaped, one behind the other."""
    nodes, constants = [], dict[str, object]()
    for i, shape in enumerate(shapes):
        constants |= {f"w{i}": normal(i, 2, *shape).reshape(2, -1), f"s{i}": [-1, *shape]}
        nodes += [
            node("MatMul", f"x w{i}", f"p{i}"),
            node("Relu", f"p{i}", f"z{i}"),
            node("Reshape", f"z{i} s{i}", f"b{i}"),
        ]
    names = [f"b{i}" for i in range(len(shapes))] if parts is None else parts
    nodes += [node("Concat", names, "t", axis=axis), node("Flatten", "t", "y")]
    return graph_model(nodes, (2,), constants)


@pytest.mark.parametrize(
    ("shapes", "axis"),
    [
        ([(3,), (2,)], 1),
        ([(3,), (1,), (2,)], -1),
        ([(2, 3), (1, 3)], 1),
        ([(2, 3), (2, 1)], 2),
        ([(2, 3), (2, 1)], -1),
        ([(1, 2, 2), (3, 2, 2), (1, 2, 2)], -3),
    ],
)
def test_computed_parts(shapes, axis):
    check_model(branches(shapes, axis))


def test_one_part_several_times():
    check_model(branches([(3,), (2,)], 1, ["b0", "b1", "b0", "b0"]))


def test_a_single_part_leaves_no_trace():
    network = check_model(one_op("Concat", (3,), "x", axis=1, flatten=False))
    assert network.steps == ()


@pytest.mark.parametrize("axis", [1, 2, -1])
@pytest.mark.parametrize("order", sorted(set(itertools.permutations("xxcd"))))
def test_constant_parts_in_any_place(axis, order):
    """Constants state a batch axis of extent 1, so such a graph takes one sample."""
    constants = {"c": normal(1, 1, 2, 2), "d": np.zeros((1, 2, 2), np.float32)}
    parts = [constants.get(name, "x") for name in order]
    check_model(one_op("Concat", (2, 2), *parts, axis=axis), batches=(1,))


def test_a_constant_in_a_graph_with_a_free_batch():
    check_alone(one_op("Concat", (3,), normal(1, 1, 2), "x", axis=1))


def test_a_constant_repeated_over_the_batch():
    """A learned token in front of a sequence: its batch axis comes from the input's shape."""
    nodes = [
        node("Shape", "x", "s", end=1),
        node("Concat", "s rest", "wide", axis=0),
        node("Expand", "token wide", "tokens"),
        node("Concat", "tokens x", "a", axis=1),
        node("MatMul", "a w", "b"),
        node("Relu", "b", "c"),
        node("Flatten", "c", "y"),
    ]
    constants = {"token": normal(1, 1, 1, 3), "rest": [1, 3], "w": normal(2, 3, 2)}
    check_model(graph_model(nodes, (2, 3), constants))


def test_zeros_of_the_shape_of_the_input():
    """An initial state, as recurrent networks are unrolled with."""
    nodes = [
        node("Shape", "x", "s"),
        node("ConstantOfShape", "s", "zeros"),
        node("Concat", "zeros x", "a", axis=1),
        node("Gemm", "a w", "y"),
    ]
    check_model(graph_model(nodes, (3,), {"w": normal(1, 6, 2)}))


@pytest.mark.parametrize("parts", ["xc", "cx", "xx", "cxdx"])
def test_along_the_batch_axis(parts):
    constants = {"c": normal(1, 2, 3), "d": normal(2, 1, 3)}
    check_alone(one_op("Concat", (3,), *(constants.get(name, "x") for name in parts), axis=0))


def test_parts_with_and_without_a_batch_axis():
    nodes = [
        node("Reshape", "x s", "a"),
        node("Gemm", "a w", "b"),
        node("Concat", "b x c b", "d", axis=0),
        node("Reshape", "d flat", "y"),
    ]
    constants = {"s": [2, 2], "w": normal(1, 2, 4), "c": normal(2, 1, 4), "flat": [1, -1]}
    check_alone(graph_model(nodes, (4,), constants))


def test_tensors_without_any_batch_axis():
    nodes = [node("Squeeze", "x zero", "a"), node("Concat", "a c a", "y", axis=0)]
    check_alone(graph_model(nodes, (3,), {"zero": [0], "c": normal(1, 2)}))


def test_empty_constants_add_nothing():
    empty = np.zeros((1, 0), np.float32)
    check_model(one_op("Concat", (3,), empty, "x", empty, "x", axis=1), batches=(1,))
    check_model(one_op("Concat", (3,), "x", empty, axis=1), batches=(1,))


@pytest.mark.parametrize(
    ("shapes", "axis"), [([(3,), (1, 3)], 1), ([(2, 3), (2, 2)], 1), ([(2, 3), (1, 3)], 2)]
)
def test_refuses_parts_that_do_not_fit(shapes, axis):
    problem = refusal(branches(shapes, axis))
    assert problem.op == "Concat"
    assert "do not fit together" in problem.reason


def test_refuses_an_axis_outside_the_tensor():
    assert "outside a tensor of rank 2" in refusal(one_op("Concat", (3,), "x", axis=2)).reason


def test_refuses_constants_that_are_no_numbers():
    problem = refusal(one_op("Concat", (2,), "x", np.array([["a", "b"]], object), axis=1))
    assert "no real numbers" in problem.reason


def test_a_vector_without_a_batch_axis_cut_and_joined():
    """The input has rank 1, so its features are on axis 0 throughout."""
    nodes = [
        node("Slice", "x one far", "a"),
        node("Gather", "x i", "b", axis=0),
        node("Split", "x", "c d", axis=0, num_outputs=2),
        node("Concat", "a k b c d", "e", axis=0),
        node("Relu", "e", "f"),
        node("Unsqueeze", "f zero", "g"),
        node("MatMul", "g w", "h"),
        node("Squeeze", "h zero", "y"),
    ]
    constants = {"one": [1], "far": [2**63 - 1], "zero": [0], "i": np.array([4, 0, 0])}
    constants |= {"k": normal(1, 2), "w": normal(2, 14, 3)}
    model = load_model(graph_model(nodes, (), constants, batch=5, opset=18))
    assert model.interface.batch is Batch.ABSENT
    check_loaded(model)
    check_layers(model.network)
