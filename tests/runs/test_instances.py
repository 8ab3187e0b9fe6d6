"""Lists of instances: no instance ends the list, and no answer is lost."""

from __future__ import annotations

import pytest

from onnx_lippa.runs import Instance, answers
from tests.graphs import graph_model, node, saved
from tests.runs.faults import FaultySettings

DECLARED = "".join(f"(declare-const {v} Real)\n" for v in ("X_0", "X_1", "Y_0", "Y_1"))
BOX = "".join(f"(assert (>= X_{i} 0.1))\n(assert (<= X_{i} 0.9))\n" for i in (0, 1))


@pytest.fixture
def folder(tmp_path):
    """A model and a property that any input meets, in a folder."""
    saved(graph_model([node("Relu", "x", "y")], (2,)), tmp_path, "m.onnx")
    (tmp_path / "sat.vnnlib").write_text(DECLARED + BOX + "(assert (>= Y_0 0.2))\n")
    return tmp_path


def answered(folder, settings, *seconds):
    asked = [Instance("m.onnx", "sat.vnnlib", limit) for limit in seconds]
    found = list(answers(asked, folder, settings, None, 2))
    return sorted(found, key=lambda result: result.instance.timeout)


@pytest.mark.parametrize(
    ("fault", "said"),
    [("raise", "internal error (ValueError: argmax of an empty sequence)"),
     ("segfault", "answering: its process was ended by SIGSEGV"),
     pytest.param("memory", "memory", marks=pytest.mark.slow),
     pytest.param("kill", "SIGKILL (perhaps since memory ran out)", marks=pytest.mark.slow)],
)  # fmt: skip
def test_an_instance_that_fails_is_an_error_line(folder, fault, said):
    """Time limits tell the instances apart: a fault shows where there is one below 1e6 seconds."""
    one, other = answered(folder, FaultySettings(fault=fault), 30.0, 1e9)
    assert one.answer == "error"
    assert said in one.note
    assert other.answer == "sat"


def test_an_instance_without_end_is_stopped(folder):
    one, other = answered(folder, FaultySettings(fault="hold"), 0.5, 1e9)
    assert one.answer == "timeout"
    assert "did not end in time" in one.note
    assert other.answer == "sat"
