"""Sum and Mean of any number of tensors, constants among them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.graphs import graph_model, node, normal, one_op, opsets_of
from tests.support.layers import check_alone, check_model, refusal
from tests.support.operands import COMPUTED, DIFFERENT_RANKS, MIXED, MIXED_ALONE, together

OPS = {"Sum": 1, "Mean": 2}
SHAPES = st.tuples(st.sampled_from([1, 2]), st.sampled_from([1, 3]))

pytestmark = pytest.mark.parametrize("op", OPS)


@pytest.mark.parametrize("opset", opsets_of("Sum"))
def test_every_opset(op, opset):
    assert opsets_of("Sum") == opsets_of("Mean")
    check_model(together(op, [(4,), (4,)], [(1, 4)] if opset > 7 else [], opset=opset))


@pytest.mark.parametrize("shapes", COMPUTED)
def test_computed_tensors(op, shapes):
    assert check_model(together(op, shapes)).units == 0


@pytest.mark.parametrize("shapes", DIFFERENT_RANKS)
def test_tensors_of_different_rank(op, shapes):
    check_alone(together(op, shapes))


@pytest.mark.parametrize(("shapes", "constants"), MIXED)
@pytest.mark.parametrize("constants_first", [False, True])
def test_constants_among_them(op, shapes, constants, constants_first):
    check_model(together(op, shapes, constants, constants_first=constants_first))


@pytest.mark.parametrize(("shapes", "constants"), MIXED_ALONE)
def test_constants_that_meet_the_batch(op, shapes, constants):
    check_alone(together(op, shapes, constants))


@settings(max_examples=10, deadline=None, derandomize=True)
@given(st.lists(SHAPES, min_size=1, max_size=4), st.lists(SHAPES, max_size=3))
def test_any_of_them(op, shapes, constants):
    check_model(together(op, shapes, constants), batches=("batch",))


def test_of_one_tensor_it_is_nothing(op):
    assert check_model(one_op(op, (3,), flatten=False)).steps == ()


def test_a_tensor_with_itself(op):
    check_model(one_op(op, (3,), "x", "x", "x", flatten=False))


def test_a_residual_block(op):
    nodes = [
        node("Gemm", "x w", "a"),
        node("Relu", "a", "b"),
        node("Gemm", "b v", "c"),
        node(op, "c x b", "d"),
        node("Relu", "d", "y"),
    ]
    check_model(graph_model(nodes, (3,), {"w": normal(1, 3, 3), "v": normal(2, 3, 3)}))


def test_refuses_what_does_not_broadcast(op):
    problem = refusal(together(op, [(3,), (2,)]))
    assert problem.op == op
    assert "do not broadcast" in problem.reason


def test_refuses_infinite_constants(op):
    nodes = [node("Log", "c", "b"), node(op, "x b", "y")]
    problem = refusal(graph_model(nodes, (2,), {"c": np.array([0.0, 1.0], np.float32)}))
    assert "infinite" in problem.reason
