"""Tensors without any axis, as a sum over all axes gives them."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.graphs import graph_model, node
from tests.support.layers import check_alone

SCALAR = [node("ReduceSum", "x", "s", keepdims=0)]
"""x of one sample summed to a tensor of rank 0."""
BACK = [node("Reshape", "t shape", "u"), node("MatMul", "u w", "y")]
CONSTANTS = {
    "shape": np.array([1, 1]),
    "w": np.array([[1.0, -2.0, 0.5]], np.float32),
    "c": np.float32(0.25),
    "d": np.float32(-0.5),
}


@pytest.mark.parametrize(
    "made",
    [
        [node("Add", "s c", "t")],
        [node("Add", "s s", "t")],
        [node("Sub", "c s", "t")],
        [node("Sub", "s s", "a"), node("Add", "a s", "t")],
        [node("Mul", "s c", "t")],
        [node("Div", "s c", "t")],
        [node("Min", "s c", "t")],
        [node("Max", "s c", "t")],
        [node("Max", "s c d", "t")],
        [node("Neg", "s", "a"), node("Max", "s a", "t")],
        [node("Neg", "s", "a"), node("Min", "s a c", "t")],
        [node("Sum", "s s c", "t")],
        [node("Mean", "s c", "t")],
        [node("Relu", "s", "t")],
        [node("LeakyRelu", "s", "t")],
        [node("Abs", "s", "t")],
        [node("PRelu", "s c", "t")],
        [node("Clip", "s d c", "t")],
        [node("Identity", "s", "t")],
        [node("Cast", "s", "t", to=1)],
        [node("Dropout", "s", "t")],
        [node("HardSigmoid", "s", "t")],
        [node("Less", "s c", "h"), node("Where", "h s d", "t")],
        [node("Greater", "s c", "h"), node("Neg", "s", "a"), node("Where", "h s a", "t")],
        [node("Expand", "s one", "t")],
        [node("Unsqueeze", "s front", "t")],
        [node("Flatten", "s", "t", axis=0)],
        [node("Squeeze", "s", "t")],
        [node("Transpose", "s", "t")],
    ],
    ids=lambda made: "-".join(n.op_type + str(len(n.input)) for n in made),
)
def test_operators_on_a_tensor_of_rank_zero(made):
    constants = CONSTANTS | {"one": np.array([1, 1]), "front": np.array([0])}
    check_alone(graph_model([*SCALAR, *made, *BACK], (4,), constants))


def test_a_rank_zero_tensor_meets_a_vector():
    for op in ("Add", "Max"):
        nodes = [*SCALAR, node(op, "x s", "t"), node("Relu", "t", "y")]
        check_alone(graph_model(nodes, (4,)))
