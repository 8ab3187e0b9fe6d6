"""Gather, GatherElements and GatherND at constant indices."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.graphs import graph_model, node, normal, one_op, opsets_of
from tests.support.layers import check_alone, check_model, refusal


def whole(entries):
    return np.array(entries, np.int64)


@pytest.mark.parametrize("opset", opsets_of("Gather"))
def test_every_opset(opset):
    check_model(one_op("Gather", (4, 3), "x", whole([2, 0, 0]), axis=1, opset=opset))


@pytest.mark.parametrize("axis", [1, 2, 3, -1, -3])
@pytest.mark.parametrize(
    "indices", [1, -1, [0], [1, 0, -1], [1, 1, 1, 1, 0], [[0, 1], [-1, -2]], [[[1]]]]
)
def test_indices_of_any_rank(axis, indices):
    check_model(one_op("Gather", (2, 3, 2), "x", whole(indices), axis=axis))


def test_indices_of_the_other_type():
    check_model(one_op("Gather", (4,), "x", np.array([3, -4], np.int32), axis=1))


def test_an_index_takes_away_the_last_axis():
    """The scores are single numbers, one for each sample."""
    check_model(one_op("Gather", (4,), "x", whole(2), axis=1, flatten=False))


@pytest.mark.parametrize("indices", [0, -1, [0], [0, 0, -1], [[0, 0]]])
def test_the_batch_axis(indices):
    check_alone(one_op("Gather", (2, 3), "x", whole(indices), axis=0))


def test_all_entries_in_order_leave_no_trace():
    network = check_model(one_op("Gather", (3,), "x", whole([0, -2, 2]), axis=1, flatten=False))
    assert network.steps == ()


def test_overlapping_windows():
    """As an export of ``unfold`` cuts them out; every entry is taken up to three times."""
    windows = np.arange(3)[:, None] + np.arange(5)
    check_model(one_op("Gather", (2, 7), "x", windows, axis=2))


def test_entries_taken_many_times():
    check_model(one_op("Gather", (3, 2), "x", whole([0] * 9 + [2] + [1] * 4), axis=1))


def test_between_other_layers():
    nodes = [
        node("Gemm", "x w", "a"),
        node("Relu", "a", "b"),
        node("Gather", "b i", "c", axis=1),
        node("Gather", "b last", "d", axis=-1),
        node("Gemm", "c v", "e"),
        node("Unsqueeze", "d one", "f"),
        node("Add", "e f", "y"),
    ]
    constants = {"w": normal(1, 3, 6), "v": normal(2, 4, 2)}
    constants |= {"i": whole([5, 1, 1, -2]), "last": whole(-1), "one": whole([1])}
    check_model(graph_model(nodes, (3,), constants))


@pytest.mark.parametrize("opset", opsets_of("GatherElements", since=11))
def test_single_entries_in_every_opset(opset):
    """Constant indices have a batch axis of extent 1, so such a graph takes one sample."""
    indices = whole([[2, 0, 1, -1]])
    check_alone(one_op("GatherElements", (3,), "x", indices, axis=1, opset=opset))


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
@pytest.mark.parametrize("shape", [(1, 2, 3), (1, 1, 2), (1, 2, 1)])
def test_single_entries_along_any_axis(axis, shape):
    extent = (1, 2, 3)[axis]
    indices = np.random.default_rng(axis + 2).integers(-extent, extent, shape)
    check_alone(one_op("GatherElements", (2, 3), "x", indices, axis=axis))


def test_more_entries_than_there_are():
    indices = whole([[[0, 1, 2, 2, 1], [-1, 0, 0, 0, 0]]])
    check_alone(one_op("GatherElements", (2, 3), "x", indices, axis=2))


def for_every_batch(op, sample, row, **attributes):
    """The operator with one sample's indices repeated over a batch of any size."""
    nodes = [
        node("Shape", "x", "s", end=1),
        node("Concat", "s rest", "wide", axis=0),
        node("Expand", "row wide", "i"),
        node(op, "x i", "t", **attributes),
        node("Flatten", "t", "y"),
    ]
    return graph_model(nodes, sample, {"row": whole([row]), "rest": whole(np.shape(row))})


def test_indices_repeated_over_the_batch():
    check_model(for_every_batch("GatherElements", (3,), [2, 0, -1, 1], axis=1))
    check_model(for_every_batch("GatherND", (3, 2), [[2], [0]], batch_dims=1))


@pytest.mark.parametrize("opset", opsets_of("GatherND", since=12))
@pytest.mark.parametrize("row", [[0], [[2], [0], [-1]], [[1, 1], [-1, 0]], [[[0, 1]], [[2, -2]]]])
def test_slices_behind_the_batch_in_every_opset(opset, row):
    check_alone(one_op("GatherND", (3, 2), "x", whole([row]), batch_dims=1, opset=opset))


@pytest.mark.parametrize("indices", [[0], [[0], [-1]], [[0, 2], [0, 0]], [[0, -1, 1]], [0, 1, 0]])
def test_slices_from_the_batch_axis_on(indices):
    flatten = np.ndim(indices) > 1
    check_alone(one_op("GatherND", (3, 2), "x", whole(indices), opset=11, flatten=flatten))


def test_slices_behind_two_shared_axes():
    indices = whole([[[0, 1], [-1, 0], [1, 1]]])
    check_alone(one_op("GatherND", (3, 2, 2), "x", indices, batch_dims=2))


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.data())
def test_any_slices(data):
    sample = tuple(data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=3)))
    source = (1, *sample)
    shared = data.draw(st.integers(0, len(sample)))
    depth = data.draw(st.integers(1, len(source) - shared))
    free = data.draw(st.lists(st.integers(1, 2), max_size=2))
    limits = source[shared : shared + depth]
    generator = np.random.default_rng(data.draw(st.integers(0, 99)))
    shape = (*source[:shared], *free)
    indices = np.stack([generator.integers(-n, n, shape) for n in limits], axis=-1)
    model = one_op("GatherND", sample, "x", indices, batch_dims=shared, flatten=False)
    check_model(model, batches=(1,))


@pytest.mark.parametrize(
    ("op", "indices", "attributes", "reason"),
    [
        ("Gather", [3], {"axis": 1}, "outside an axis of extent 3"),
        ("Gather", [0, -4], {"axis": 1}, "from -4 to 0"),
        ("Gather", [0], {"axis": 3}, "outside a tensor of rank 3"),
        ("Gather", np.zeros((0,), int), {"axis": 1}, "take nothing"),
        ("Gather", [1.0], {"axis": 1}, "not whole numbers"),
        ("GatherElements", [[[3, 0]]], {"axis": 1}, "outside an axis of extent 3"),
        ("GatherElements", [[0, 0]], {"axis": 1}, "do not fit a tensor of shape (1, 3, 2)"),
        ("GatherElements", [[[0, 0, 0]]], {"axis": 1}, "do not fit a tensor of shape (1, 3, 2)"),
        ("GatherND", [[3]], {"batch_dims": 1}, "outside an axis of extent 3"),
        ("GatherND", [[0], [0]], {"batch_dims": 1}, "do not fit a tensor of shape (1, 3, 2)"),
        ("GatherND", [[0, 0, 0, 0]], {}, "do not fit a tensor of shape (1, 3, 2)"),
    ],
)
def test_refusals(op, indices, attributes, reason):
    problem = refusal(one_op(op, (3, 2), "x", np.array(indices), **attributes))
    assert problem.op == op
    assert reason in problem.reason


@pytest.mark.parametrize("op", ["Gather", "GatherElements", "GatherND"])
def test_refuses_indices_that_are_computed(op):
    """What a network looks up by itself jumps from entry to entry."""
    nodes = [node(op, "table x", "y")]
    problem = refusal(graph_model(nodes, (3,), {"table": normal(1, 4, 3)}))
    assert "only constant indices" in problem.reason
