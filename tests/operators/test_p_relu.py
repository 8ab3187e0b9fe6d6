"""PRelu: slopes of every shape and sign."""

import numpy as np
import pytest

from tests.support.graphs import graph_model, load_model, node, normal, one_op, opsets_of
from tests.support.layers import check_alone, check_model, refusal

SHAPES = [
    ((4,), ()),
    ((4,), (1,)),
    ((4,), (4,)),
    ((4,), (1, 4)),
    ((3, 2, 2), (3, 1, 1)),
    ((3, 2, 2), (1, 3, 1, 1)),
    ((3, 2, 2), (2,)),
    ((3, 2, 2), (3, 2, 2)),
]


@pytest.mark.parametrize("opset", opsets_of("PRelu"))
def test_every_opset(opset):
    check_model(one_op("PRelu", (3, 2), "x", normal(1, 3, 1), opset=opset))


@pytest.mark.parametrize(("sample", "shape"), SHAPES)
def test_every_shape_of_the_slope(sample, shape):
    slope = normal(1, *shape).reshape(shape)
    network = check_model(one_op("PRelu", sample, "x", slope))
    assert network.parameters == slope.size


@pytest.mark.parametrize("slope", [0.0, 1.0, -1.0, 2.0])
def test_special_slopes(slope):
    check_model(one_op("PRelu", (4,), "x", np.float32(slope)))


def test_slopes_with_a_zero_among_them():
    check_model(one_op("PRelu", (3,), "x", np.array([0.0, 0.5, -0.5], np.float32), flatten=False))


def test_channels_behind_a_convolution():
    nodes = [node("Conv", "x w", "a"), node("PRelu", "a s", "b"), node("Flatten", "b", "y")]
    constants = {"w": normal(1, 3, 2, 2, 2), "s": normal(2, 3, 1, 1)}
    check_model(graph_model(nodes, (2, 3, 3), constants))


def test_a_slope_for_the_rows_of_one_sample():
    """Where the batch axis has become an axis of features."""
    nodes = [node("Reshape", "x s", "a"), node("PRelu", "a c", "y")]
    check_alone(graph_model(nodes, (6,), {"s": np.array([2, 3]), "c": normal(1, 2, 1)}))


@pytest.mark.parametrize("shape", [(2, 1), (2, 4), (1, 2, 4)])
def test_refuses_slopes_that_would_enlarge_it(shape):
    model = one_op("PRelu", (4,), "x", normal(1, *shape), batch=1)
    assert refusal(model).reason.startswith("its slope of shape")


def test_refuses_slopes_that_do_not_broadcast():
    assert "does not broadcast" in refusal(one_op("PRelu", (4,), "x", normal(1, 3))).reason


def test_refuses_a_computed_slope():
    assert "slope must be a constant" in refusal(one_op("PRelu", (4,), "x", "x")).reason


def test_slope_at_zero_is_that_above():
    network = load_model(one_op("PRelu", (2,), "x", np.float32(-0.5), flatten=False)).network
    _, gradient = network.value_and_gradient(np.array([[0.0, -1.0]]), np.ones((1, 2)))
    np.testing.assert_array_equal(gradient, [[1.0, -0.5]])
