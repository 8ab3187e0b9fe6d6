"""Slice: every way to state its ends, steps in either direction, and what lies beyond an axis."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.graphs import graph_model, node, normal, one_op, opsets_of
from tests.support.layers import check_model, refusal

FAR = 2**63 - 1
EXTENTS = (4, 1, 3)


def slice_of(sample, axes, starts, ends, steps=None, opset=17, **options):
    """A slice in the form of its opset; ``axes`` and ``steps`` may be left out."""
    if opset < 10:
        named = {} if axes is None else {"axes": axes}
        stated = {"starts": starts, "ends": ends, **named}
        return one_op("Slice", sample, opset=opset, **stated, **options)
    lists = [
        None if entries is None else np.array(entries, np.int64)
        for entries in (starts, ends, axes, steps)
    ]
    while lists[-1] is None:
        lists.pop()
    return one_op("Slice", sample, "x", *lists, opset=opset, **options)


@pytest.mark.parametrize("opset", opsets_of("Slice"))
@pytest.mark.parametrize(
    ("axes", "starts", "ends"),
    [
        ([1], [1], [3]),
        ([1], [-2], [FAR]),
        ([2, 1], [0, 1], [-1, FAR]),
        (None, [0, 1, 2], [FAR, 4, 3]),
        ([0, 1], [0, 2], [FAR, 3]),
        ([0, 1], [0, 0], [2**31 - 1, 2**31 - 1]),
    ],
)
def test_every_opset(opset, axes, starts, ends):
    check_model(slice_of((4, 3), axes, starts, ends, opset=opset))


@pytest.mark.parametrize("integer", [np.int32, np.int64])
def test_types_of_integers(integer):
    lists = [np.array([entry], integer) for entry in (2, 0, -1, -1)]
    check_model(one_op("Slice", (2, 4), "x", *lists))


@pytest.mark.parametrize(
    ("start", "end", "step"),
    [
        (0, FAR, 2), (1, FAR, 3), (0, 5, 5), (0, 5, FAR), (-1, -FAR - 1, -1), (FAR, -FAR, -1),
        (-1, -6, -1), (4, 0, -2), (3, 2, -1), (-2, -5, -FAR), (FAR, -FAR - 1, -2), (-9, 9, 1),
    ],
)  # fmt: skip
def test_steps_in_either_direction(start, end, step):
    check_model(slice_of((5,), [1], [start], [end], [step]))


def ends_of_an_axis():
    """Ends near the axis, far from it, and at the limits of the type."""
    return st.integers(-7, 7) | st.sampled_from([FAR, -FAR - 1, 2**31 - 1, -(2**31)])


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.data())
def test_any_slice(data):
    count = data.draw(st.integers(1, 3))
    axes = data.draw(st.permutations([1, 2, 3]))[:count]
    starts, ends = (
        data.draw(st.lists(ends_of_an_axis(), min_size=count, max_size=count)) for _ in range(2)
    )
    steps = data.draw(st.lists(st.sampled_from([-2, -1, 1, 2]), min_size=count, max_size=count))
    expected = np.zeros((1, *EXTENTS))[taken_by(axes, starts, ends, steps)]
    model = slice_of(EXTENTS, axes, starts, ends, steps)
    if expected.size:
        check_model(model)
    else:
        assert "takes nothing" in refusal(model).reason


def taken_by(axes, starts, ends, steps):
    """The index in NumPy, which brings a start before the axis back to none, not to the first."""
    index = [slice(None)] * (1 + len(EXTENTS))
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        extent = EXTENTS[axis - 1]
        first = max(start, -extent) if step < 0 else start
        index[axis] = slice(first, end, step)
    return tuple(index)


@pytest.mark.parametrize(("start", "end", "step"), [(0, 1, 1), (-1, FAR, 1), (0, -FAR, -1)])
def test_the_batch_axis_kept_whole(start, end, step):
    check_model(slice_of((3,), [0, 1], [start, 0], [end, 2], [step, 1]), batches=(1,))


def test_what_is_kept_whole_leaves_no_trace():
    network = check_model(slice_of((4, 3), [0, 1, 2], [0] * 3, [FAR] * 3, flatten=False))
    assert network.steps == ()


def test_ends_from_the_shape_of_a_tensor():
    """As PyTorch exports ``x[:, : x.shape[1] - 1]``, and a slice of the whole batch."""
    nodes = [
        node("Shape", "x", "s"),
        node("Sub", "s less", "e"),
        node("Slice", "x zero e", "t"),
        node("Flatten", "t", "y"),
    ]
    check_model(graph_model(nodes, (4, 3), {"less": np.array([0, 1, 0]), "zero": np.zeros(3, int)}))


def test_between_other_layers():
    nodes = [
        node("Gemm", "x w", "a"),
        node("Relu", "a", "b"),
        node("Slice", "b two far one", "c"),
        node("Slice", "b far low one back", "d"),
        node("Gemm", "c v", "e"),
        node("Gemm", "d u", "f"),
        node("Add", "e f", "y"),
    ]
    constants: dict[str, object] = {
        "w": normal(1, 3, 6),
        "v": normal(2, 4, 2),
        "u": normal(3, 3, 2),
    }
    constants |= {"one": [1], "two": [2], "far": [FAR], "low": [-FAR], "back": [-2]}
    check_model(graph_model(nodes, (3,), constants))


@pytest.mark.parametrize(
    ("axes", "starts", "ends", "steps", "reason"),
    [
        ([1], [2], [2], None, "takes nothing of an axis of extent 4"),
        ([1], [4], [FAR], None, "takes nothing"),
        ([1], [0], [FAR], [-1], "takes nothing"),
        ([0], [1], [FAR], None, "takes nothing"),
        ([1], [0], [2], [0], "step is 0"),
        ([3], [0], [2], None, "outside a tensor of rank 3"),
        ([-4], [0], [2], None, "outside a tensor of rank 3"),
        ([1, -2], [0, 0], [2, 2], None, "name one twice"),
        ([1, 2], [0], [2], None, "of different length"),
        ([1], [0], [2], [1, 1], "of different length"),
    ],
)
def test_refusals(axes, starts, ends, steps, reason):
    problem = refusal(slice_of((4, 3), axes, starts, ends, steps))
    assert problem.op == "Slice"
    assert reason in problem.reason


def test_refuses_computed_ends():
    nodes = [
        node("Cast", "x", "i", to=7),
        node("Slice", "x zero i", "y"),
    ]
    model = graph_model(nodes, (3,), {"zero": [0]})
    assert "a cast to int64 rounds" in refusal(model).reason


def test_between_transposes():
    """Transposed, it fills up with zeros, over which ONNX Runtime moves the other transposes."""
    nodes = [
        node("Transpose", "x", "a", perm=[0, 2, 1]),
        node("Slice", "a one three one", "b"),
        node("Transpose", "b", "c", perm=[0, 2, 1]),
        node("Flatten", "c", "y"),
    ]
    check_model(graph_model(nodes, (3, 5), {"one": [1], "three": [3]}))
