"""Add: constants on either side, broadcasting, and two computed summands."""

import pytest
from hypothesis import given, settings

from tests.support.graphs import normal, one_op, opsets_of
from tests.support.layers import check_alone, check_model, refusal
from tests.support.operands import ENLARGING, SHAPES, VARYING, shapes_that_broadcast, two_summands


@pytest.mark.parametrize("opset", opsets_of("Add"))
def test_every_opset(opset):
    check_model(one_op("Add", (3,), "x", normal(1, 3), flatten=False, opset=opset))


@pytest.mark.parametrize(("sample", "shape"), [*SHAPES, *ENLARGING])
def test_constant_on_either_side(sample, shape):
    constant = normal(1, *shape).reshape(shape)
    check_model(one_op("Add", sample, "x", constant))
    check_model(one_op("Add", sample, constant, "x"))


@settings(max_examples=20, deadline=None, derandomize=True)
@given(shapes_that_broadcast())
def test_any_broadcast(shapes):
    sample, shape = shapes
    check_model(one_op("Add", sample, "x", normal(1, *shape).reshape(shape)))


@pytest.mark.parametrize(("sample", "shape"), VARYING)
def test_constants_that_meet_the_batch(sample, shape):
    check_alone(one_op("Add", sample, "x", normal(1, *shape)))
    check_alone(one_op("Add", sample, normal(1, *shape), "x"))


def test_refuses_constants_that_do_not_broadcast():
    problem = refusal(one_op("Add", (3,), "x", normal(1, 4), flatten=False))
    assert "does not broadcast" in problem.reason


@pytest.mark.parametrize(
    ("left", "right"),
    [((3,), (3,)), ((3,), (1,)), ((2, 3), (1, 3)), ((2, 1), (1, 3)), ((1, 1), (2, 2))],
)
def test_two_computed_summands(left, right):
    check_model(two_summands(left, right))


@pytest.mark.parametrize(
    ("left", "right"), [((2, 3), (3,)), ((3,), (2, 3)), ((2, 2, 3), (1,)), ((4,), (2, 3, 1))]
)
def test_summands_of_different_rank(left, right):
    """The batch axis of one meets a feature axis of the other."""
    check_alone(two_summands(left, right))


def test_a_tensor_added_to_itself():
    check_model(one_op("Add", (3,), "x", "x", flatten=False))


def test_refuses_summands_that_do_not_broadcast():
    assert "do not broadcast" in refusal(two_summands((2,), (3,))).reason


def test_old_form_says_which_opset_to_export():
    assert "opset 7" in refusal(one_op("Add", (3,), "x", normal(1, 3), opset=6)).reason
