"""AveragePool in one to three dimensions, the padding counted or not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.graphs import graph_model, node, normal, one_op, opsets_of
from tests.support.layers import check_model, refusal
from tests.support.operands import check_pool, pools


@pytest.mark.parametrize("opset", opsets_of("AveragePool"))
@pytest.mark.parametrize("spatial", [1, 2, 3])
@pytest.mark.parametrize("counted", [0, 1])
def test_every_opset(opset, spatial, counted):
    attributes = {"kernel_shape": [2] * spatial, "pads": [1, 0] * spatial}
    sample = (2, 5, 4, 3)[: spatial + 1]
    model = one_op("AveragePool", sample, count_include_pad=counted, opset=opset, **attributes)
    check_model(model)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    pools(dilates=False), st.integers(0, 1), st.sampled_from([10, 17]),
    st.sampled_from([("batch",), (1,)]),
)  # fmt: skip
def test_any_window(pool, counted, opset, batches):
    check_pool("AveragePool", pool, batches, count_include_pad=counted, opset=opset)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(pools(), st.integers(0, 1), st.sampled_from([("batch",), (1,)]))
def test_any_dilated_window(pool, counted, batches):
    check_pool("AveragePool", pool, batches, count_include_pad=counted, opset=19)


@pytest.mark.parametrize("counted", [0, 1])
@pytest.mark.parametrize("ceil_mode", [0, 1])
@pytest.mark.parametrize(("kernel", "stride", "pad"), [(2, 2, 0), (4, 4, 0), (3, 2, 1), (3, 1, 1)])
def test_usual_windows(kernel, stride, pad, ceil_mode, counted):
    attributes = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [pad] * 4}
    further = {"ceil_mode": ceil_mode, "count_include_pad": counted}
    check_model(one_op("AveragePool", (2, 7, 6), **attributes, **further))


def test_a_window_wholly_in_the_padding_is_zero():
    attributes = {"kernel_shape": [2], "dilations": [2], "pads": [1, 1]}
    network = check_model(one_op("AveragePool", (2, 1), opset=19, **attributes))
    np.testing.assert_array_equal(network.forward(np.ones((1, 2))), [[0.0, 0.0]])


def test_the_whole_image():
    check_model(one_op("AveragePool", (3, 4, 5), kernel_shape=[4, 5]))


def test_single_entries():
    check_model(one_op("AveragePool", (3, 4, 5), kernel_shape=[1, 1], strides=[2, 3]))


def test_windows_are_no_parameters():
    network = check_model(one_op("AveragePool", (3, 4, 4), kernel_shape=[2, 2], pads=[1] * 4))
    assert network.parameters == 0


def test_images_in_place_of_a_batch():
    nodes = [
        node("Reshape", "x s", "a"),
        node("AveragePool", "a", "b", kernel_shape=[2]),
        node("Reshape", "b t", "y"),
    ]
    constants = {"s": np.array([3, 2, 4]), "t": np.array([1, 18])}
    check_model(graph_model(nodes, (24,), constants), (1,))


def test_between_other_layers():
    nodes = [
        node("Conv", "x w", "a"),
        node("Relu", "a", "b"),
        node("AveragePool", "b", "c", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
        node("Flatten", "c", "d"),
        node("Gemm", "d g", "y"),
    ]
    constants = {"w": normal(1, 3, 1, 2, 2), "g": normal(2, 48, 3)}
    check_model(graph_model(nodes, (1, 8, 9), constants))


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"kernel_shape": [2]}, "does not fit samples"),
        ({"kernel_shape": [2, 2], "strides": [1]}, "strides"),
        ({"kernel_shape": [0, 2]}, "kernel"),
        ({"kernel_shape": [2, 2], "pads": [1, 1]}, "pads"),
        ({"kernel_shape": [2, 2], "pads": [2, 0, 0, 0]}, "not smaller than its kernel"),
        ({"kernel_shape": [2, 2], "auto_pad": "SAME"}, "auto_pad"),
        ({"kernel_shape": [6, 2]}, "larger than the padded input"),
    ],
)
def test_refuses(attributes, words):
    problem = refusal(one_op("AveragePool", (2, 5, 5), **attributes))
    assert problem.op == "AveragePool"
    assert words in problem.reason
