"""The pytest plugin: ``assert_robust`` in tests of other projects."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points
from inspect import signature

import pytest

import onnx_lippa
from onnx_lippa.pytest_plugin import RobustnessFixture
from onnx_lippa.runs.replay import replay
from tests.support.attacks import DIGITS, DIGITS_DATA
from tests.support.paths import ROOT

pytest_plugins = ("pytester",)
PLUGIN = "onnx_lippa.pytest_plugin"


def run(pytester: pytest.Pytester, body: str) -> pytest.RunResult:
    """Runs a test that has the body."""
    indented = "\n".join(f"    {line}" for line in body.splitlines())
    pytester.makepyfile(
        "import numpy as np\nfrom onnx_lippa import DataOptions\n"
        "SIX = {'data_options': DataOptions(first=6)}\n"
        f"MODEL, DATA = {str(DIGITS)!r}, {str(DIGITS_DATA)!r}\n"
        f"def test_model(onnx_lippa):\n{indented}\n"
    )
    installed = {entry.value for entry in entry_points(group="pytest11")}
    loaded = [] if PLUGIN in installed else ["-p", PLUGIN]
    return pytester.runpytest(*loaded, "-p", "no:cacheprovider", "-p", "no:randomly")


def test_it_is_registered():
    written = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert written["project"]["entry-points"]["pytest11"] == {"onnx_lippa": PLUGIN}


def test_it_takes_what_audit_takes():
    wanted = signature(onnx_lippa.audit).parameters
    given = signature(RobustnessFixture.assert_robust).parameters
    assert set(wanted) - set(given) == {"x", "y", "on_event"}
    for name in set(wanted) & set(given) - {"data_options"}:
        assert given[name].default == wanted[name].default, name


def test_a_robust_model_passes(pytester):
    body = """results = onnx_lippa.assert_robust(MODEL, DATA, eps=0.05, at_most=0.4, **SIX)
assert results.robust_error == (1 / 3, 1 / 3)
with np.load(DATA) as data:
    x, y = data["x"][:6], data["y"][:6]
onnx_lippa.assert_robust(MODEL, (x, y), eps=0.05, at_most=1 / 3)
onnx_lippa.assert_robust(MODEL, x, eps=0.001)
onnx_lippa.assert_robust(MODEL, (x[:3], y[:3]), eps=0.05, at_most=np.float64(0.4), proven=False)"""
    run(pytester, body).assert_outcomes(passed=1)


def test_a_failure_says_which_inputs_how_near_and_where_the_witness_is(pytester):
    result = run(pytester, "onnx_lippa.assert_robust(MODEL, DATA, eps=0.05, at_most=0.1, **SIX)")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            ">*assert_robust(MODEL, DATA, eps=0.05, at_most=0.1, **SIX)",
            "E*AssertionError: digits_mlp.onnx: robust_error is 33.33%, over 10.00% by 23.33 perc*",
            "E*2 of 6 inputs are broken, the nearest first:",
            "E*input ?: adversarial: class ? becomes ? at distance 0.0*, found by *, replayed",
            "E*witnesses: *adversarials.npz",
            "E*check them: onnx-lippa replay *",
        ]
    )
    text = result.stdout.str()
    assert "pytest_plugin.py" not in text, "our own frames are hidden"
    found = re.search(r"onnx-lippa replay (.+)", text)
    assert found is not None
    assert replay(found[1].strip()).adversarial == 2


def test_unknown_inputs_count_where_a_proof_is_wanted(pytester):
    body = """onnx_lippa.assert_robust(MODEL, DATA, eps=0.01, at_most=0.5, **SIX, proven=False)
onnx_lippa.assert_robust(MODEL, DATA, eps=0.05, at_most=0.1, **SIX, budget=1e-9)"""
    result = run(pytester, body)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E*are unknown, which proves nothing; the first:"])


def test_a_wrong_argument_is_an_error_with_a_sentence(pytester):
    result = run(pytester, "onnx_lippa.assert_robust(MODEL, 'none.npz', eps=0.05)")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E*InputError: *none.npz*"])


def test_it_costs_nothing_where_it_is_not_used():
    script = (
        f"import sys, {PLUGIN}\n"
        "print([m for m in ('numpy', 'scipy', 'onnx', 'onnxruntime', 'ortools') "
        "if m in sys.modules])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT,
        env=os.environ,
    )  # fmt: skip
    assert ended.stdout.strip() == "[]"
