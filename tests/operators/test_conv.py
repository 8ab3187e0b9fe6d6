"""Conv in one to three dimensions: geometry, groups and automatic padding."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.graphs import graph_model, node, normal, one_op, opsets_of
from tests.support.layers import check_model, refusal

SAMPLES = {1: (2, 7), 2: (2, 6, 5), 3: (2, 4, 3, 4)}


@pytest.mark.parametrize("opset", opsets_of("Conv"))
@pytest.mark.parametrize("spatial", [1, 2, 3])
def test_every_opset(opset, spatial):
    weight = normal(1, 3, 2, *(2,) * spatial)
    check_model(one_op("Conv", SAMPLES[spatial], "x", weight, normal(2, 3), opset=opset))


@pytest.mark.parametrize("spatial", [1, 2, 3])
@pytest.mark.parametrize("mode", ["SAME_UPPER", "SAME_LOWER", "VALID"])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_automatic_padding(spatial, mode, stride):
    weight = normal(1, 3, 2, *(2, 3, 2)[:spatial])
    model = one_op("Conv", SAMPLES[spatial], "x", weight, auto_pad=mode, strides=[stride] * spatial)
    check_model(model)


@pytest.mark.parametrize("mode", ["SAME_UPPER", "SAME_LOWER"])
def test_refuses_the_dilated_padding_that_the_runtime_cannot_run(mode):
    weight = normal(1, 2, 1, 3, 2)
    problem = refusal(one_op("Conv", (1, 7, 8), "x", weight, auto_pad=mode, dilations=[1, 3]))
    assert "explicit pads" in problem.reason


def test_dilated_kernels_without_padding():
    weight = normal(1, 2, 1, 3, 2)
    check_model(one_op("Conv", (1, 7, 8), "x", weight, auto_pad="VALID", dilations=[2, 3]))


def test_stride_beyond_the_kernel_needs_no_padding():
    check_model(one_op("Conv", (1, 8), "x", normal(1, 2, 1, 2), auto_pad="SAME_UPPER", strides=[3]))


@pytest.mark.parametrize(("extent", "stride"), [(6, 2), (7, 3), (8, 3), (9, 5)])
def test_strides_that_leave_a_remainder(extent, stride):
    model = one_op("Conv", (1, extent, extent), "x", normal(1, 2, 1, 3, 3), strides=[stride] * 2)
    check_model(model)


def test_pads_that_differ_on_every_side():
    model = one_op("Conv", (2, 4, 5), "x", normal(1, 2, 2, 3, 2), pads=[0, 2, 1, 3])
    check_model(model)


def test_pads_wider_than_the_kernel():
    check_model(one_op("Conv", (1, 3, 3), "x", normal(1, 2, 1, 2, 2), pads=[3, 4, 2, 5]))


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_groups(groups):
    weight = normal(1, 8, 4 // groups, 3, 3)
    check_model(one_op("Conv", (4, 5, 5), "x", weight, normal(2, 8), group=groups))


def test_kernel_of_the_whole_image():
    check_model(one_op("Conv", (2, 3, 3), "x", normal(1, 4, 2, 3, 3), kernel_shape=[3, 3]))


def test_between_other_layers():
    nodes = [
        node("Conv", "x w c", "a", strides=[2, 2], pads=[1, 1, 1, 1]),
        node("Relu", "a", "b"),
        node("Conv", "b v", "d"),
        node("LeakyRelu", "d", "e"),
        node("Flatten", "e", "f"),
        node("Gemm", "f g", "y"),
    ]
    constants = {
        "w": normal(1, 4, 1, 3, 3),
        "c": normal(2, 4),
        "v": normal(3, 3, 4, 2, 2),
        "g": normal(4, 27, 3),
    }
    check_model(graph_model(nodes, (1, 8, 8), constants))


@st.composite
def convolutions(draw):
    """A sample, a kernel and attributes; some leave no place for the kernel."""
    spatial = draw(st.integers(1, 3))
    largest = {1: 9, 2: 6, 3: 4}[spatial]

    def axes(low, high):
        return [draw(st.integers(low, high)) for _ in range(spatial)]

    groups, per_group = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    kernel, extents = axes(1, 3), axes(1, largest)
    attributes = {"group": groups, "strides": axes(1, 3)}
    mode = draw(st.sampled_from(["NOTSET", "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"]))
    if mode == "NOTSET":
        attributes["pads"] = [*axes(0, 3), *axes(0, 3)]
    else:
        attributes["auto_pad"] = mode
    attributes["dilations"] = [1] * spatial if mode.startswith("SAME") else axes(1, 3)
    maps = groups * draw(st.integers(1, 2))
    bias = normal(2, maps) if draw(st.booleans()) else None
    weight = normal(1, maps, per_group, *kernel)
    return (groups * per_group, *extents), weight, bias, attributes


@settings(max_examples=60, deadline=None, derandomize=True)
@given(convolutions(), st.sampled_from([("batch",), (1,)]))
def test_any_geometry(convolution, batches):
    sample, weight, bias, attributes = convolution
    model = one_op("Conv", sample, "x", weight, bias, **attributes)
    pads = attributes.get("pads", [0] * (2 * len(sample[1:])))
    spans = [
        (k - 1) * d + 1 for k, d in zip(weight.shape[2:], attributes["dilations"], strict=True)
    ]
    room = [e + b + a for e, b, a in zip(sample[1:], pads, pads[len(spans) :], strict=False)]
    fits = all(s <= r for s, r in zip(spans, room, strict=True))
    if fits or attributes.get("auto_pad", "").startswith("SAME"):
        check_model(model, batches)
    else:
        assert "larger than the padded input" in refusal(model).reason


@pytest.mark.parametrize(
    ("operands", "attributes", "words"),
    [
        (("x", normal(1, 2, 3, 2, 2)), {}, "does not fit 2 channels"),
        (("x", normal(1, 3, 1, 2, 2)), {"group": 2}, "does not fit 2 channels"),
        (("x", normal(1, 2, 2, 2)), {}, "does not fit samples"),
        (("x", normal(1, 2, 2, 2, 2), normal(1, 3)), {}, "does not fit 2 maps"),
        (("x", normal(1, 2, 2, 2, 2)), {"kernel_shape": [3, 3]}, "kernel_shape"),
        (("x", normal(1, 2, 2, 2, 2)), {"strides": [0, 1]}, "strides"),
        (("x", normal(1, 2, 2, 2, 2)), {"strides": [1]}, "strides"),
        (("x", normal(1, 2, 2, 2, 2)), {"dilations": [1, 0]}, "dilations"),
        (("x", normal(1, 2, 2, 2, 2)), {"pads": [1, 1]}, "pads"),
        (("x", normal(1, 2, 2, 2, 2)), {"pads": [-1, 0, 0, 0]}, "pads"),
        (("x", normal(1, 2, 2, 2, 2)), {"auto_pad": "SAME"}, "auto_pad"),
        (("x", normal(1, 2, 2, 9, 2)), {}, "larger than the padded input"),
        ((normal(1, 1, 2, 5, 5), "x"), {}, "computed"),
        (("x", "x"), {}, "constant"),
    ],
)
def test_refuses(operands, attributes, words):
    problem = refusal(one_op("Conv", (2, 5, 5), *operands, **attributes))
    assert problem.op == "Conv"
    assert words in problem.reason


def test_weights_are_counted():
    network = check_model(one_op("Conv", (2, 5, 5), "x", np.ones((3, 2, 2, 2), np.float32)))
    assert network.parameters == 24
