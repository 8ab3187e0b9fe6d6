"""Lists of instances: no instance ends the list, and no answer is lost."""

from __future__ import annotations

import os

import pytest

from onnx_lippa.errors import InputError
from onnx_lippa.runs.pools import WorkerChoice
from onnx_lippa.runs.properties import instances as instances_module
from onnx_lippa.runs.properties.answering import answer_list
from onnx_lippa.runs.properties.decider import Decider
from onnx_lippa.runs.properties.instances import Instance, read_instances
from onnx_lippa.state import Budget
from tests.support.faults import FaultyMethod
from tests.support.graphs import graph_model, node, saved

DECLARED = "".join(f"(declare-const {v} Real)\n" for v in ("X_0", "X_1", "Y_0", "Y_1"))
BOX = "".join(f"(assert (>= X_{i} 0.1))\n(assert (<= X_{i} 0.9))\n" for i in (0, 1))


@pytest.fixture
def folder(tmp_path):
    """A model and a property that any input meets, in a folder."""
    saved(graph_model([node("Relu", "x", "y")], (2,)), tmp_path, "m.onnx")
    (tmp_path / "sat.vnnlib").write_text(DECLARED + BOX + "(assert (>= Y_0 0.2))\n")
    return tmp_path


def answered(folder, method, *seconds):
    asked = [Instance("m.onnx", "sat.vnnlib", limit) for limit in seconds]
    found = list(answer_list(asked, folder, Decider(method, None, Budget()), WorkerChoice(2), None))
    return sorted(found, key=lambda result: result.instance.timeout)


@pytest.mark.parametrize(
    ("fault", "said"),
    [("raise", "internal error (ValueError: argmax of an empty sequence)"),
     ("segfault", "answering: its process was ended by SIGSEGV"),
     pytest.param("memory", "memory", marks=pytest.mark.slow),
     pytest.param("kill", "SIGKILL (perhaps because memory ran out)", marks=pytest.mark.slow)],
)  # fmt: skip
def test_an_instance_that_fails_is_an_error_line(folder, fault, said):
    """Time limits tell the instances apart: a fault shows where there is one below 1e6 seconds."""
    one, other = answered(folder, FaultyMethod(fault=fault), 30.0, 1e9)
    assert one.answer == "error"
    assert said in one.note
    assert other.answer == "sat"


@pytest.mark.slow
def test_an_instance_without_end_is_stopped(folder):
    one, other = answered(folder, FaultyMethod(fault="hold"), 0.5, 1e9)
    assert one.answer == "timeout"
    assert "did not end in time" in one.note
    assert other.answer == "sat"


def test_lists_that_cannot_be_read(tmp_path, monkeypatch):
    path = tmp_path / "list.csv"
    path.write_text("m.onnx,p.vnnlib,5\n" + "m" * 10_000_000 + ",p.vnnlib,5\n")
    with pytest.raises(InputError, match=r"line 2: .*an entry of more than 131,072 characters"):
        read_instances(path)
    monkeypatch.setattr(instances_module, "_MOST_BYTES", 1000)
    with pytest.raises(InputError, match=r"have 10,000,\d+ bytes, and at most 1,000 are read"):
        read_instances(path)
    path.unlink()
    if hasattr(os, "mkfifo"):
        os.mkfifo(path)
        with pytest.raises(InputError, match="not a regular file"):
            read_instances(path)
