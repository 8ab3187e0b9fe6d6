"""Graphs that cannot be imported: everything wrong is listed, with its place and its reason."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from onnx_lippa.errors import ModelError, UnsupportedModelError
from onnx_lippa.onnx_io import inspect, load
from tests.support.graphs import graph_model, load_model, node, normal, one_op, saved
from tests.support.layers import check_model, refusal

EYE = np.eye(3, dtype=np.float32)


def problems(model):
    """(op, node) of every problem that the package reports."""
    with pytest.raises(UnsupportedModelError) as caught:
        load_model(model)
    for problem in caught.value.problems:
        assert str(problem) in str(caught.value)
    return [(problem.op, problem.node) for problem in caught.value.problems]


# Operators


def test_every_unknown_operator_is_listed_at_once():
    nodes = [
        node("Sin", "x", "a"),
        node("Relu", "a", "b"),
        node("Erf", "b", "c"),
        node("Gemm", "c w", "d"),
        node("Cumprod", "d", "e"),
        node("Sin", "x", "f"),
        node("Add", "e f", "y"),
    ]
    found = problems(graph_model(nodes, (3,), {"w": EYE}))
    assert found == [
        ("Sin", "sin_a"),
        ("Erf", "erf_c"),
        ("Cumprod", "cumprod_e"),
        ("Sin", "sin_f"),
    ]


def test_supported_operators_behind_a_problem_are_not_listed():
    nodes = [node("Sin", "x", "a"), node("Relu", "a", "b"), node("Mul", "b b", "y")]
    assert problems(graph_model(nodes, (3,))) == [("Sin", "sin_a")]


def test_message_counts_and_lists():
    nodes = [node("Sin", "x", "a"), node("Erf", "a", "y")]
    with pytest.raises(UnsupportedModelError) as caught:
        load_model(graph_model(nodes, (3,)))
    lines = str(caught.value).splitlines()
    assert lines[0] == "the model is not supported, because 2 nodes are not:"
    assert lines[1].startswith("  - Sin 'sin_a': it is a curve, not piecewise linear")
    assert lines[2].startswith("  - Erf 'erf_y': it is a curve, not piecewise linear")
    assert caught.value.exit_code == 3


def test_message_says_what_to_do():
    assert "export" in refusal(graph_model([node("Sin", "x", "y")], (3,))).reason


def test_nodes_without_a_name_are_called_by_their_output():
    nodes = [helper.make_node("Sin", ["x"], ["y"])]
    assert problems(graph_model(nodes, (3,))) == [("Sin", "y")]


def test_custom_domains():
    nodes = [
        node("Relu", "x", "a", domain="com.example"),
        node("Frobnicate", "a", "b", domain="com.example"),
        node("Scaler", "b", "y", domain="ai.onnx.ml"),
    ]
    model = graph_model(nodes, (3,))
    model.opset_import.extend([helper.make_opsetid("com.example", 1)])
    model.opset_import.extend([helper.make_opsetid("ai.onnx.ml", 3)])
    assert problems(model) == [
        ("com.example.Relu", "relu_a"),
        ("com.example.Frobnicate", "frobnicate_b"),
    ]  # Scaler behind them is supported, so it is no problem of its own


def test_custom_operator_on_constants_is_refused_too():
    nodes = [node("Make", "w", "c", domain="com.example"), node("Add", "x c", "y")]
    problem = refusal(graph_model(nodes, (3,), {"w": EYE[0]}))
    assert problem.op == "com.example.Make"
    assert "standard ONNX domain" in problem.reason


def test_standard_domain_by_its_long_name():
    check_model(graph_model([node("Relu", "x", "y", domain="ai.onnx")], (3,)))


def test_functions_of_the_model_are_refused():
    model = graph_model([node("Twice", "x", "y", domain="local")], (3,))
    model.opset_import.extend([helper.make_opsetid("local", 1)])
    body = [helper.make_node("Add", ["a", "a"], ["b"])]
    opsets = [helper.make_opsetid("", 17)]
    model.functions.append(helper.make_function("local", "Twice", ["a"], ["b"], body, opsets))
    assert problems(model) == [("local.Twice", "twice_y")]


def test_softmax_in_the_middle_is_listed_with_the_rest():
    nodes = [
        node("Softmax", "x", "a"),
        node("Relu", "a", "c"),
        node("Sin", "x", "b"),
        node("Add", "c b", "y"),
    ]
    assert problems(graph_model(nodes, (3,))) == [("Relu", "relu_c"), ("Sin", "sin_b")]


# Control flow and chance


def branch(name, *nodes):
    """A subgraph without inputs."""
    return helper.make_graph(
        list(nodes), name, [], [helper.make_tensor_value_info("o", TensorProto.FLOAT, None)]
    )


def test_if_whose_condition_depends_on_the_input_is_refused():
    branches = {"then_branch": branch("a", node("Relu", "x", "o")),
                "else_branch": branch("b", node("Identity", "x", "o"))}  # fmt: skip
    nodes = [
        node("ReduceSum", "x", "s", keepdims=0),
        node("Greater", "s zero", "t"),
        node("If", "t", "y", **branches),
    ]
    problem = refusal(graph_model(nodes, (3,), {"zero": np.float32(0)}))
    assert (problem.op, problem.node) == ("If", "if_y")
    assert "its condition depends on the input" in problem.reason
    assert "export" in problem.reason


def test_chance_inside_a_branch_is_refused():
    branches = {"then_branch": branch("a", node("RandomNormal", [], "o", shape=[3])),
                "else_branch": branch("b", node("RandomNormal", [], "o", shape=[3]))}  # fmt: skip
    nodes = [node("If", "t", "c", **branches), node("Add", "x c", "y")]
    problem = refusal(graph_model(nodes, (3,), {"t": np.array(True)}))
    assert problem.op == "RandomNormal"


def test_control_flow_behind_a_problem_is_no_problem_of_its_own():
    branches = {"then_branch": branch("a", node("Relu", "b", "o")),
                "else_branch": branch("b", node("Identity", "b", "o"))}  # fmt: skip
    nodes = [node("Sin", "x", "b"), node("If", "t", "y", **branches)]
    found = problems(graph_model(nodes, (3,), {"t": np.array(True)}))
    assert found == [("Sin", "sin_b")]


def test_loop_that_ends_by_the_input_is_refused():
    body = helper.make_graph(
        [node("Identity", "ci", "co"), node("Relu", "vi", "vo")],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("ci", TensorProto.BOOL, []),
            helper.make_tensor_value_info("vi", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("co", TensorProto.BOOL, []),
            helper.make_tensor_value_info("vo", TensorProto.FLOAT, None),
        ],
    )
    nodes = [
        node("ReduceSum", "x", "s", keepdims=0),
        node("Greater", "s zero", "t"),
        node("Loop", "n t x", "y", body=body),
    ]
    constants = {"n": np.array(2), "zero": np.float32(0)}
    problem = refusal(graph_model(nodes, (3,), constants))
    assert problem.op == "Loop"
    assert "control flow" in problem.reason


@pytest.mark.parametrize(
    ("op", "inputs", "attributes"),
    [
        ("RandomNormal", "", {"shape": [3]}),
        ("RandomUniform", "", {"shape": [3], "seed": 1.0}),
        ("RandomNormalLike", "w", {}),
        ("RandomUniformLike", "w", {}),
        ("Bernoulli", "w", {}),
    ],
)
def test_random_operators_are_refused(op, inputs, attributes):
    nodes = [node(op, inputs, "c", **attributes), node("Add", "x c", "y")]
    problem = refusal(graph_model(nodes, (3,), {"w": np.full(3, 0.5, np.float32)}))
    assert problem.op == op
    assert "random numbers" in problem.reason
    assert "export" in problem.reason


@pytest.mark.parametrize("op", ["RandomNormalLike", "RandomUniformLike", "Bernoulli"])
def test_random_operators_on_the_input_are_refused(op):
    assert refusal(graph_model([node(op, "x", "y")], (3,))).op == op


# Weights


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", [np.float32, np.float64, np.float16])
def test_weights_that_are_not_finite(bad, kind):
    weight = EYE.astype(kind)
    weight[1, 2] = bad
    problem = refusal(one_op("Gemm", (3,), "x", weight, flatten=False))
    assert (problem.op, problem.node) == ("initializer", "c1")
    assert "NaN or infinite weights" in problem.reason
    assert "export again" in problem.reason


def test_every_weight_that_is_not_finite_is_listed():
    bad = np.full((3, 3), np.nan, np.float32)
    nodes = [node("Gemm", "x w c", "y")]
    found = problems(graph_model(nodes, (3,), {"w": bad, "c": bad[0]}))
    assert found == [("initializer", "w"), ("initializer", "c")]


def test_weights_whose_data_do_not_fit_their_shape():
    model = one_op("Gemm", (3,), "x", EYE, flatten=False)
    model.graph.initializer[0].dims[0] = 7
    problem = refusal(model)
    assert (problem.op, problem.node) == ("initializer", "c1")
    assert "cannot be read" in problem.reason


@pytest.mark.parametrize("kind", [0, 77])
def test_weights_of_no_known_type(kind):
    model = one_op("Gemm", (3,), "x", EYE, flatten=False)
    model.graph.initializer[0].data_type = kind
    problem = refusal(model)
    assert problem.node == "c1"
    assert "cannot be read" in problem.reason


@pytest.mark.parametrize("kind", [np.float64, np.float16, np.int64])
def test_weights_of_another_type_are_refused_by_the_runtime(kind):
    with pytest.raises(ModelError, match="ONNX Runtime does not accept the model"):
        load_model(one_op("Gemm", (3,), "x", EYE.astype(kind), flatten=False))


def test_weights_that_are_text_or_complex():
    for constant in (np.array(["a", "b", "c"]), np.ones(3, np.complex64)):
        problem = refusal(one_op("Add", (3,), "x", constant, flatten=False))
        assert "no real numbers" in problem.reason


def test_sparse_weights_are_refused():
    model = one_op("Gemm", (3,), "x", EYE, flatten=False)
    values = numpy_helper.from_array(np.ones(1, np.float32), "s")
    model.graph.sparse_initializer.append(
        helper.make_sparse_tensor(values, numpy_helper.from_array(np.array([4])), [3, 3])
    )
    assert "sparse" in refusal(model).reason


# Graphs


def test_output_that_does_not_depend_on_the_input():
    nodes = [node("Relu", "x", "a"), node("Relu", "c", "y")]
    problem = refusal(graph_model(nodes, (3,), {"c": normal(1, 1, 3)}))
    assert problem.node == "y"
    assert "does not depend on the input" in problem.reason


def test_output_that_is_a_weight():
    model = graph_model([node("Relu", "x", "a")], (3,), {"y": normal(1, 1, 3)})
    assert "does not depend on the input" in refusal(model).reason


def test_output_that_nothing_computes():
    model = graph_model([node("Relu", "x", "a")], (3,))
    assert refusal(model).node == "y"


def test_tensors_that_nothing_computes_are_named():
    nodes = [node("Relu", "ghost", "a"), node("Add", "x a", "y")]
    problem = refusal(graph_model(nodes, (3,)))
    assert (problem.op, problem.node) == ("Relu", "relu_a")
    assert "'ghost' is not computed before it" in problem.reason


def test_nodes_in_a_wrong_order_are_named():
    nodes = [node("Relu", "a", "y"), node("Gemm", "x w", "a")]
    problem = refusal(graph_model(nodes, (3,), {"w": EYE}))
    assert (problem.op, problem.node) == ("Relu", "relu_y")


@pytest.mark.parametrize(
    "one",
    [
        node("Relu", "x x", "y"),
        node("Add", "x", "y"),
        node("Add", "x x x", "y"),
        node("Sub", "x x x", "y"),
        node("Mul", "w w x", "y"),
        node("MatMul", "x w x", "y"),
        node("Relu", "x", "y z"),
        node("Gemm", "x w", "y", transB="yes"),
        node("Gemm", "x w", "y", alpha=[1.0]),
        node("Gemm", "x w", "y", gamma=1.0),
        node("Flatten", "x", "y", axis=1.5),
        node("Dropout", [], "y"),
        node("Conv", "x", "y"),
        helper.make_node("Relu", ["x"], []),
    ],
)
def test_malformed_nodes_are_refused(one):
    with pytest.raises(ModelError):
        load_model(graph_model([one], (3,), {"w": EYE}))


def test_malformed_nodes_say_so():
    problem = refusal(graph_model([node("Relu", "x x", "y")], (3,)))
    assert "malformed" in problem.reason
    assert "export again" in problem.reason


def test_outputs_of_several_axes_are_no_classes():
    model = load_model(graph_model([node("Relu", "x", "y")], (2, 3)))
    assert check_model(graph_model([node("Relu", "x", "y")], (2, 3))).output_shape == (2, 3)
    with pytest.raises(ModelError, match=r"sample shape \(2, 3\): a vector of class scores"):
        model.require_classes()


@pytest.mark.parametrize(("sample", "enough"), [((2,), True), ((1, 3, 1), True), ((1,), False)])
def test_outputs_that_are_classes(sample, enough):
    model = load_model(graph_model([node("Relu", "x", "y")], sample))
    if enough:
        model.require_classes()
    else:
        with pytest.raises(ModelError, match="a vector of class scores"):
            model.require_classes()


@pytest.mark.parametrize("sample", [(2**45,), (2**62, 2**62, 3), (2**16, 2**16)])
def test_an_input_too_large_for_any_memory(sample):
    with pytest.raises(ModelError, match=r"'x' of shape .* is too large: .*: check it"):
        load_model(graph_model([node("Relu", "x", "y")], sample))


@pytest.mark.parametrize("pads", [[2**62] * 2, [0, 2**40]])
def test_a_layer_too_large_for_any_memory(pads):
    problem = refusal(one_op("Conv", (1, 4), "x", normal(1, 1, 1, 2), pads=pads))
    assert problem.op == "Conv"
    assert "too large" in problem.reason


def test_running_out_of_memory_is_an_error_of_the_model(monkeypatch):
    def exhausted(*_):
        raise MemoryError

    monkeypatch.setattr("onnx_lippa.onnx_io.model.check_agreement", exhausted)
    with pytest.raises(ModelError, match="needs more memory than there is"):
        load_model(graph_model([node("Relu", "x", "y")], (3,)))


# Inspection


def test_inspection_gives_the_network(tmp_path):
    seen = inspect(saved(one_op("Gemm", (3,), "x", EYE, flatten=False), tmp_path))
    assert seen.problem is None
    assert seen.network is not None
    assert seen.network.output_shape == (3,)


def test_inspection_gives_the_problems_instead_of_raising_them(tmp_path):
    seen = inspect(saved(graph_model([node("Sin", "x", "y")], (3,)), tmp_path))
    assert seen.network is None
    assert seen.problem is not None
    assert [problem.op for problem in seen.problem.problems] == ["Sin"]
    assert seen.interface.sample_shape == (3,)


def test_loading_without_the_check_runs_nothing(tmp_path, monkeypatch):
    path = saved(one_op("Gemm", (3,), "x", EYE, flatten=False), tmp_path)
    monkeypatch.setattr("onnx_lippa.onnx_io.model.check_agreement", None)
    assert load(path, check=False).network.parameters == 9
    with pytest.raises(TypeError):
        load(path)


def test_loading_leaves_the_file_alone(tmp_path):
    model = one_op("Gemm", (3,), "x", EYE, flatten=False)
    path = saved(model, tmp_path)
    load(path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.onnx"]
    assert onnx.load_model_from_string(path.read_bytes()) == model
