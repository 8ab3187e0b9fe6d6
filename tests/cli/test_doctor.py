"""``onnx-lippa doctor``: what works is tried, and what does not is said."""

from __future__ import annotations

import json

import onnx_lippa
from onnx_lippa.api import doctor as module
from tests.support.commands import command


def test_everything_works_here():
    ended = command("doctor", "--json")
    found = json.loads(ended.out)
    assert (ended.code, ended.err, found["healthy"]) == (0, "", True)
    works = {one["name"]: one["works"] for one in found["findings"]}
    for name in ("solver glop", "solver clarabel", "solver scip", "worker processes", "self-test"):
        assert works[name]
    assert {"onnxruntime", "cores", "memory", "extra tables"} <= set(works)


def test_what_does_not_work_is_said(monkeypatch):
    def broken(name: str) -> str:
        raise ValueError(f"no {name} here")

    monkeypatch.setattr(module, "_solve", broken)
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    ended = command("doctor")
    assert ended.code == 71
    assert "FAILS   solver glop" in ended.out
    assert "no glop here" in ended.out
    assert "absent  solver gurobi" in ended.out
    assert "pip install 'onnx-lippa[tables]'" in ended.out
    assert ended.out.endswith("something does not work\n")
    assert not onnx_lippa.doctor().is_healthy
