"""Expand and Tile: what is repeated, and how often."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import numpy_helper

from tests.support.graphs import graph_model, node, normal, one_op, opsets_of
from tests.support.layers import check_alone, check_model, refusal


def repeated(op, sample, shape, **options):
    return one_op(op, sample, "x", np.array(shape, np.int64), **options)


@pytest.mark.parametrize("opset", opsets_of("Expand", since=8))
def test_expand_in_every_opset(opset):
    check_model(repeated("Expand", (1, 3), [1, 2, 3], opset=opset))


@pytest.mark.parametrize(
    ("sample", "shape"),
    [
        ((1, 3), [2, 1]),
        ((1, 3), [1, 4, 1]),
        ((2, 1, 1), [2, 3]),
        ((2, 1), [1]),
        ((2, 3), [1, 1, 1]),
        ((2, 3), []),
        ((1,), [5]),
        ((1, 1, 1), [1, 2, 3, 4]),
    ],
)
def test_expand_behind_the_batch_axis(sample, shape):
    check_model(repeated("Expand", sample, shape))


def test_expand_to_what_is_there_leaves_no_trace():
    assert check_model(repeated("Expand", (2, 3), [2, 1], flatten=False)).steps == ()


@pytest.mark.parametrize("shape", [[2, 3], [4, 1, 3], [2, 1, 1, 1], [1, 1, 1, 1], [1, 2, 1, 3]])
def test_expand_of_the_batch_axis_and_in_front_of_it(shape):
    check_alone(repeated("Expand", (3,), shape, flatten=False))


def test_expand_to_a_shape_from_the_input():
    """As PyTorch exports ``expand(x.shape[0], 4, -1)``: -1 is replaced by a chain of nodes."""
    nodes = [
        node("Shape", "x", "s"),
        node("Gather", "s zero", "batch", axis=0),
        node("Reshape", "batch minus", "front"),
        node("Concat", "front rest", "wanted", axis=0),
        node("Shape", "wanted", "n"),
        node("ConstantOfShape", "n", "ones", value=numpy_helper.from_array(np.array([1]))),
        node("Mul", "ones minus", "negative"),
        node("Equal", "wanted negative", "open"),
        node("Where", "open ones wanted", "shape"),
        node("Expand", "x shape", "a"),
        node("Flatten", "a", "y"),
    ]
    constants = {"zero": np.int64(0), "rest": [4, -1], "minus": [-1]}
    check_model(graph_model(nodes, (1, 3), constants))


@pytest.mark.parametrize(
    ("shape", "reason"),
    [([2, 4], "does not fit"), ([1, 0, 3], "extents below 1"), ([1, -1, 3], "extents below 1")],
)
def test_expand_refuses(shape, reason):
    problem = refusal(repeated("Expand", (1, 3), shape))
    assert problem.op == "Expand"
    assert reason in problem.reason


@pytest.mark.parametrize("opset", opsets_of("Tile"))
def test_tile_in_every_opset(opset):
    check_model(repeated("Tile", (2, 3), [1, 2, 1], opset=opset))


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 3)), min_size=1, max_size=3))
def test_any_tile(axes):
    extents, repeats = zip(*axes, strict=True)
    check_model(repeated("Tile", extents, [1, *repeats]))


def test_tile_once_leaves_no_trace():
    assert check_model(repeated("Tile", (2, 3), [1, 1, 1], flatten=False)).steps == ()


@pytest.mark.parametrize("repeats", [[2, 1], [3, 2]])
def test_tile_of_the_batch_axis(repeats):
    check_alone(repeated("Tile", (3,), repeats, flatten=False))


@pytest.mark.parametrize("repeats", [[1, 2], [1, 0, 1], [1, 2, 1, 1], [1, -1, 1]])
def test_tile_refuses(repeats):
    problem = refusal(repeated("Tile", (2, 3), repeats))
    assert problem.op == "Tile"
    assert f"its repeats {repeats} do not fit a tensor of rank 3" in problem.reason


@pytest.mark.parametrize(("op", "shape"), [("Expand", [1, 4, 3]), ("Tile", [1, 4, 2])])
def test_between_other_layers(op, shape):
    nodes = [
        node("MatMul", "x w", "a"),
        node("Relu", "a", "b"),
        node(op, "b s", "c"),
        node("Mul", "c k", "d"),
        node("Flatten", "d", "y"),
    ]
    wide = 3 if op == "Expand" else 6
    constants = {"w": normal(1, 2, 3), "s": shape, "k": normal(2, 4, wide)}
    check_model(graph_model(nodes, (1, 2), constants))
