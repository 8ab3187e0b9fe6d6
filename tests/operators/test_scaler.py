"""Scaler of the machine-learning domain."""

import onnx
import pytest

from onnx_lippa.errors import UnsupportedModelError
from tests.support.graphs import graph_model, load_model, node, normal
from tests.support.layers import check_model

DOMAIN = "ai.onnx.ml"


def scaled(offset, scale):
    nodes = [
        node("Scaler", "x", "s", domain=DOMAIN, offset=offset, scale=scale),
        node("Relu", "s", "r"),
        node("MatMul", "r w", "y"),
    ]
    model = graph_model(nodes, (3,), {"w": normal(1, 3, 2)})
    model.opset_import.append(onnx.helper.make_opsetid(DOMAIN, 1))
    return model


@pytest.mark.parametrize(
    ("offset", "scale"), [([0.3], [2.0]), ([0.1, -0.2, 0.3], [0.5, -1.0, 3.0])]
)
def test_offset_and_scale(offset, scale):
    check_model(scaled(offset, scale))


def test_numbers_that_do_not_fit():
    with pytest.raises(UnsupportedModelError, match="offset of 2 numbers does not fit"):
        load_model(scaled([0.1, 0.2], [1.0]))


def test_other_operators_of_the_domain_are_refused():
    model = scaled([0.0], [1.0])
    model.graph.node[0].op_type = "Normalizer"
    with pytest.raises(UnsupportedModelError, match="outside the standard ONNX domain"):
        load_model(model)
