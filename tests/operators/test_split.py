"""Split: lengths in every form, parts that nothing takes, and any axis."""

import numpy as np
import pytest

from onnx_lippa.errors import UnsupportedModelError
from tests.support.graphs import graph_model, load_model, newest_opset, node, normal, opsets_of
from tests.support.layers import check_alone, check_model, refusal


def split(sample, axis, parts, lengths=None, opset=17, weighed=None, **attributes):
    """The parts, each scaled by another factor and flattened, one behind the other."""
    constants, inputs = {}, "x"
    if lengths is not None and opset < 13:
        attributes["split"] = lengths
    elif lengths is not None:
        constants["n"], inputs = np.array(lengths, np.int64), "x n"
    names = [f"p{i}" for i in range(parts)]
    nodes = [node("Split", inputs, names, axis=axis, **attributes)]
    weighed = range(parts) if weighed is None else weighed
    for i in weighed:
        constants[f"k{i}"] = np.array(i + 1.5, np.float32)
        nodes += [node("Mul", f"p{i} k{i}", f"q{i}"), node("Flatten", f"q{i}", f"f{i}")]
    nodes.append(node("Concat", [f"f{i}" for i in weighed], "y", axis=1))
    return graph_model(nodes, sample, constants, opset=opset)


@pytest.mark.parametrize("opset", opsets_of("Split"))
@pytest.mark.parametrize(
    ("axis", "lengths"), [(1, [1, 3]), (1, [2, 1, 1]), (2, [1, 2]), (2, [1, 1, 1])]
)
def test_every_opset(opset, axis, lengths):
    check_model(split((4, 3), axis, len(lengths), lengths, opset))


@pytest.mark.parametrize("opset", [o for o in opsets_of("Split") if o < 18])
def test_equal_lengths(opset):
    check_model(split((4, 3), 1, 2, opset=opset))


@pytest.mark.parametrize(("extent", "parts"), [(4, 2), (5, 2), (5, 3), (7, 4), (3, 3), (3, 1)])
def test_a_number_of_parts(extent, parts):
    """The last part is shorter where the extent does not divide."""
    for opset in (18, newest_opset()):
        check_model(split((extent,), 1, parts, opset=opset, num_outputs=parts))


@pytest.mark.parametrize("axis", [-1, -2])
def test_axes_from_behind(axis):
    check_model(split((4, 2), axis, 2))


@pytest.mark.parametrize("weighed", [[0], [1], [2], [0, 2]])
def test_parts_that_nothing_takes(weighed):
    check_model(split((4, 3), 1, 3, [1, 2, 1], weighed=weighed))


def test_an_empty_part_that_nothing_takes():
    check_model(split((4,), 1, 3, [2, 0, 2], weighed=[0, 2]))


def test_one_part_is_the_whole():
    nodes = [node("Split", "x", ["a"], axis=1), node("Relu", "a", "y")]
    network = check_model(graph_model(nodes, (3,)))
    assert [step.op for step in network.steps] == ["Relu"]


@pytest.mark.parametrize("batches", [(1,), None])
def test_the_batch_axis_in_one_part(batches):
    nodes = [node("Split", "x n", ["a"], axis=0), node("Relu", "a", "y")]
    model = graph_model(nodes, (3,), {"n": [1]})
    check_model(model, batches) if batches else check_alone(model)


def test_an_axis_that_has_taken_the_place_of_the_batch():
    nodes = [
        node("Reshape", "x s", "a"),
        node("Split", "a n", "b c", axis=0),
        node("Gemm", "b w", "d"),
        node("Gemm", "c v", "e"),
        node("Concat", "d e", "f", axis=0),
        node("Reshape", "f flat", "y"),
    ]
    constants = {"s": [3, 2], "n": [1, 2], "w": normal(1, 2, 4), "v": normal(2, 2, 4)}
    check_alone(graph_model(nodes, (6,), {**constants, "flat": [1, 12]}))


@pytest.mark.parametrize(
    ("lengths", "parts", "reason"),
    [
        ([2, 3], 2, "do not cut 4 into 2 parts"),
        ([2, 2], 3, "do not cut 4 into 3 parts"),
        ([5, -1], 2, "do not cut 4 into 2 parts"),
        ([4, 0], 2, "leave a part empty that is used"),
        (None, 3, "does not split into 3 equal parts"),
    ],
)
def test_refusals(lengths, parts, reason):
    with pytest.raises(UnsupportedModelError) as caught:
        load_model(split((4,), 1, parts, lengths))
    first = caught.value.problems[0]
    assert first.op == "Split"
    assert reason in first.reason


def test_refuses_an_axis_outside_the_tensor():
    nodes = [node("Split", "x", "a b", axis=2), node("Relu", "a", "y")]
    assert "outside a tensor of rank 2" in refusal(graph_model(nodes, (4,))).reason
