"""Names that models state: in their metadata, or on the node that labels their scores."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper

import onnx_lippa
from tests.support.graphs import graph_model, node, saved

WEIGHTS = {"w": np.float32([[1, -1, 0], [0, 1, -1]])}


def stated(folder, **properties):
    model = graph_model([node("MatMul", "x w", "y")], (2,), WEIGHTS)
    helper.set_model_props(model, properties)
    return onnx_lippa.load(saved(model, folder))


@pytest.mark.parametrize(
    ("properties", "classes"),
    [
        ({"classes": '["b", "a", "c"]'}, ("b", "a", "c")),
        ({"Class_Names": "b, a,c"}, ("b", "a", "c")),
        ({"names": "{0: 'b', 1: 'a', 2: 'c'}"}, ("b", "a", "c")),
        ({"labels": '{"0": "b", "2": "c", "1": "a"}'}, ("b", "a", "c")),
        ({"classes": "b,a"}, None),
        ({"classes": "b,a,a"}, None),
        ({"classes": "[[[["}, None),
        ({"author": "b,a,c"}, None),
    ],
)
def test_classes_in_metadata(tmp_path, properties, classes):
    assert stated(tmp_path, **properties).classes == classes


def test_features_in_metadata(tmp_path):
    assert stated(tmp_path, features='["age", "income"]').feature_names == ("age", "income")
    assert stated(tmp_path, feature_names="age,income").feature_names == ("age", "income")
    assert stated(tmp_path, features="age").feature_names == ()


@pytest.mark.parametrize(
    ("attribute", "values", "labels"),
    [
        ("classlabels_strings", ["setosa", "versicolor", "virginica"], ["virginica", "setosa"]),
        ("classlabels_int64s", [3, 5, 7], [7, 3]),
    ],
)
def test_classes_of_a_zip_map(tmp_path, attribute, values, labels):
    """As scikit-learn's exporter writes it: labels are these names, not places of scores."""
    kind = onnx.TensorProto.STRING if "strings" in attribute else onnx.TensorProto.INT64
    mapped = helper.make_map_type_proto(kind, helper.make_tensor_type_proto(1, []))
    nodes = [
        node("MatMul", "x w", "s"),
        node("ZipMap", "s", "y", domain="ai.onnx.ml", **{attribute: values}),
    ]
    model = graph_model(nodes, (2,), WEIGHTS)
    model.opset_import.append(helper.make_opsetid("ai.onnx.ml", 1))
    output = helper.make_value_info("y", helper.make_sequence_type_proto(mapped))
    model.graph.output[0].CopyFrom(output)
    loaded = onnx_lippa.load(saved(model, tmp_path))
    assert loaded.classes == tuple(map(str, values))
    x = np.float32([[0.5, 0.0], [1.0, 0.0]])
    results = onnx_lippa.attack(loaded, x, labels, eps=0.01)
    assert results.inputs.labels.tolist() == [2, 0]
