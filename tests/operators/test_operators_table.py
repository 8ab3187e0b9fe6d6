"""docs/operators.md says what the registry holds."""

import pytest

from onnx_lippa.onnx_io.operators.registry import converter_for, refused_ops, supported_ops
from tools.operators_table import TARGET, kind_of, text


def test_it_is_up_to_date():
    assert TARGET.read_text(encoding="utf-8") == text(), "run python tools/operators_table.py"


@pytest.mark.parametrize("op", [*supported_ops(), *refused_ops()])
def test_every_operator_is_in_it(op):
    assert f"`{op}`" in text()


@pytest.mark.parametrize(
    ("kind", "ops"),
    [
        ("affine", ["Add", "Conv", "Gemm", "Reshape", "ReduceSum", "ReduceMean", "Mean", "Sub"]),
        ("piecewise", ["Relu", "Clip", "HardSigmoid", "Max", "ReduceMax", "ReduceMin", "ReduceL1",
                       "Abs", "PRelu", "Where"]),
        ("truth", ["Greater", "LessOrEqual", "Not"]),
        ("last step", ["Softmax", "LogSoftmax", "Sigmoid"]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("opset", [7, 17, 22])
def test_kinds(kind, ops, opset):
    for op in ops:
        converter = converter_for(op, opset)
        assert converter is None or kind_of(converter) == kind, op
