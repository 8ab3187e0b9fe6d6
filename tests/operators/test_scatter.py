"""ScatterND, ScatterElements and Scatter: entries replaced at constant places."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.graphs import graph_model, node, normal, one_op, opsets_of
from tests.support.layers import check_alone, check_model, refusal


def whole(entries):
    return np.array(entries, np.int64)


@pytest.mark.parametrize("opset", opsets_of("ScatterND", since=11))
@pytest.mark.parametrize(
    ("indices", "updates"),
    [
        ([[0, 1]], (1, 2)),
        ([[0, 2], [0, -3]], (2, 2)),
        ([[0, 1, 0], [0, -1, 1], [0, 0, 0]], (3,)),
        ([[[0, 1], [0, 2]]], (1, 2, 2)),
        ([[0]], (1, 3, 2)),
    ],
)
def test_slices_in_every_opset(opset, indices, updates):
    """A constant, or what the network computes, written into the other."""
    values = normal(1, *updates)
    check_alone(one_op("ScatterND", (3, 2), "x", whole(indices), values, opset=opset))


def test_computed_slices_into_a_constant():
    """As PyTorch exports an assignment to a part of a tensor of zeros."""
    nodes = [
        node("Relu", "x", "a"),
        node("ScatterND", "zeros i a", "b"),
        node("Flatten", "b", "y"),
    ]
    constants = {"zeros": np.zeros((1, 5), np.float32), "i": whole([[[0, 3], [0, 0]]])}
    check_alone(graph_model(nodes, (2,), constants))


def test_computed_slices_into_a_computed_tensor():
    nodes = [
        node("Gemm", "x w", "a"),
        node("Relu", "a", "b"),
        node("Slice", "b two four one", "c"),
        node("ScatterND", "x i c", "d"),
        node("Add", "d x", "y"),
    ]
    constants = {"w": normal(1, 3, 4), "i": whole([[[0, 2], [0, 1]]])}
    constants |= {"one": [1], "two": [2], "four": [4]}
    check_alone(graph_model(nodes, (3,), constants))


@pytest.mark.parametrize("opset", opsets_of("ScatterElements", since=11))
@pytest.mark.parametrize(
    ("axis", "indices"),
    [(1, [[[2, 0]]]), (-1, [[[1], [0], [-2]]]), (2, [[[0, 1], [1, 0]]]), (0, [[[0, -1]]])],
)
def test_elements_in_every_opset(opset, axis, indices):
    values = normal(1, *np.shape(indices))
    check_alone(
        one_op("ScatterElements", (3, 2), "x", whole(indices), values, axis=axis, opset=opset)
    )


@pytest.mark.parametrize("opset", [9, 10])
def test_the_first_name(opset):
    indices, values = whole([[2, 0]]), normal(1, 1, 2)
    check_alone(one_op("Scatter", (3,), "x", indices, values, axis=1, opset=opset))


def test_elements_of_every_sample():
    """Indices and updates of the batch's own extent, as exports write them."""
    nodes = [
        node("Shape", "x", "s", end=1),
        node("Concat", "s one", "wide", axis=0),
        node("Expand", "first wide", "i"),
        node("Relu", "x", "a"),
        node("Slice", "a one two one", "u"),
        node("ScatterElements", "x i u", "y", axis=1),
    ]
    constants = {"one": [1], "two": [2], "first": whole([[2]])}
    check_model(graph_model(nodes, (3,), constants))


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.data())
def test_any_elements(data):
    sample = tuple(data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=2)))
    source = (1, *sample)
    axis = data.draw(st.integers(0, len(sample)))
    generator = np.random.default_rng(data.draw(st.integers(0, 99)))
    order = np.argsort(generator.normal(size=source), axis=axis)
    kept = tuple(slice(data.draw(st.integers(1, extent))) for extent in source)
    indices = order[kept]
    values = normal(3, *indices.shape)
    model = one_op("ScatterElements", sample, "x", indices, values, axis=axis, flatten=False)
    check_model(model, batches=(1,))


@pytest.mark.parametrize(
    ("op", "indices", "updates", "attributes", "reason"),
    [
        ("ScatterND", [[0, 3]], (1,), {}, "outside an axis of extent 3"),
        ("ScatterND", [[0, 1]], (2,), {}, "do not place a tensor of shape (2,)"),
        ("ScatterND", [[0, 1, 0]], (1,), {}, "do not place"),
        ("ScatterND", [[0, 1], [0, -2]], (2,), {}, "name a place twice"),
        ("ScatterND", [[0, 1]], (1,), {"reduction": "add"}, "its reduction 'add'"),
        ("ScatterElements", [[1, 1]], (1, 2), {"axis": 1}, "name a place twice"),
        ("ScatterElements", [[1]], (1, 2), {"axis": 1}, "do not place a tensor of shape (1, 2)"),
        ("ScatterElements", [[3]], (1, 1), {"axis": 1}, "outside an axis of extent 3"),
        ("ScatterElements", [1], (1,), {"axis": 1}, "do not fit a tensor of shape (1, 3)"),
        ("ScatterElements", [[1]], (1, 1), {"axis": 1, "reduction": "max"}, "reduction 'max'"),
    ],
)
def test_refusals(op, indices, updates, attributes, reason):
    values = np.ones(updates, np.float32)
    problem = refusal(one_op(op, (3,), "x", whole(indices), values, opset=18, **attributes))
    assert problem.op == op
    assert reason in problem.reason


def test_refuses_indices_that_are_computed():
    nodes = [node("ScatterND", "table x x", "y")]
    problem = refusal(graph_model(nodes, (3,), {"table": normal(1, 4, 3)}))
    assert "its indices depend on the input" in problem.reason
