"""ReduceSum, ReduceMean, ReduceMax, ReduceMin and ReduceL1 over every choice of axes."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onnx_lippa.ir.layers import PiecewiseLayer
from tests.support.graphs import (
    graph_model,
    load_model,
    newest_opset,
    node,
    normal,
    one_op,
    opsets_of,
)
from tests.support.layers import check_alone, check_model, refusal

INPUT_FROM = {"ReduceSum": 13, "ReduceMean": 18, "ReduceMax": 18, "ReduceMin": 18, "ReduceL1": 18}
"""The opset from which on the axes are an input."""

pytestmark = pytest.mark.parametrize("op", INPUT_FROM)


def reduction(op, sample, axes=None, opset=17, **options):
    """A model of the operator with its axes in the form of the opset."""
    if opset >= INPUT_FROM[op]:
        operands = ["x"] if axes is None else ["x", np.array(axes, np.int64)]
        return one_op(op, sample, *operands, opset=opset, **options)
    attributes = {} if axes is None else {"axes": list(axes)}
    return one_op(op, sample, opset=opset, **attributes, **options)


@pytest.mark.parametrize("opset", opsets_of("ReduceSum"))
def test_every_opset(op, opset):
    check_model(reduction(op, (2, 3, 2), [1, 3], opset, keepdims=opset % 2))


@pytest.mark.parametrize("opset", [13, 18, newest_opset()])
def test_the_axes_of_every_opset(op, opset):
    assert set(opsets_of(op)) >= {INPUT_FROM[op]}
    check_model(reduction(op, (2, 3), [-1], opset))


@pytest.mark.parametrize("axes", [c for n in (1, 2, 3) for c in combinations((1, 2, 3), n)])
@pytest.mark.parametrize("keepdims", [0, 1])
def test_every_choice_of_axes(op, axes, keepdims):
    named = axes if keepdims else [axis - 4 for axis in reversed(axes)]
    check_model(reduction(op, (2, 3, 2), named, keepdims=keepdims, flatten=False))


@pytest.mark.parametrize(("opset", "keepdims"), [(11, 0), (18, 1)])
@pytest.mark.parametrize("axes", [None, [0], [0, 1], [-3, -1], [0, 2], [0, 1, 2]])
def test_the_batch_axis_among_them(op, opset, axes, keepdims):
    """A model that takes its samples together is attacked one at a time."""
    check_alone(reduction(op, (2, 3), axes, opset, keepdims=keepdims, flatten=False))


@pytest.mark.parametrize("sample", [(1,), (1, 1), (1, 3), (3, 1), (2, 1, 2)])
@pytest.mark.parametrize("keepdims", [0, 1])
def test_axes_of_extent_one(op, sample, keepdims):
    for axis in range(len(sample)):
        check_model(reduction(op, sample, [axis + 1], keepdims=keepdims, flatten=False))


@settings(max_examples=12, deadline=None, derandomize=True)
@given(
    st.lists(st.integers(1, 3), min_size=1, max_size=3),
    st.data(),
    st.booleans(),
    st.sampled_from([11, 18]),
)
def test_any_axes(op, sample, data, keepdims, opset):
    places = st.lists(st.integers(1, len(sample)), min_size=1, unique=True)
    axes = [a if data.draw(st.booleans()) else a - len(sample) - 1 for a in data.draw(places)]
    model = reduction(op, sample, axes, opset, keepdims=int(keepdims), flatten=False)
    check_model(model, batches=("batch",))


@pytest.mark.parametrize("axes", [None, []])
def test_no_axes_are_all_of_them(op, axes):
    network = check_alone(reduction(op, (2, 3), axes, 18, flatten=False))
    assert network.output_size == 1


@pytest.mark.parametrize("axes", [None, []])
@pytest.mark.parametrize("sample", [(3,), (2, 3)])
def test_no_axes_may_mean_none(op, axes, sample):
    check_model(reduction(op, sample, axes, 18, noop_with_empty_axes=1))


def test_named_axes_count_before_that(op):
    check_model(reduction(op, (2, 3), [2], 18, noop_with_empty_axes=1))


def test_units(op):
    network = load_model(reduction(op, (2, 3, 2), [2, 3])).network
    piecewise = [s.layer for s in network.steps if isinstance(s.layer, PiecewiseLayer)]
    expected = {"ReduceMax": 2, "ReduceMin": 2, "ReduceL1": 12}
    assert sum(int(np.prod(layer.shape)) for layer in piecewise) == expected.get(op, 0)


def test_ties(op):
    """The first of the largest entries is the one that counts."""
    network = load_model(reduction(op, (3,), [1], flatten=False)).network
    _, gradient = network.value_and_gradient(np.zeros((1, 3)), np.ones((1, 1)))
    first = op in ("ReduceMax", "ReduceMin")
    expected = [1.0, 0.0, 0.0] if first else np.full(3, 1 / 3 if op == "ReduceMean" else 1.0)
    np.testing.assert_allclose(gradient[0], expected)


def test_between_other_layers(op):
    nodes = [
        node("Conv", "x w", "a"),
        node(op, "a", "b", axes=[2, 3], keepdims=0),
        node("Relu", "b", "c"),
        node("Gemm", "c v", "y"),
    ]
    constants = {"w": normal(1, 3, 2, 2, 2), "v": normal(2, 3, 2)}
    check_model(graph_model(nodes, (2, 4, 4), constants, opset=11))


@pytest.mark.parametrize("axes", [[3], [-4], [1, 1], [1, -2]])
def test_refuses_axes_that_do_not_exist_or_repeat(op, axes):
    """ONNX Runtime takes an axis that is named twice; which form it means is not for sure."""
    problem = refusal(reduction(op, (2, 3), axes))
    assert problem.op == op
    assert "its axes" in problem.reason


def test_refuses_computed_axes(op):
    nodes = [node(op, "x x", "y")]
    assert "axes must be a constant" in refusal(graph_model(nodes, (2,), opset=18)).reason
