"""Squeeze and Unsqueeze: axes as attributes and as inputs, the batch axis among them."""

import numpy as np
import pytest

from tests.support.graphs import graph_model, node, normal, one_op, opsets_of
from tests.support.layers import check_alone, check_model, refusal


def with_axes(op, sample, axes, opset=17, **options):
    """The operator in the form of its opset; None for no axes."""
    if axes is None:
        return one_op(op, sample, opset=opset, **options)
    if opset < 13:
        return one_op(op, sample, axes=axes, opset=opset, **options)
    return one_op(op, sample, "x", np.array(axes, np.int64), opset=opset, **options)


@pytest.mark.parametrize("opset", opsets_of("Squeeze"))
@pytest.mark.parametrize("axes", [[1], [3], [1, 3], [3, 1]])
def test_squeeze_in_every_opset(opset, axes):
    check_model(with_axes("Squeeze", (1, 3, 1, 2), axes, opset))


@pytest.mark.parametrize("axes", [[-2], [-4, -2], [1, -2]])
@pytest.mark.parametrize("opset", [11, 13])
def test_squeeze_from_behind(axes, opset):
    check_model(with_axes("Squeeze", (1, 3, 1, 2), axes, opset))


@pytest.mark.parametrize("opset", opsets_of("Unsqueeze"))
@pytest.mark.parametrize("axes", [[1], [2], [3], [1, 3], [4, 1, 2]])
def test_unsqueeze_in_every_opset(opset, axes):
    check_model(with_axes("Unsqueeze", (3, 2), axes, opset))


@pytest.mark.parametrize("axes", [[-1], [-3], [-1, -3], [1, -1], [-1, -2, -4]])
@pytest.mark.parametrize("opset", [11, 13])
def test_unsqueeze_from_behind(axes, opset):
    check_model(with_axes("Unsqueeze", (3, 2), axes, opset))


def test_both_leave_only_the_reshape_of_the_end():
    nodes = [
        node("Unsqueeze", "x one", "a"),
        node("Squeeze", "a one", "b"),
        node("Relu", "b", "y"),
    ]
    network = check_model(graph_model(nodes, (3,), {"one": [1]}))
    assert [step.op for step in network.steps] == ["Unsqueeze", "Squeeze", "Relu"]


@pytest.mark.parametrize("axes", [[0], [0, 2]])
@pytest.mark.parametrize("opset", [11, 17])
def test_squeeze_of_the_batch_axis(axes, opset):
    check_alone(with_axes("Squeeze", (3, 1, 2), axes, opset, flatten=False))


@pytest.mark.parametrize("sample", [(3,), (3, 1, 2), (1, 1, 2)])
@pytest.mark.parametrize("opset", [11, 17])
def test_squeeze_of_all_axes_of_extent_1(sample, opset):
    check_model(with_axes("Squeeze", sample, None, opset, flatten=False), batches=(1,))


def test_squeeze_of_all_axes_of_extent_1_in_a_graph_with_a_free_batch():
    """For a batch of two another axis comes first than for one sample, with the same numbers."""
    nodes = [node("Squeeze", "x", "a"), node("Reshape", "a s", "y")]
    check_model(graph_model(nodes, (3, 1, 2), {"s": [-1, 6]}))


def test_squeeze_to_a_number():
    check_model(with_axes("Squeeze", (1,), None, flatten=False), batches=(1,))


@pytest.mark.parametrize("axes", [[0], [0, 1], [-5, 1], [0, 3]])
@pytest.mark.parametrize("opset", [11, 17])
def test_unsqueeze_in_front_of_the_batch_axis(axes, opset):
    check_alone(with_axes("Unsqueeze", (3, 2), axes, opset, flatten=False))


def test_a_batch_axis_taken_away_and_put_back():
    nodes = [
        node("Squeeze", "x zero", "a"),
        node("Slice", "a zero two zero", "b"),
        node("Unsqueeze", "b zero", "c"),
        node("Gemm", "c w", "d"),
        node("Relu", "d", "y"),
    ]
    constants = {"zero": [0], "two": [2], "w": normal(1, 2, 3)}
    check_alone(graph_model(nodes, (4,), constants))


@pytest.mark.parametrize(
    ("op", "axes", "reason"),
    [
        ("Squeeze", [1], "not of extent 1"),
        ("Squeeze", [3], "outside a tensor of rank 3"),
        ("Squeeze", [2, -1], "name one twice"),
        ("Unsqueeze", [4], "outside a tensor of rank 4"),
        ("Unsqueeze", [-5], "outside a tensor of rank 4"),
        ("Unsqueeze", [1, 1], "name one twice"),
        ("Unsqueeze", [1, -4], "name one twice"),
    ],
)
@pytest.mark.parametrize("opset", [11, 17])
def test_refusals(op, axes, reason, opset):
    problem = refusal(with_axes(op, (3, 1), axes, opset))
    assert problem.op == op
    assert reason in problem.reason
