"""Constant in all its forms, as the weights of a layer."""

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from tests.support.graphs import graph_model, node, normal, opsets_of
from tests.support.layers import check_model, refusal


def plus_constant(opset=17, **attributes):
    """``x + constant``."""
    nodes = [node("Constant", [], "c", **attributes), node("Add", "x c", "y")]
    return graph_model(nodes, (3,), opset=opset)


@pytest.mark.parametrize("opset", opsets_of("Constant"))
def test_every_opset(opset):
    check_model(plus_constant(opset, value=numpy_helper.from_array(normal(1, 3))))


@pytest.mark.parametrize("attributes", [{"value_float": 1.5}, {"value_floats": [1.0, -2.0, 0.5]}])
def test_values_of_numbers(attributes):
    check_model(plus_constant(**attributes))


def test_integers_as_a_shape():
    nodes = [node("Constant", [], "s", value_ints=[-1, 6]), node("Reshape", "x s", "y")]
    check_model(graph_model(nodes, (2, 3)))


@pytest.mark.parametrize("stored", ["raw_data", "float_data"])
def test_both_ways_to_store_numbers(stored):
    values = normal(1, 3)
    tensor = numpy_helper.from_array(values)
    if stored == "float_data":
        tensor = onnx.helper.make_tensor("c", onnx.TensorProto.FLOAT, [3], values.tolist())
    assert tensor.HasField("raw_data") == (stored == "raw_data")
    check_model(plus_constant(value=tensor))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_refuses_numbers_that_are_not_finite(bad):
    value = numpy_helper.from_array(np.array([1.0, bad, 0.0], np.float32))
    problem = refusal(plus_constant(value=value))
    assert (problem.op, problem.node) == ("Add", "add_y")
    assert "NaN or infinite" in problem.reason


def test_refuses_text():
    problem = refusal(plus_constant(value_string="one"))
    assert problem.op == "Add"
    assert "number" in problem.reason
