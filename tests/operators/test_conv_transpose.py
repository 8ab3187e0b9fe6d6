"""ConvTranspose in one to three dimensions: geometry, groups and the size of the result."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onnx_lippa.errors import UnsupportedModelError
from tests.support.graphs import graph_model, load_model, node, normal, one_op, opsets_of
from tests.support.layers import check_model, refusal

SAMPLES = {1: (2, 5), 2: (2, 3, 4), 3: (2, 2, 3, 2)}


@pytest.mark.parametrize("opset", opsets_of("ConvTranspose"))
@pytest.mark.parametrize("spatial", [1, 2, 3])
def test_every_opset(opset, spatial):
    weight = normal(1, 2, 3, *(2,) * spatial)
    check_model(one_op("ConvTranspose", SAMPLES[spatial], "x", weight, normal(2, 3), opset=opset))


@pytest.mark.parametrize("spatial", [1, 2, 3])
@pytest.mark.parametrize("mode", ["SAME_UPPER", "SAME_LOWER", "VALID"])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_automatic_padding(spatial, mode, stride):
    weight = normal(1, 2, 2, *(2, 3, 2)[:spatial])
    strides = [stride] * spatial
    check_model(
        one_op("ConvTranspose", SAMPLES[spatial], "x", weight, auto_pad=mode, strides=strides)
    )


@pytest.mark.parametrize("mode", ["NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"])
@pytest.mark.parametrize("extent", [1, 5, 8, 10, 11, 12])
def test_wanted_extents(mode, extent):
    attributes = {"strides": [2], "output_shape": [extent], "auto_pad": mode}
    check_model(one_op("ConvTranspose", (1, 5), "x", normal(1, 1, 2, 3), **attributes))


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_groups(groups):
    weight = normal(1, 4, 2, 3, 3)
    bias = normal(2, 2 * groups)
    check_model(one_op("ConvTranspose", (4, 3, 3), "x", weight, bias, group=groups, strides=[2, 2]))


def test_pads_that_leave_a_single_entry():
    check_model(one_op("ConvTranspose", (1, 5), "x", normal(1, 1, 2, 3), strides=[2], pads=[5, 5]))


def test_decoder():
    nodes = [
        node("ConvTranspose", "x w c", "a", strides=[2, 2], pads=[1, 1, 1, 1]),
        node("Relu", "a", "b"),
        node("ConvTranspose", "b v", "d", strides=[2, 2], output_padding=[1, 1], dilations=[2, 1]),
        node("Flatten", "d", "y"),
    ]
    constants = {"w": normal(1, 3, 2, 4, 4), "c": normal(2, 2), "v": normal(3, 2, 1, 2, 3)}
    check_model(graph_model(nodes, (3, 2, 3), constants))


@st.composite
def transposed(draw):
    """A sample, a kernel and attributes; some have no result."""
    spatial = draw(st.sampled_from([1, 2, 2, 3]))

    def axes(low, high):
        return [draw(st.integers(low, high)) for _ in range(spatial)]

    groups, per_group = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    kernel, extents = axes(1, 3), axes(1, {1: 6, 2: 4, 3: 2}[spatial])
    attributes = {"group": groups, "strides": axes(1, 3), "dilations": axes(1, 2)}
    mode = draw(st.sampled_from(["NOTSET", "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"]))
    attributes["auto_pad"] = mode
    attributes["output_padding"] = [
        draw(st.integers(0, max(both) - 1))
        for both in zip(attributes["strides"], attributes["dilations"], strict=True)
    ]
    form = draw(st.sampled_from(["plain", "pads", "wanted"]))
    if form == "pads" and mode == "NOTSET":
        attributes["pads"] = axes(0, 2) + axes(0, 2)
    elif form == "wanted":
        attributes["output_shape"] = axes(1, 8)
    maps = draw(st.integers(1, 2))
    weight = normal(1, groups * per_group, maps, *kernel)
    bias = normal(2, maps * groups) if draw(st.booleans()) else None
    return (groups * per_group, *extents), weight, bias, attributes


@settings(max_examples=60, deadline=None, derandomize=True)
@given(transposed(), st.sampled_from([("batch",), (1,)]))
def test_any_geometry(drawn, batches):
    sample, weight, bias, attributes = drawn
    model = one_op("ConvTranspose", sample, "x", weight, bias, **attributes)
    try:
        load_model(model)
    except UnsupportedModelError as error:
        assert "is not what a convolution" in str(error)
    else:
        check_model(model, batches)


@pytest.mark.parametrize(
    ("operands", "attributes", "words"),
    [
        (("x", normal(1, 3, 2, 2, 2)), {}, "does not fit 2 channels"),
        (("x", normal(1, 2, 1, 2, 2)), {"group": 3}, "does not fit 2 channels"),
        (("x", normal(1, 2, 2, 2)), {}, "does not fit samples"),
        (("x", normal(1, 2, 2, 2, 2), normal(1, 3)), {}, "does not fit 2 maps"),
        (("x", normal(1, 2, 2, 2, 2)), {"kernel_shape": [3, 3]}, "kernel_shape"),
        (("x", normal(1, 2, 2, 2, 2)), {"strides": [0, 1]}, "strides"),
        (("x", normal(1, 2, 2, 2, 2)), {"dilations": [1]}, "dilations"),
        (("x", normal(1, 2, 2, 2, 2)), {"pads": [1, 1]}, "pads"),
        (("x", normal(1, 2, 2, 2, 2)), {"pads": [-1, 0, 0, 0]}, "pads"),
        (("x", normal(1, 2, 2, 2, 2)), {"output_padding": [1]}, "output_padding"),
        (("x", normal(1, 2, 2, 2, 2)), {"output_padding": [1, 0]}, "not what a convolution"),
        (("x", normal(1, 2, 2, 2, 2)), {"output_shape": [9, 9]}, "not what a convolution"),
        (("x", normal(1, 2, 2, 2, 2)), {"output_shape": [1, 2, 9, 9]}, "output_shape"),
        (("x", normal(1, 2, 2, 2, 2)), {"pads": [3, 3, 3, 3]}, "not what a convolution"),
        (("x", normal(1, 2, 2, 2, 2)), {"auto_pad": "SAME"}, "auto_pad"),
        ((normal(1, 1, 2, 5, 5), "x"), {}, "computed"),
        (("x", "x"), {}, "constant"),
    ],
)
def test_refuses(operands, attributes, words):
    problem = refusal(one_op("ConvTranspose", (2, 5, 5), *operands, **attributes))
    assert problem.op == "ConvTranspose"
    assert words in problem.reason


def test_weights_are_counted():
    weight = np.ones((2, 3, 2, 2), np.float32)
    network = check_model(one_op("ConvTranspose", (2, 3, 3), "x", weight, normal(1, 3)))
    assert network.parameters == 27
