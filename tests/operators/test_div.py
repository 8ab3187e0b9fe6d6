"""Div by a constant; not of a constant."""

import numpy as np
import pytest
from hypothesis import given, settings

from tests.support.graphs import normal, one_op, opsets_of
from tests.support.layers import check_alone, check_model, refusal
from tests.support.operands import ENLARGING, SHAPES, VARYING, shapes_that_broadcast


def divisor(*shape):
    """Numbers away from zero, of both signs."""
    values = normal(1, *shape).reshape(shape)
    return (values + np.where(values < 0, -0.5, 0.5)).astype(np.float32)


@pytest.mark.parametrize("opset", opsets_of("Div"))
def test_every_opset(opset):
    check_model(one_op("Div", (3,), "x", divisor(3), flatten=False, opset=opset))


@pytest.mark.parametrize(("sample", "shape"), [*SHAPES, *ENLARGING])
def test_by_a_constant(sample, shape):
    check_model(one_op("Div", sample, "x", divisor(*shape)))


@settings(max_examples=15, deadline=None, derandomize=True)
@given(shapes_that_broadcast())
def test_any_broadcast(shapes):
    sample, shape = shapes
    check_model(one_op("Div", sample, "x", divisor(*shape)))


def test_by_255_as_images_are():
    check_model(one_op("Div", (1, 2, 2), "x", np.float32(255.0)))


@pytest.mark.parametrize("tiny", [1e-30, 1e-38, 1e-41])
def test_by_a_tiny_number(tiny):
    model = one_op("Div", (3,), "x", np.float32(tiny), flatten=False)
    if tiny > 1e-35:
        check_model(model)
    else:
        assert "divisor" in refusal(model).reason


@pytest.mark.parametrize(("sample", "shape"), VARYING)
def test_constants_that_meet_the_batch(sample, shape):
    check_alone(one_op("Div", sample, "x", divisor(*shape)))


@pytest.mark.parametrize("dividend", [np.float32(1.0), "x"])
def test_refuses_division_by_a_computed_tensor(dividend):
    assert "not piecewise linear" in refusal(one_op("Div", (3,), dividend, "x")).reason


def test_refuses_a_divisor_of_zero():
    problem = refusal(one_op("Div", (3,), "x", np.array([1.0, 0.0, 2.0], np.float32)))
    assert "zero" in problem.reason
