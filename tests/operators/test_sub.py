"""Sub: constants on either side, broadcasting, and two computed operands."""

import pytest
from hypothesis import given, settings

from tests.support.graphs import normal, one_op, opsets_of
from tests.support.layers import check_alone, check_model
from tests.support.operands import ENLARGING, SHAPES, VARYING, shapes_that_broadcast, two_summands


@pytest.mark.parametrize("opset", opsets_of("Sub"))
def test_every_opset(opset):
    check_model(one_op("Sub", (3,), "x", normal(1, 3), flatten=False, opset=opset))


@pytest.mark.parametrize(("sample", "shape"), [*SHAPES, *ENLARGING])
def test_constant_on_either_side(sample, shape):
    constant = normal(1, *shape).reshape(shape)
    check_model(one_op("Sub", sample, "x", constant))
    check_model(one_op("Sub", sample, constant, "x"))


@settings(max_examples=20, deadline=None, derandomize=True)
@given(shapes_that_broadcast())
def test_any_broadcast_from_a_constant(shapes):
    sample, shape = shapes
    check_model(one_op("Sub", sample, normal(1, *shape).reshape(shape), "x"))


@pytest.mark.parametrize(("sample", "shape"), VARYING)
def test_constants_that_meet_the_batch(sample, shape):
    check_alone(one_op("Sub", sample, "x", normal(1, *shape)))
    check_alone(one_op("Sub", sample, normal(1, *shape), "x"))


@pytest.mark.parametrize(
    ("left", "right"), [((3,), (3,)), ((1,), (3,)), ((2, 1), (1, 3)), ((2, 3), (1, 3))]
)
def test_two_computed_operands(left, right):
    check_model(two_summands(left, right, "Sub"))


def test_a_tensor_subtracted_from_itself():
    check_model(one_op("Sub", (3,), "x", "x", flatten=False))
