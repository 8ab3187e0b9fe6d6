"""Sum, Mean, Max and Min of any number of tensors, constants among them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onnx_lippa.ir.layers.activation import Activation
from onnx_lippa.ir.layers.reduce_max import ReduceMax
from tests.support.graphs import graph_model, load_model, node, normal, one_op, opsets_of
from tests.support.layers import check_alone, check_model, refusal
from tests.support.operands import COMPUTED, DIFFERENT_RANKS, MIXED, MIXED_ALONE, together

OPS = {"Sum": 0, "Mean": 0, "Max": 1, "Min": 1}
"""Whether a layer with kinks comes of it, as a number of layers."""
EACH_OP = pytest.mark.parametrize("op", OPS)
SUMS = pytest.mark.parametrize("op", ["Sum", "Mean"])
EXTREMES = pytest.mark.parametrize("op", ["Max", "Min"])
SHAPES = st.tuples(st.sampled_from([1, 2]), st.sampled_from([1, 3]))


def layers_of(network, kind):
    return sum(isinstance(step.layer, kind) for step in network.steps)


@pytest.mark.parametrize(("op", "opset"), [(op, opset) for op in OPS for opset in opsets_of(op)])
def test_every_opset(op, opset):
    check_model(together(op, [(4,), (4,)], [(1, 4)] if opset > 7 else [], opset=opset))


@EACH_OP
@pytest.mark.parametrize("shapes", COMPUTED)
def test_computed_tensors(op, shapes):
    network = check_model(together(op, shapes))
    assert layers_of(network, ReduceMax) == (OPS[op] if len(shapes) > 1 else 0)
    assert OPS[op] or network.units == 0


@EACH_OP
@pytest.mark.parametrize("shapes", DIFFERENT_RANKS)
def test_tensors_of_different_rank(op, shapes):
    check_alone(together(op, shapes))


@EACH_OP
@pytest.mark.parametrize(("shapes", "constants"), MIXED)
@pytest.mark.parametrize("constants_first", [False, True])
def test_constants_among_them(op, shapes, constants, constants_first):
    network = check_model(together(op, shapes, constants, constants_first=constants_first))
    assert layers_of(network, Activation) == OPS[op]


@EACH_OP
@pytest.mark.parametrize(("shapes", "constants"), MIXED_ALONE)
def test_constants_that_meet_the_batch(op, shapes, constants):
    check_alone(together(op, shapes, constants))


@EACH_OP
@settings(max_examples=10, deadline=None, derandomize=True)
@given(st.lists(SHAPES, min_size=1, max_size=4), st.lists(SHAPES, max_size=3))
def test_any_of_them(op, shapes, constants):
    check_model(together(op, shapes, constants), batches=("batch",))


@EACH_OP
def test_of_one_tensor_it_is_nothing(op):
    assert check_model(one_op(op, (3,), flatten=False)).steps == ()


@EACH_OP
def test_refuses_what_does_not_broadcast(op):
    problem = refusal(together(op, [(3,), (2,)]))
    assert problem.op == op
    assert "(1, 3) and (1, 2) do not broadcast" in problem.reason
    assert "do not broadcast" in refusal(together(op, [(3,)], [(2,)])).reason


@EACH_OP
def test_refuses_infinite_constants(op):
    nodes = [node("Log", "c", "b"), node(op, "x b", "y")]
    problem = refusal(graph_model(nodes, (2,), {"c": np.array([0.0, 1.0], np.float32)}))
    assert "infinite" in problem.reason


@SUMS
def test_a_sum_of_a_tensor_and_itself(op):
    check_model(one_op(op, (3,), "x", "x", "x", flatten=False))


@SUMS
def test_a_residual_block(op):
    nodes = [
        node("Gemm", "x w", "a"),
        node("Relu", "a", "b"),
        node("Gemm", "b v", "c"),
        node(op, "c x b", "d"),
        node("Relu", "d", "y"),
    ]
    check_model(graph_model(nodes, (3,), {"w": normal(1, 3, 3), "v": normal(2, 3, 3)}))


@EXTREMES
def test_a_kink_for_every_unit(op):
    """A constant array makes one unit an entry, whatever the constant's size."""
    network = load_model(together(op, [(2, 3)], [(3,), (2, 1)])).network
    assert network.units == 6
    x = normal(1, 5, 3).astype(np.float64)
    middle = network.values(x)[-2].reshape(5, -1)
    assert np.all(network.forward(x) == middle)


@EXTREMES
def test_a_tie(op):
    """In a tie the first operand is the one that counts."""
    nodes = [node("Mul", "x two", "a"), node(op, "x a", "y")]
    network = load_model(graph_model(nodes, (2,), {"two": np.float32(2.0)})).network
    _, gradient = network.value_and_gradient(np.zeros((1, 2)), np.ones((1, 2)))
    np.testing.assert_array_equal(gradient, np.ones((1, 2)))
    check_model(one_op(op, (3,), "x", "x", flatten=False))


@EXTREMES
def test_equal_to_the_constant(op):
    bound = np.array([0.5, -0.5], np.float32)
    network = load_model(one_op(op, (2,), "x", bound, flatten=False)).network
    values, gradient = network.value_and_gradient(bound[None].astype(np.float64), np.ones((1, 2)))
    np.testing.assert_array_equal(values, bound[None])
    np.testing.assert_array_equal(gradient, np.full((1, 2), float(op == "Max")))


@EXTREMES
@pytest.mark.parametrize("far", [1e6, 1e30])
def test_far_constants_round_nothing_off(op, far):
    bound = np.float32(-far if op == "Max" else far)
    network = load_model(one_op(op, (4,), "x", bound, flatten=False)).network
    x = normal(1, 5, 4)
    np.testing.assert_array_equal(network.forward(x), x)


@EXTREMES
def test_rectifiers_written_with_it(op):
    """``max(x, 0)`` and ``max(x, 0.1 x)``, or the same of minima."""
    nodes = [
        node("Gemm", "x w", "a"),
        node(op, "zero a", "b"),
        node("Gemm", "b v", "c"),
        node("Mul", "c tenth", "d"),
        node(op, "c d", "y"),
    ]
    constants = {"w": normal(1, 3, 5), "v": normal(2, 5, 4), "zero": np.float32(0.0),
                 "tenth": np.float32(0.1)}  # fmt: skip
    check_model(graph_model(nodes, (3,), constants))
