"""Reshape: copied, inferred and literal extents, and shapes that touch the batch."""

import numpy as np
import pytest

from tests.support.graphs import graph_model, node, normal, one_op, opsets_of
from tests.support.layers import check_alone, check_model, refusal


def reshape(sample, shape, **options):
    """A model that reshapes its input."""
    return one_op("Reshape", sample, "x", np.array(shape, np.int64), **options)


@pytest.mark.parametrize("opset", opsets_of("Reshape"))
def test_every_opset(opset):
    check_model(reshape((2, 3), [-1, 6], flatten=False, opset=opset))


@pytest.mark.parametrize(
    "shape",
    [[-1, 12], [0, 12], [0, -1], [0, 0, -1], [-1, 2, 6], [-1, 0, 6], [0, 4, -1], [-1, 1, 12, 1],
     [0, 0, 0, 0], [-1, 0, 0, 2]],
)  # fmt: skip
def test_shapes_for_every_batch(shape):
    check_model(reshape((2, 3, 2), shape))


@pytest.mark.parametrize("shape", [[1, 12], [1, -1], [1, 0, 6], [1, 3, -1]])
def test_a_literal_batch_of_one(shape):
    check_alone(reshape((2, 3, 2), shape))


def test_a_literal_batch_of_one_before_a_gemm():
    nodes = [node("Reshape", "x s", "a"), node("Gemm", "a w", "y")]
    check_alone(graph_model(nodes, (2, 3), {"s": np.array([1, -1]), "w": normal(1, 6, 2)}))


def test_allowzero_without_a_zero_changes_nothing():
    check_model(reshape((2, 3), [-1, 3, 2], allowzero=1))


@pytest.mark.parametrize("shape", [[-1, 0, 3], [0, 6]])
def test_allowzero_means_an_empty_axis(shape):
    assert str(shape) in refusal(reshape((2, 3), shape, allowzero=1)).reason


@pytest.mark.parametrize("shape", [[-1], [6, -1], [-1, 3], [2, 3], [3, -1, 2], [2, -1], [6]])
def test_shapes_that_mix_in_the_batch(shape):
    check_alone(reshape((2, 3), shape))


def test_shapes_that_mix_in_the_batch_and_take_it_out_again():
    """As time-distributed layers do: every place of every sample is a row of its own."""
    nodes = [
        node("Reshape", "x rows", "a"),
        node("Gemm", "a w c", "b"),
        node("Relu", "b", "d"),
        node("Reshape", "d back", "y"),
    ]
    constants = {"rows": [-1, 3], "back": [-1, 8], "w": normal(1, 3, 4), "c": normal(2, 4)}
    check_model(graph_model(nodes, (2, 3), constants))


def test_to_a_number():
    network = check_alone(reshape((1,), [], flatten=False))
    assert network.output_size == 1


@pytest.mark.parametrize("shape", [[-1, 4], [0, 5, -1], [-1, -1], [12], [0, 0, 0, 6]])
def test_refuses_shapes_that_do_not_fit(shape):
    problem = refusal(reshape((2, 3), shape))
    assert problem.op == "Reshape"
    assert f"its shape {shape} does not fit" in problem.reason


@pytest.mark.parametrize("shape", [[-1, -2, -3], [0, -6, -1], [-2, 6]])
def test_refuses_negative_extents(shape):
    assert str(shape) in refusal(reshape((2, 3), shape)).reason


def test_refuses_a_computed_shape():
    nodes = [node("Reshape", "x x", "y")]
    assert "shape must be a constant" in refusal(graph_model(nodes, (3,))).reason


def test_between_other_layers():
    nodes = [
        node("Gemm", "x w", "a"),
        node("Reshape", "a s", "b"),
        node("Relu", "b", "c"),
        node("Conv", "c k", "d"),
        node("Flatten", "d", "y"),
    ]
    constants = {"w": normal(1, 4, 18), "s": np.array([-1, 2, 3, 3]), "k": normal(2, 3, 2, 2, 2)}
    check_model(graph_model(nodes, (4,), constants))
