"""Branches, loops and sequences whose conditions do not depend on the input."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper

from tests.support.graphs import graph_model, node, normal
from tests.support.layers import check_alone, check_model, refusal

TRUE, FALSE = np.array(True), np.array(False)


def graph(nodes, inputs="", outputs="o"):
    """A subgraph whose inputs and outputs have types that runtimes infer."""
    kinds = {"i": TensorProto.INT64, "ci": TensorProto.BOOL, "co": TensorProto.BOOL}

    def value(name):
        kind = kinds.get(name, TensorProto.FLOAT)
        shape: list[int] | None = [] if name in kinds else None
        return helper.make_tensor_value_info(name, kind, shape)

    return helper.make_graph(
        list(nodes), "g", [*map(value, inputs.split())], [*map(value, outputs.split())]
    )


def branches(condition, inside="Relu"):
    return node(
        "If", condition, "a", then_branch=graph([node(inside, "x", "o")]),
        else_branch=graph([node("Neg", "x", "neg"), node("Relu", "neg", "o")]),
    )  # fmt: skip


GO_ON = node("Identity", "ci", "co")
WEIGHTS = {"w": normal(1, 3, 3), "v": normal(2, 3)}


@pytest.mark.parametrize(("truth", "ops"), [(TRUE, ["Relu", "Gemm"]), (FALSE, 3)])
def test_a_branch_is_taken(truth, ops):
    nodes = [branches("t"), node("Gemm", "a w", "y")]
    network = check_model(graph_model(nodes, (3,), WEIGHTS | {"t": truth}))
    assert len(network.steps) == ops if isinstance(ops, int) else True


def test_the_branch_that_is_not_taken_may_hold_anything():
    nodes = [branches("t", "Erf"), node("Gemm", "a w", "y")]
    check_model(graph_model(nodes, (3,), WEIGHTS | {"t": FALSE}))
    problem = refusal(graph_model(nodes, (3,), WEIGHTS | {"t": TRUE}))
    assert problem.op == "Erf"


def test_a_condition_that_is_computed_from_the_shape():
    nodes = [
        node("Shape", "x", "s"), node("Gather", "s one", "n"), node("Equal", "n three", "t"),
        branches("t"), node("Gemm", "a w", "y"),
    ]  # fmt: skip
    constants = WEIGHTS | {"one": np.array(1), "three": np.array(3)}
    check_model(graph_model(nodes, (3,), constants))


def loop(body, trips="m", condition="t", carried="x", outputs="a"):
    return node("Loop", f"{trips} {condition} {carried}", outputs, body=body)


def test_a_loop_over_what_is_computed_is_unrolled():
    body = graph([GO_ON, node("Gemm", "vi w v", "g"), node("Relu", "g", "vo")], "i ci vi", "co vo")
    model = graph_model(
        [loop(body), node("Gemm", "a w", "y")], (3,), WEIGHTS | {"m": np.array(3), "t": TRUE}
    )
    network = check_model(model)
    assert [step.op for step in network.steps].count("Relu") == 3


@pytest.mark.parametrize("trips", [0, 1, 4])
def test_a_loop_over_constants(trips):
    body = graph([GO_ON, node("Mul", "vi half", "vo")], "i ci vi", "co vo")
    nodes = [loop(body, carried="v"), node("Gemm", "x w a", "y")]
    constants = WEIGHTS | {"m": np.array(trips), "t": TRUE, "half": np.float32(0.5)}
    check_model(graph_model(nodes, (3,), constants))


def test_a_loop_that_ends_itself_and_collects():
    body = graph(
        [node("Less", "i three", "co"), node("Mul", "vi half", "vo"), node("Identity", "vo", "s")],
        "i ci vi", "co vo s",
    )  # fmt: skip
    nodes = [loop(body, trips="m", carried="v", outputs="last a"), node("MatMul", "x aT", "y")]
    nodes.insert(1, node("Transpose", "a", "aT"))
    constants = WEIGHTS | {"m": np.array(10**9), "t": TRUE, "half": np.float32(0.5),
                           "three": np.array(3)}  # fmt: skip
    network = check_model(graph_model(nodes, (3,), constants))
    assert network.output_size == 4


def test_names_inside_a_body_do_not_reach_the_graph():
    body = graph([GO_ON, node("Mul", "vi half", "w"), node("Neg", "w", "vo")], "i ci vi", "co vo")
    nodes = [loop(body, carried="v"), node("Gemm", "x u a", "y")]
    constants = {"u": normal(1, 3, 3), "v": normal(2, 3), "m": np.array(2), "t": TRUE,
                 "half": np.float32(0.5)}  # fmt: skip
    check_model(graph_model(nodes, (3,), constants))


def test_a_scan_over_constants():
    body = graph([node("Add", "ci2 e", "co2"), node("Identity", "co2", "s")], "ci2 e", "co2 s")
    nodes = [
        node("Scan", "v w", "last all", body=body, num_scan_inputs=1),
        node("Gemm", "x all last", "y"),
    ]
    check_model(graph_model(nodes, (3,), WEIGHTS))


def test_a_scan_backwards_along_other_axes():
    body = graph([node("Add", "ci2 e", "co2"), node("Identity", "co2", "s")], "ci2 e", "co2 s")
    nodes = [
        node("Scan", "v w", "last all", body=body, num_scan_inputs=1, scan_input_axes=[1],
             scan_input_directions=[1], scan_output_axes=[1], scan_output_directions=[1]),
        node("Gemm", "x all last", "y"),
    ]  # fmt: skip
    check_model(graph_model(nodes, (3,), WEIGHTS))


@pytest.mark.parametrize(
    "made",
    [
        [node("SequenceConstruct", "v u", "q"), node("SequenceAt", "q zero", "c")],
        [node("SequenceConstruct", "v u", "q"), node("SequenceAt", "q last", "c")],
        [node("SequenceConstruct", "v u", "q"), node("SequenceErase", "q zero", "p"),
         node("SequenceAt", "p zero", "c")],
        [node("SequenceEmpty", "", "p"), node("SequenceInsert", "p v", "q"),
         node("SequenceInsert", "q u zero", "r"), node("SequenceAt", "r zero", "c")],
        [node("SplitToSequence", "w", "q", axis=0, keepdims=0), node("SequenceAt", "q zero", "c")],
        [node("SplitToSequence", "w two", "q", axis=1), node("SequenceAt", "q zero", "d"),
         node("ReduceSum", "d one", "c", keepdims=0)],
        [node("SequenceConstruct", "v u", "q"), node("ConcatFromSequence", "q", "d", axis=0,
         new_axis=1), node("ReduceSum", "d one0", "c", keepdims=0)],
        [node("SequenceConstruct", "v u", "q"), node("SequenceLength", "q", "n"),
         node("Cast", "n", "c", to=1)],
        [node("SequenceConstruct", "x v", "q"), node("SequenceAt", "q zero", "c")],
    ],
    ids=lambda made: "-".join(n.op_type for n in made),
)  # fmt: skip
def test_sequences(made):
    nodes = [*made, node("Add", "x c", "a"), node("Gemm", "a w", "y")]
    constants = WEIGHTS | {"u": normal(3, 3), "zero": np.array(0), "last": np.array(-1),
                           "two": np.array(2), "one": np.array([1]),
                           "one0": np.array([0])}  # fmt: skip
    check_model(graph_model(nodes, (3,), constants))


def test_a_place_that_depends_on_the_input_is_refused():
    nodes = [
        node("ArgMax", "x", "i", axis=1, keepdims=0),
        node("SequenceConstruct", "v v", "q"), node("SequenceAt", "q i", "c"),
        node("Add", "x c", "y"),
    ]  # fmt: skip
    assert refusal(graph_model(nodes, (3,), WEIGHTS)).op == "ArgMax"


def test_a_loop_without_end_is_refused_in_seconds():
    body = graph([GO_ON, node("Neg", "vi", "vo")], "i ci vi", "co vo")
    nodes = [node("Loop", ["", "t", "v"], "a", body=body), node("Add", "x a", "y")]
    problem = refusal(graph_model(nodes, (3,), WEIGHTS | {"t": TRUE}))
    assert problem.op == "Loop"
    assert "10,000 nodes" in problem.reason


def test_a_loop_whose_tensor_doubles_is_refused():
    body = graph([GO_ON, node("Concat", "vi vi", "vo", axis=0)], "i ci vi", "co vo")
    nodes = [loop(body, carried="v"), node("ReduceSum", "a", "s"), node("Add", "x s", "y")]
    problem = refusal(graph_model(nodes, (3,), WEIGHTS | {"t": TRUE, "m": np.array(60)}))
    assert "memory" in problem.reason


def test_loops_inside_loops_share_their_limit():
    inner = graph([GO_ON, node("Neg", "vi", "vo")], "i ci vi", "co vo")
    for _ in range(4):
        body = [GO_ON, loop(inner, carried="vi", outputs="vo")]
        inner = graph(body, "i ci vi", "co vo")
    nodes = [loop(inner, carried="v"), node("Add", "x a", "y")]
    problem = refusal(graph_model(nodes, (3,), WEIGHTS | {"t": TRUE, "m": np.array(100)}))
    assert "10,000 nodes" in problem.reason


def test_branches_nested_deeply_are_refused():
    nested = graph([node("Relu", "x", "o")])
    other = graph([node("Identity", "x", "o")])
    for _ in range(20):
        nested = graph([node("If", "t", "o", then_branch=nested, else_branch=other)])
    nodes = [node("If", "t", "a", then_branch=nested, else_branch=other), node("Relu", "a", "y")]
    assert "deep" in refusal(graph_model(nodes, (3,), {"t": TRUE})).reason


def test_a_model_that_makes_its_batch_by_a_branch():
    nodes = [
        node("Shape", "x", "s"), node("Gather", "s zero", "n"), node("Equal", "n one", "t"),
        branches("t"), node("Gemm", "a w", "y"),
    ]  # fmt: skip
    constants = WEIGHTS | {"zero": np.array(0), "one": np.array(1)}
    check_alone(graph_model(nodes, (3,), constants))
