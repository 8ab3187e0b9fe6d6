"""MaxPool in one to three dimensions: windows over edges, ties, and what it becomes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onnx_lippa.errors import UnsupportedModelError
from tests.support.graphs import graph_model, load_model, node, normal, one_op, opsets_of
from tests.support.layers import check_model, refusal
from tests.support.operands import check_pool, pools


@pytest.mark.parametrize("opset", opsets_of("MaxPool"))
@pytest.mark.parametrize("spatial", [1, 2, 3])
def test_every_opset(opset, spatial):
    sample = (2, 4, 3, 2)[: spatial + 1]
    model = one_op(
        "MaxPool", sample, kernel_shape=[2] * spatial, pads=[1, 0] * spatial, opset=opset
    )
    check_model(model)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(pools(), st.sampled_from([("batch",), (1,)]))
def test_any_window(pool, batches):
    check_pool("MaxPool", pool, batches)


@pytest.mark.parametrize("ceil_mode", [0, 1])
@pytest.mark.parametrize(("kernel", "stride", "pad"), [(2, 2, 0), (3, 2, 1), (3, 1, 1), (3, 3, 1)])
def test_usual_windows(kernel, stride, pad, ceil_mode):
    attributes = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [pad] * 4}
    check_model(one_op("MaxPool", (1, 6, 5), ceil_mode=ceil_mode, **attributes))


@pytest.mark.parametrize("stride", [1, 6])
def test_windows_of_many_entries(stride):
    check_model(one_op("MaxPool", (1, 13, 6), kernel_shape=[6, 6], strides=[stride, 1]))


def test_a_dilated_window_that_meets_the_padding():
    model = one_op("MaxPool", (2, 6), kernel_shape=[3], dilations=[2], pads=[2, 2])
    check_model(model)


def test_single_entries_are_only_taken():
    network = check_model(one_op("MaxPool", (2, 7, 5), kernel_shape=[1, 1], strides=[3, 2]))
    assert network.units == 0


def test_the_whole_image_is_one_maximum():
    network = check_model(one_op("MaxPool", (3, 4, 5), kernel_shape=[4, 5]))
    assert network.units == 3


def test_the_whole_image_shifted_into_the_padding():
    attributes = {"kernel_shape": [3, 3], "pads": [1, 1, 0, 0], "strides": [2, 2]}
    check_model(one_op("MaxPool", (2, 3, 3), **attributes))


def test_the_order_of_positions_does_not_matter():
    check_model(one_op("MaxPool", (2, 4, 4), kernel_shape=[2, 2], storage_order=1))


def test_ties_go_to_the_first_entry():
    model = load_model(one_op("MaxPool", (1, 1, 4), kernel_shape=[1, 2], strides=[1, 2]))
    x = np.array([[1.0, 1.0, 0.0, 0.0]], np.float32)
    _, gradient = model.gradient.value_and_gradient(x, np.array([[1.0, 2.0]], np.float32))
    np.testing.assert_array_equal(gradient, [[1.0, 0.0, 2.0, 0.0]])
    _, pulled = model.network.value_and_gradient(x.astype(float), np.array([[1.0, 2.0]]))
    np.testing.assert_array_equal(pulled, gradient)


def test_between_other_layers():
    nodes = [
        node("Conv", "x w c", "a", pads=[1, 1, 1, 1]),
        node("Relu", "a", "b"),
        node("MaxPool", "b", "d", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
        node("Conv", "d v", "e"),
        node("MaxPool", "e", "f", kernel_shape=[2, 2], strides=[2, 2]),
        node("Flatten", "f", "y"),
    ]
    constants = {"w": normal(1, 3, 1, 3, 3), "c": normal(2, 3), "v": normal(3, 2, 3, 2, 2)}
    check_model(graph_model(nodes, (1, 9, 8), constants))


def test_images_in_place_of_a_batch():
    nodes = [
        node("Reshape", "x s", "a"),
        node("MaxPool", "a", "b", kernel_shape=[2]),
        node("Reshape", "b t", "y"),
    ]
    constants = {"s": np.array([3, 2, 4]), "t": np.array([1, 18])}
    check_model(graph_model(nodes, (24,), constants), (1,))


def test_positions_are_refused_where_they_are_used():
    nodes = [
        node("MaxPool", "x", "a i", kernel_shape=[2]),
        node("Cast", "i", "j", to=1),
        node("Add", "a j", "b"),
        node("Flatten", "b", "y"),
    ]
    with pytest.raises(UnsupportedModelError, match="positions of the maxima"):
        load_model(graph_model(nodes, (2, 4)))


def test_positions_that_nothing_uses_do_not_matter():
    nodes = [node("MaxPool", "x", "a i", kernel_shape=[2]), node("Flatten", "a", "y")]
    check_model(graph_model(nodes, (2, 4)))


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"kernel_shape": [2]}, "does not fit samples"),
        ({"kernel_shape": [2, 2], "strides": [1]}, "strides"),
        ({"kernel_shape": [2, 2], "strides": [0, 1]}, "strides"),
        ({"kernel_shape": [2, 2], "dilations": [1]}, "dilations"),
        ({"kernel_shape": [0, 2]}, "kernel"),
        ({"kernel_shape": [2, 2], "pads": [1, 1]}, "pads"),
        ({"kernel_shape": [2, 2], "pads": [2, 0, 0, 0]}, "not smaller than its kernel"),
        ({"kernel_shape": [2, 2], "auto_pad": "SAME"}, "auto_pad"),
        ({"kernel_shape": [2, 1], "auto_pad": "SAME_LOWER", "strides": [2, 3]}, "auto_pad"),
        ({"kernel_shape": [6, 2]}, "larger than the padded input"),
        ({"kernel_shape": [2, 2], "dilations": [5, 1]}, "larger than the padded input"),
        ({"kernel_shape": [2, 2], "dilations": [6, 1], "pads": [1, 0, 1, 0]}, "in the padding"),
    ],
)
def test_refuses(attributes, words):
    problem = refusal(one_op("MaxPool", (2, 5, 5), **attributes))
    assert problem.op == "MaxPool"
    assert words in problem.reason
