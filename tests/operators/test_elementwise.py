"""Add, Sub and Mul: constants on either side, broadcasting, and two computed operands."""

import numpy as np
import pytest
from hypothesis import given, settings

from tests.support.graphs import normal, one_op, opsets_of
from tests.support.layers import check_alone, check_model, refusal
from tests.support.operands import ENLARGING, SHAPES, VARYING, shapes_that_broadcast, two_summands

OPS = {"Add": False, "Sub": True, "Mul": False}
"""Whether the constant comes first where one order is tried."""
EACH_OP = pytest.mark.parametrize("op", OPS)


@pytest.mark.parametrize(("op", "opset"), [(op, opset) for op in OPS for opset in opsets_of(op)])
def test_every_opset(op, opset):
    check_model(one_op(op, (3,), "x", normal(1, 3), flatten=False, opset=opset))


@EACH_OP
@pytest.mark.parametrize(("sample", "shape"), [*SHAPES, *ENLARGING])
def test_constant_on_either_side(op, sample, shape):
    constant = normal(1, *shape).reshape(shape)
    check_model(one_op(op, sample, "x", constant))
    check_model(one_op(op, sample, constant, "x"))


@EACH_OP
@settings(max_examples=20, deadline=None, derandomize=True)
@given(shapes_that_broadcast())
def test_any_broadcast(op, shapes):
    sample, shape = shapes
    operands = ["x", normal(1, *shape).reshape(shape)]
    check_model(one_op(op, sample, *(reversed(operands) if OPS[op] else operands)))


@EACH_OP
@pytest.mark.parametrize(("sample", "shape"), VARYING)
def test_constants_that_meet_the_batch(op, sample, shape):
    check_alone(one_op(op, sample, "x", normal(1, *shape)))
    check_alone(one_op(op, sample, normal(1, *shape), "x"))


@pytest.mark.parametrize("op", ["Add", "Sub"])
@pytest.mark.parametrize(
    ("left", "right"),
    [((3,), (3,)), ((3,), (1,)), ((1,), (3,)), ((2, 3), (1, 3)), ((2, 1), (1, 3)),
     ((1, 1), (2, 2))],
)  # fmt: skip
def test_two_computed_operands(op, left, right):
    check_model(two_summands(left, right, op))


@pytest.mark.parametrize("op", ["Add", "Sub"])
def test_a_tensor_with_itself(op):
    check_model(one_op(op, (3,), "x", "x", flatten=False))


@pytest.mark.parametrize(
    ("left", "right"), [((2, 3), (3,)), ((3,), (2, 3)), ((2, 2, 3), (1,)), ((4,), (2, 3, 1))]
)
def test_summands_of_different_rank(left, right):
    """The batch axis of one meets a feature axis of the other."""
    check_alone(two_summands(left, right))


@pytest.mark.parametrize("factor", [0.0, 1.0, -1.0])
def test_special_factors(factor):
    check_model(one_op("Mul", (3,), "x", np.float32(factor), flatten=False))


def test_refuses_what_does_not_broadcast():
    problem = refusal(one_op("Add", (3,), "x", normal(1, 4), flatten=False))
    assert "does not broadcast" in problem.reason
    assert "do not broadcast" in refusal(two_summands((2,), (3,))).reason


def test_refuses_two_computed_factors():
    assert "two computed tensors" in refusal(one_op("Mul", (3,), "x", "x", flatten=False)).reason


def test_old_form_says_which_opset_to_export():
    assert "opset 7" in refusal(one_op("Add", (3,), "x", normal(1, 3), opset=6)).reason
