"""DepthToSpace and SpaceToDepth."""

import numpy as np
import pytest

from onnx_lippa.onnx_io.operators.registry import converter_for
from tests.support.graphs import graph_model, node, normal, one_op, opsets_of, runs_in_runtime
from tests.support.layers import check_model, refusal

BOTH = {"DepthToSpace": (8, 2, 3), "SpaceToDepth": (2, 4, 6)}
OPS = [(op, opset) for op in BOTH for opset in opsets_of(op)]


@pytest.mark.parametrize(("op", "opset"), OPS)
@pytest.mark.parametrize("mode", [None, "DCR", "CRD"])
def test_every_opset(op, opset, mode):
    attributes = {} if mode is None else {"mode": mode}
    model = one_op(op, BOTH[op], blocksize=2, opset=opset, **attributes)
    if mode is not None and not runs_in_runtime(model):
        pytest.skip("the mode came later")
    check_model(model)


@pytest.mark.parametrize("mode", ["DCR", "CRD"])
@pytest.mark.parametrize(("block", "sample"), [(1, (2, 3, 4)), (2, (4, 1, 1)), (3, (18, 2, 1))])
def test_blocks(block, sample, mode):
    check_model(one_op("DepthToSpace", sample, blocksize=block, mode=mode))


@pytest.mark.parametrize(("block", "sample"), [(1, (2, 3, 4)), (2, (1, 2, 2)), (3, (2, 3, 6))])
def test_blocks_back(block, sample):
    check_model(one_op("SpaceToDepth", sample, blocksize=block))


def test_both_undo_each_other():
    nodes = [
        node("SpaceToDepth", "x", "a", blocksize=2),
        node("DepthToSpace", "a", "b", blocksize=2),
        node("Flatten", "b", "y"),
    ]
    network = check_model(graph_model(nodes, (3, 4, 2)))
    x = normal(1, 2, 24).astype(float)
    np.testing.assert_array_equal(network.forward(x), x)


def test_images_in_place_of_a_batch():
    nodes = [
        node("Reshape", "x s", "a"),
        node("DepthToSpace", "a", "b", blocksize=2, mode="CRD"),
        node("SpaceToDepth", "b", "c", blocksize=2),
        node("Reshape", "c t", "y"),
    ]
    constants = {"s": np.array([3, 4, 1, 2]), "t": np.array([1, 24])}
    check_model(graph_model(nodes, (24,), constants), (1,))


def test_sub_pixel_upsampling():
    nodes = [
        node("Conv", "x w", "a", pads=[1, 1, 1, 1]),
        node("DepthToSpace", "a", "b", blocksize=2, mode="CRD"),
        node("Relu", "b", "c"),
        node("Flatten", "c", "y"),
    ]
    check_model(graph_model(nodes, (1, 3, 3), {"w": normal(1, 8, 1, 3, 3)}))


@pytest.mark.parametrize(
    ("op", "sample", "attributes", "words"),
    [
        ("DepthToSpace", (6, 2, 2), {"blocksize": 2}, "not divisible"),
        ("DepthToSpace", (4, 2), {"blocksize": 2}, "three axes"),
        ("DepthToSpace", (4, 2, 2), {"blocksize": 0}, "not positive"),
        ("DepthToSpace", (4, 2, 2), {"blocksize": 2, "mode": "RCD"}, "mode 'RCD'"),
        ("SpaceToDepth", (2, 3, 4), {"blocksize": 2}, "does not divide"),
        ("SpaceToDepth", (2, 4, 3), {"blocksize": 2}, "does not divide"),
        ("SpaceToDepth", (2, 4), {"blocksize": 2}, "three axes"),
        ("SpaceToDepth", (2, 4, 4), {"blocksize": -2}, "not positive"),
    ],
)
def test_refuses(op, sample, attributes, words):
    assert words in refusal(one_op(op, sample, **attributes)).reason


def test_both_are_known():
    assert all(converter_for(op, 17) for op in BOTH)
