"""docs/operators.md says what the registry holds."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from onnx_lippa.onnx_io.operators.registry import converters, refusals
from tests.support.paths import ROOT

TABLE = (ROOT / "docs" / "operators.md").read_text(encoding="utf-8")


def test_it_is_up_to_date():
    command = [sys.executable, ROOT / "tools" / "operators_table.py", "--check"]
    ended = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize("op", [*converters(), *sum(refusals().values(), ())])
def test_every_operator_is_in_it(op):
    assert f"`{op}`" in TABLE


@pytest.mark.parametrize(
    ("kind", "ops"),
    [
        ("affine", ["Add", "Conv", "Gemm", "Reshape", "ReduceSum", "ReduceMean", "Mean", "Sub"]),
        ("piecewise", ["Relu", "Clip", "HardSigmoid", "Max", "ReduceMax", "ReduceMin", "ReduceL1",
                       "Abs", "PRelu"]),
        ("affine; piecewise by a truth", ["Mul", "Where"]),
        ("truth", ["Greater", "LessOrEqual", "Not"]),
        ("last step", ["Softmax", "LogSoftmax", "Sigmoid"]),
    ],
)  # fmt: skip
def test_kinds(kind, ops):
    for op in ops:
        rows = [line for line in TABLE.splitlines() if line.startswith(f"| `{op}` |")]
        assert rows
        assert {row.split("|")[3].strip() for row in rows} == {kind}, op
