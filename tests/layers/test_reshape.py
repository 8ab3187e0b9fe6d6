"""Reshape: copied, inferred and literal extents, and shapes that touch the batch."""

import numpy as np
import pytest

from onnx_lippa.errors import ModelError
from tests.graphs import FREE, graph_model, load_model, node, normal, one_op, opsets_of
from tests.layers.checks import check_model, refusal


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
def test_shapes_for_a_batch_of_one(shape):
    check_model(reshape((2, 3, 2), shape), batches=(1,))


@pytest.mark.parametrize("shape", [[1, 12], [1, -1], [1, 3, -1]])
def test_a_literal_batch_of_one_in_an_export_with_a_free_batch_is_refused(shape):
    with pytest.raises(ModelError, match="batch"):
        load_model(reshape((2, 3, 2), shape))


def test_a_literal_batch_of_one_before_a_gemm_is_refused():
    nodes = [node("Reshape", "x s", "a"), node("Gemm", "a w", "y")]
    constants = {"s": np.array([1, -1]), "w": normal(1, 6, 2)}
    load_model(graph_model(nodes, (2, 3), constants, batch=1))
    with pytest.raises(ModelError, match="batch"):
        load_model(graph_model(nodes, (2, 3), constants, batch=FREE))


def test_allowzero_without_a_zero_changes_nothing():
    check_model(reshape((2, 3), [-1, 3, 2], allowzero=1))


@pytest.mark.parametrize("shape", [[-1, 0, 3], [0, 6]])
def test_allowzero_means_an_empty_axis(shape):
    assert str(shape) in refusal(reshape((2, 3), shape, allowzero=1)).reason


@pytest.mark.parametrize(
    "shape", [[-1], [6, -1], [-1, 3], [2, 3], [-1, 4], [0, 5, -1], [-1, -1], [3, -1, 2], [12]]
)
def test_refuses_shapes_that_mix_in_the_batch(shape):
    problem = refusal(reshape((2, 3), shape))
    assert problem.op == "Reshape"
    assert str(shape) in problem.reason
    assert "batch" in problem.reason


@pytest.mark.parametrize("shape", [[-1, -2, -3], [0, -6, -1], [-2, 6]])
def test_refuses_negative_extents(shape):
    assert str(shape) in refusal(reshape((2, 3), shape)).reason


def test_refuses_an_empty_shape():
    assert "shape" in refusal(reshape((1,), [])).reason


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
