"""Mul by a constant on either side."""

import numpy as np
import pytest
from hypothesis import given, settings

from tests.support.graphs import graph_model, node, normal, one_op, opsets_of
from tests.support.layers import check_alone, check_model, refusal
from tests.support.operands import ENLARGING, SHAPES, VARYING, shapes_that_broadcast


@pytest.mark.parametrize("opset", opsets_of("Mul"))
def test_every_opset(opset):
    check_model(one_op("Mul", (3,), "x", normal(1, 3), flatten=False, opset=opset))


@pytest.mark.parametrize(("sample", "shape"), [*SHAPES, *ENLARGING])
def test_constant_on_either_side(sample, shape):
    constant = normal(1, *shape).reshape(shape)
    check_model(one_op("Mul", sample, "x", constant))
    check_model(one_op("Mul", sample, constant, "x"))


@settings(max_examples=20, deadline=None, derandomize=True)
@given(shapes_that_broadcast())
def test_any_broadcast(shapes):
    sample, shape = shapes
    check_model(one_op("Mul", sample, "x", normal(1, *shape).reshape(shape)))


@pytest.mark.parametrize("factor", [0.0, 1.0, -1.0])
def test_special_factors(factor):
    check_model(one_op("Mul", (3,), "x", np.float32(factor), flatten=False))


@pytest.mark.parametrize(("sample", "shape"), VARYING)
def test_constants_that_meet_the_batch(sample, shape):
    check_alone(one_op("Mul", sample, "x", normal(1, *shape)))
    check_alone(one_op("Mul", sample, normal(1, *shape), "x"))


def test_refuses_two_computed_factors():
    nodes = [node("Mul", "x x", "y")]
    assert "two computed tensors" in refusal(graph_model(nodes, (3,))).reason
