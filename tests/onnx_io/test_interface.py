"""Models with several outputs, or with one that is not a plain tensor."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from onnx_lippa.errors import ModelError
from onnx_lippa.ir.network import OutputActivation
from onnx_lippa.onnx_io import inspect, load
from onnx_lippa.onnx_io.graph import needed_nodes
from tests.support.graphs import graph_model, load_model, node, normal, saved
from tests.support.layers import assert_near, check_loaded

WEIGHTS = {"w": normal(1, 4, 3), "c": normal(2, 3), "v": normal(3, 3, 2)}


def with_outputs(
    nodes: list[onnx.NodeProto], **outputs: int | onnx.ValueInfoProto
) -> onnx.ModelProto:
    """A model with outputs of these element types."""
    model = graph_model(nodes, (4,), WEIGHTS)
    del model.graph.output[:]
    model.graph.output.extend(
        helper.make_tensor_value_info(name, kind, None) if isinstance(kind, int) else kind
        for name, kind in outputs.items()
    )
    return model


HIDDEN = [node("Gemm", "x w c", "a"), node("Relu", "a", "h")]
LABELLED = [*HIDDEN, node("ArgMax", "h", "label", axis=1, keepdims=0)]
TWO = [*HIDDEN, node("MatMul", "h v", "y")]


# Choosing


def test_the_only_output_of_floating_point_numbers():
    model = load_model(with_outputs(LABELLED, label=TensorProto.INT64, h=TensorProto.FLOAT))
    assert model.interface.output_name == "h"
    assert model.network.notes == ("1 node that 'h' does not depend on left out",)
    check_loaded(model)


def test_several_outputs_that_could_be_meant():
    model = with_outputs(TWO, h=TensorProto.FLOAT, y=TensorProto.FLOAT)
    with pytest.raises(
        ModelError,
        match=r"has 2 outputs \('h', 'y'\) where one that holds scores is needed: name the one",
    ):
        load_model(model)


@pytest.mark.parametrize(("name", "size"), [("h", 3), ("y", 2), ("a", 3)])
def test_an_output_by_name(tmp_path, name, size):
    """Any tensor of the graph may be named."""
    path = saved(with_outputs(TWO, h=TensorProto.FLOAT, y=TensorProto.FLOAT), tmp_path)
    model = load(path, output=name)
    assert (model.interface.output_name, model.network.output_size) == (name, size)
    check_loaded(model)
    assert inspect(path, output=name).interface.output_name == name


def test_an_inner_tensor_is_run_as_the_model_computes_it():
    model = load_model(with_outputs(TWO, y=TensorProto.FLOAT), output="a")
    x = normal(4, 5, 4)
    assert_near(model.runtime.forward(x), x @ WEIGHTS["w"] + WEIGHTS["c"], 1e-6)
    whole = load_model(with_outputs(TWO, y=TensorProto.FLOAT))
    assert whole.network.output_size == 2


@pytest.mark.parametrize("name", ["nowhere", "x", "w", ""])
def test_an_output_that_nothing_computes(name):
    with pytest.raises(ModelError, match=rf"computes no tensor '{name}': its outputs are 'h', 'y'"):
        load_model(with_outputs(TWO, y=TensorProto.FLOAT, h=TensorProto.FLOAT), output=name)


def test_outputs_that_hold_no_scores():
    nodes = [*LABELLED, node("Cast", "h", "i", to=TensorProto.INT32)]
    model = with_outputs(nodes, label=TensorProto.INT64, i=TensorProto.INT32)
    with pytest.raises(ModelError, match=r"has 2 outputs .* one that holds scores"):
        load_model(model)


def test_the_one_output_is_taken_whatever_it_is():
    """What is wrong with it is for the import to say."""
    model = with_outputs(LABELLED, label=TensorProto.INT64)
    with pytest.raises(ModelError, match="ArgMax"):
        load_model(model)


# Containers


def zipped(*, other: dict[str, int]) -> onnx.ModelProto:
    """Probabilities in a sequence of dictionaries, as scikit-learn's exporter writes them."""
    nodes = [*HIDDEN, node("Softmax", "h", "p"),
             node("ZipMap", "p", "m", domain="ai.onnx.ml", classlabels_int64s=[0, 1, 2]),
             node("ArgMax", "p", "label", axis=1, keepdims=0)]  # fmt: skip
    value = helper.make_map_type_proto(
        TensorProto.INT64, helper.make_tensor_type_proto(TensorProto.FLOAT, [])
    )
    sequence = onnx.ValueInfoProto(name="m", type=helper.make_sequence_type_proto(value))
    model = with_outputs(nodes, m=sequence, **other)
    model.opset_import.append(helper.make_opsetid("ai.onnx.ml", 1))
    return model


@pytest.mark.parametrize("other", [{}, {"label": TensorProto.INT64}])
def test_a_zip_map_is_left_out(other):
    model = load_model(zipped(other=other))
    assert model.interface.output_name == "p"
    assert model.network.output_activation is OutputActivation.SOFTMAX
    check_loaded(model)


def test_a_zip_map_by_name():
    model = zipped(other={"label": TensorProto.INT64, "h": TensorProto.FLOAT})
    with pytest.raises(ModelError, match="3 outputs"):
        load_model(model)
    assert load_model(model, output="m").interface.output_name == "p"
    assert load_model(model, output="h").interface.output_name == "h"


# What the scores depend on


def test_nodes_that_the_scores_need():
    model = graph_model([*TWO, node("Relu", "x", "dead"), node("Neg", "dead", "dead2")], (4,))
    assert [n.output[0] for n in needed_nodes(model.graph, ["y"])] == ["a", "h", "y"]
    assert [n.output[0] for n in needed_nodes(model.graph, ["a"])] == ["a"]
    assert [n.output[0] for n in needed_nodes(model.graph, ["dead2"])] == ["dead", "dead2"]
    assert needed_nodes(model.graph, ["x"]) == []


def test_one_of_several_results_is_enough():
    model = graph_model([node("Split", "x", "a b", axis=1), node("Relu", "b", "y")], (4,))
    assert len(needed_nodes(model.graph, ["y"])) == 2


def test_what_comes_before_a_subgraph_is_kept():
    """Its nodes may take any tensor that comes before it."""
    inner = helper.make_graph(
        [node("Relu", "hidden", "o")],
        "inner",
        [],
        [helper.make_tensor_value_info("o", TensorProto.FLOAT, None)],
    )
    nodes = [
        node("Relu", "x", "hidden"),
        node("If", "t", "y", then_branch=inner, else_branch=inner),
        node("Relu", "x", "dead"),
    ]
    model = graph_model(nodes, (4,), {"t": np.array(True)})
    assert [n.output[0] for n in needed_nodes(model.graph, ["y"])] == ["hidden", "y"]


def test_problems_of_nodes_that_are_not_needed_do_not_matter():
    nodes = [*TWO, node("Sin", "h", "dead"), node("NonZero", "y", "dead2")]
    model = load_model(with_outputs(nodes, y=TensorProto.FLOAT))
    assert model.network.notes == ("2 nodes that 'y' does not depend on left out",)
    check_loaded(model)
