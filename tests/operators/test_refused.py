"""Operators without a converter: each is refused with a reason of its kind."""

import numpy as np
import pytest
from onnx import defs

from onnx_lippa.errors import UnsupportedModelError
from onnx_lippa.onnx_io.operators.registry import converters, refusals, why_refused
from tests.support.graphs import graph_model, load_model, newest_opset, node, normal
from tests.support.layers import check_model, refusal

REFUSED = {op for ops in refusals().values() for op in ops}
STANDARD = {schema.name for schema in defs.get_all_schemas() if schema.domain == ""}


def test_they_exist_and_have_no_converter():
    assert REFUSED <= STANDARD
    assert not REFUSED & set(converters())


def test_every_reason_says_what_to_do():
    for op in (*REFUSED, "NoSuchOperator"):
        assert "export" in why_refused(op) or "write" in why_refused(op)
        assert why_refused(op)[0].islower()
        assert not why_refused(op).endswith(".")


@pytest.mark.parametrize(
    ("op", "says"),
    [
        ("Elu", "a curve"),
        ("Selu", "a curve"),
        ("Softplus", "a curve"),
        ("Tanh", "a curve"),
        ("Erf", "a curve"),
        ("Gelu", "a curve"),
        ("Exp", "a curve"),
        ("HardSwish", "quadratic"),
        ("ThresholdedRelu", "jumps"),
        ("Sign", "jumps"),
        ("Floor", "jumps"),
        ("Round", "jumps"),
    ],
)
def test_elementwise_functions(op, says):
    problem = refusal(graph_model([node(op, "x", "y")], (3,), opset=min(22, newest_opset())))
    assert (problem.op, says in problem.reason) == (op, True)


def test_normalisations():
    nodes = [node("LayerNormalization", "x s b", "y")]
    problem = refusal(graph_model(nodes, (3,), {"s": normal(1, 3), "b": normal(2, 3)}))
    assert "BatchNormalization" in problem.reason


def test_sums_of_squares():
    nodes = [node("ReduceSumSquare", "x", "y", axes=[1])]
    assert "multiplies computed tensors" in refusal(graph_model(nodes, (3,))).reason
    nodes = [node("ReduceL2", "x", "y", axes=[1])]
    assert "roots" in refusal(graph_model(nodes, (3,))).reason


def problems_of(model):
    with pytest.raises(UnsupportedModelError) as caught:
        load_model(model)
    return {problem.op: problem.reason for problem in caught.value.problems}


def test_quantised_models():
    constants = {"s": np.float32(0.1), "z": np.uint8(128), "w": np.ones((3, 2), np.int8),
                 "sw": np.float32(0.5), "zw": np.int8(0), "so": np.float32(0.2)}  # fmt: skip
    nodes = [
        node("QuantizeLinear", "x s z", "q"),
        node("QLinearMatMul", "q s z w sw zw so z", "p"),
        node("DequantizeLinear", "p so z", "y"),
    ]
    found = problems_of(graph_model(nodes, (3,), constants))
    assert set(found) == {"QuantizeLinear", "QLinearMatMul", "DequantizeLinear"}
    assert all("export the float model" in reason for reason in found.values())


def test_quantised_weights_are_constants():
    constants = {"s": np.float32(0.5), "z": np.int8(1), "w": np.ones((2, 1, 2, 2), np.int8)}
    nodes = [
        node("DequantizeLinear", "w s z", "v"),
        node("Conv", "x v", "c"),
        node("Flatten", "c", "y"),
    ]
    assert check_model(graph_model(nodes, (1, 3, 3), constants)).parameters == 8


def test_dynamic_quantisation():
    constants = {"w": np.ones((3, 2), np.int8), "zw": np.int8(0)}
    nodes = [
        node("DynamicQuantizeLinear", "x", "q s z"),
        node("MatMulInteger", "q w z zw", "i"),
        node("Cast", "i", "y", to=1),
    ]
    found = problems_of(graph_model(nodes, (3,), constants))
    assert set(found) == {"DynamicQuantizeLinear", "MatMulInteger"}
    assert all("quantised and rounds to whole numbers" in reason for reason in found.values())


def test_recurrence():
    constants = {"w": normal(1, 1, 8, 3), "r": normal(2, 1, 8, 2)}
    nodes = [node("LSTM", "x w r", "y", hidden_size=2)]
    problem = refusal(graph_model(nodes, (2, 3), constants, batch=1))
    assert "gates" in problem.reason


def test_newer_forms_come_before_reasons():
    """An operator that is refused only in this opset is said to be supported in a newer one."""
    assert "opset 7" in refusal(graph_model([node("PRelu", "x s", "y")], (3,),
                                            {"s": normal(1, 3)}, opset=6)).reason  # fmt: skip
