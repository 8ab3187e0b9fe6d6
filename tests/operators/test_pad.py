"""Pad of every version and mode, with positive and negative pads."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.graphs import graph_model, node, normal, one_op, opsets_of
from tests.support.layers import check_model, refusal

MODES = ["constant", "reflect", "edge", "wrap"]
CONSTANT, BATCHLESS = "constant", (1,)


def padded(sample, pads, mode=CONSTANT, value=None, axes=None, *, opset=19, batch="batch"):
    """A Pad in the form of the opset; pads of the batch are added where no axes are named."""
    half = len(pads) // 2
    flat = list(pads) if axes is not None else [0, *pads[:half], 0, *pads[half:]]
    if opset < 11:
        attributes = {} if value is None else {"value": value}
        return one_op("Pad", sample, opset=opset, batch=batch, pads=flat, mode=mode, **attributes)
    operands = ["x", np.array(flat), None if value is None else np.float32(value)]
    if axes is not None:
        operands.append(np.array(axes))
    return one_op("Pad", sample, *operands, opset=opset, batch=batch, mode=mode)


@pytest.mark.parametrize("opset", opsets_of("Pad"))
@pytest.mark.parametrize("mode", MODES)
def test_every_opset(opset, mode):
    if mode == "wrap" and opset < 19:
        pytest.skip("wrap is of opset 19")
    check_model(padded((2, 4, 3), [0, 2, 1, 1, 0, 2], mode, 0.7, opset=opset))


@pytest.mark.parametrize("opset", [7, 17])
def test_an_image_padded_with_zeros(opset):
    network = check_model(padded((2, 4, 3), [0, 1, 1, 0, 1, 1], opset=opset))
    assert network.parameters == 0


@pytest.mark.parametrize("axes", [[2], [-1], [1, 2], [-1, 1], [3, 1]])
def test_some_axes(axes):
    pads = [1, 2, 0, 1][: len(axes)] + [0, 1, 2, 1][: len(axes)]
    check_model(padded((3, 4, 2), pads, value=-0.4, axes=axes))


@st.composite
def pads_of(draw):
    """A sample, a mode and pads that the runtime takes: what is negative is cropped first."""
    mode, rank = draw(st.sampled_from(MODES)), draw(st.integers(1, 3))
    sample, before, after = [], [], []
    for _ in range(rank):
        extent = draw(st.integers(1, 5))
        low = draw(st.integers(1 - extent, 3))
        left = extent + min(low, 0)
        high = draw(st.integers(1 - left, 3))
        left += min(high, 0)
        if mode == "reflect":
            low, high = min(low, left - 1), min(high, left - 1)
        sample.append(extent)
        before.append(low)
        after.append(high)
    return tuple(sample), mode, [*before, *after]


@settings(max_examples=80, deadline=None, derandomize=True)
@given(pads_of(), st.sampled_from([0.0, 1.5]), st.sampled_from([("batch",), (1,)]))
def test_any_pads(drawn, value, batches):
    sample, mode, pads = drawn
    check_model(padded(sample, pads, mode, value), batches)


def test_wrapped_more_than_once():
    check_model(padded((3,), [7, 5], "wrap"))


def test_edges_of_one_entry():
    check_model(padded((2, 1), [0, 2, 0, 3], "edge"))


def test_nothing_to_do():
    network = check_model(padded((2, 3), [0, 0, 0, 0]))
    assert all(step.op == "Flatten" for step in network.steps)


def test_before_a_convolution():
    nodes = [
        node("Pad", "x p", "a"),
        node("Conv", "a w", "b", strides=[2, 2]),
        node("Relu", "b", "c"),
        node("Flatten", "c", "y"),
    ]
    constants = {"p": np.array([0, 0, 1, 0, 0, 0, 2, 1]), "w": normal(1, 2, 1, 3, 2)}
    check_model(graph_model(nodes, (1, 6, 5), constants))


@pytest.mark.parametrize("mode", MODES)
def test_the_batch_axis_of_a_single_sample(mode):
    pads = np.array([1, 0, 0, 1]) if mode != "reflect" else np.array([0, 1, 0, 1])
    nodes = [node("Pad", "x p v", "a", mode=mode), node("Reshape", "a s", "y")]
    constants = {"p": pads, "v": np.float32(2.0), "s": np.array([1, -1])}
    check_model(graph_model(nodes, (3,), constants, opset=19), BATCHLESS)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (padded((2, 3), [0, 3, 0, 0], "reflect"), "reflects 3 entries"),
        (padded((2, 3), [0, 1, 0, -2], "reflect"), "reflects 1 entries"),
        (padded((2, 3), [0, -2, 0, -1]), "leave nothing"),
        (padded((2, 3), [0, -4, 0, 2]), "leave nothing"),
        (padded((2, 3), [0, 1, 1, 0], "mirror"), "mode 'mirror'"),
        (padded((2, 3), [1, 1], axes=[3]), "outside"),
        (padded((2, 3), [1, 1, 1, 1], axes=[1, -2]), "twice"),
        (padded((2, 3), [1, 1, 1], axes=[1]), "do not fit"),
        (padded((2, 3), [1, 1], opset=7), "do not fit"),
        (one_op("Pad", (2,), "x", np.array([0, 1, 0, 1]), np.zeros(2, np.float32)), "entries"),
        (one_op("Pad", (2,), "x", np.array([0, 1, 0, 1], np.float32)), "whole numbers"),
        (one_op("Pad", (2,), "x", np.array([0, 1, 0, 1]), "x"), "must be a constant"),
    ],
)
def test_refuses(model, words):
    problem = refusal(model)
    assert problem.op == "Pad"
    assert words in problem.reason
