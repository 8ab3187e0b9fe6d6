"""Axes of the graph as axes of a sample."""

import numpy as np
import pytest

from onnx_lippa.errors import Unsupported
from onnx_lippa.ir.layers.reshape import Reshape
from onnx_lippa.onnx_io.frame import frame_axes, frame_whole
from onnx_lippa.onnx_io.node import Computed, Constant, NodeView

BATCHED = Computed(0, (2, 3))
ALONE = Computed(0, (2, 3), batched=False)


@pytest.mark.parametrize(
    ("axes", "expected"), [((1,), (0,)), ((2,), (1,)), ((-1,), (1,)), ((-2, 2), (0, 1)), ((), ())]
)
def test_feature_axes_leave_the_batch_alone(axes, expected):
    frame = frame_axes(BATCHED, axes)
    assert (frame.before, frame.source, frame.axes, frame.batched) == ((), (2, 3), expected, True)


@pytest.mark.parametrize(("axes", "expected"), [((0,), (0,)), ((-3, 1), (0, 1)), ((2, 0), (2, 0))])
def test_the_batch_axis_asks_for_all_of_them(axes, expected):
    frame = frame_axes(BATCHED, axes)
    assert (frame.source, frame.axes, frame.batched) == ((1, 2, 3), expected, False)
    (before,) = frame.before
    assert isinstance(before, Reshape)
    assert before.shape == (1, 2, 3)


@pytest.mark.parametrize(("axes", "expected"), [((0,), (0,)), ((-1, 0), (1, 0)), ((), ())])
def test_without_a_batch_axis_all_are_the_samples(axes, expected):
    frame = frame_axes(ALONE, axes)
    assert (frame.before, frame.source, frame.axes, frame.batched) == ((), (2, 3), expected, False)


@pytest.mark.parametrize(
    ("x", "axes"), [(BATCHED, (3,)), (BATCHED, (-4,)), (ALONE, (2,)), (ALONE, (0, -3))]
)
def test_axes_outside_the_tensor(x, axes):
    with pytest.raises(Unsupported, match=f"outside a tensor of rank {x.rank}"):
        frame_axes(x, axes)


@pytest.mark.parametrize("axes", [(1, 1), (1, -2), (0, -3)])
def test_an_axis_named_twice(axes):
    with pytest.raises(Unsupported, match="name one twice"):
        frame_axes(BATCHED, axes)


def test_all_axes():
    assert frame_whole(BATCHED).source == (1, 2, 3)
    assert frame_whole(ALONE).source == (2, 3)
    assert frame_whole(BATCHED, (2,)).axes == (2,)
    assert not frame_whole(BATCHED).batched


def test_a_chain_begins_with_what_brings_the_operand_there():
    converted = frame_whole(BATCHED).convert(Reshape((1, 2, 3), (6,)), position=1)
    assert [layer.shape for layer in converted.layers] == [(1, 2, 3), (6,)]
    assert (converted.inputs, converted.batched) == ((1,), False)


# What a node knows of its operands


def test_ranks_and_shapes():
    assert (BATCHED.rank, BATCHED.graph_shape) == (3, (1, 2, 3))
    assert (ALONE.rank, ALONE.graph_shape) == (2, (2, 3))


def test_constants_as_numbers():
    assert Constant(np.array([[1, 2]], np.int32)).integers == (1, 2)
    assert Constant(np.float16(1.5)).weight == 1.5
    assert Constant(np.ones(2, np.float32)).weight.dtype == np.float64
    with pytest.raises(Unsupported, match="float32, not whole numbers"):
        _ = Constant(np.float32(1.0)).integers
    for bad in (np.nan, np.inf):
        with pytest.raises(Unsupported, match="NaN or infinite"):
            _ = Constant(np.array([1.0, bad])).weight
    with pytest.raises(Unsupported, match="no real numbers"):
        _ = Constant(np.array(["a"])).weight


def test_operands_that_are_not_what_is_asked_for():
    view = NodeView("Op", (BATCHED, Constant(np.ones(1)), None, ALONE), {}, 17)
    assert view.only_computed() == (0, 3)
    with pytest.raises(Unsupported, match="input 1 must be computed"):
        view.computed(1)
    with pytest.raises(Unsupported, match="no batch axis in front"):
        NodeView("Op", (ALONE,), {}, 17).sample()
    with pytest.raises(Unsupported, match="its axes must be a constant"):
        view.constant(0, "axes")
    assert view.optional(2, "axes") is None
    assert view.optional(9, "axes") is None
    with pytest.raises(Unsupported, match="its axes must be a constant"):
        view.optional(0, "axes")
