"""Every operator has its tests, and the registry picks the converter of the opset."""

import re
from pathlib import Path

import pytest

from onnx_lippa.onnx_io.operators.registry import converter_for, converters


@pytest.mark.parametrize("op", converters())
def test_every_operator_is_tested(op):
    op = op.rpartition(".")[2]  # without its domain
    sources = [path.read_text() for path in Path(__file__).parent.glob("test_*.py")]
    assert any(
        re.search(rf'\b(?:one_op|node|opsets_of)\(\s*"{op}"', text) for text in sources
    ) or any(f'"{op}": ' in text for text in sources)


def test_operators_are_sorted_and_unique():
    assert list(converters()) == sorted(set(converters()))


def test_a_converter_serves_from_its_opset_on():
    assert converter_for("Gemm", 6) is None
    assert converter_for("Gemm", 7) is converter_for("Gemm", 22)


def test_unknown_operators_have_no_converter():
    assert converter_for("NoSuchOperator", 17) is None
