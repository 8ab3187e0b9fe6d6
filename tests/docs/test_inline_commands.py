"""Commands within lines and in the cells of tables: each is run, or a comment says why not.

Those of ``onnx-lippa`` run behind the blocks of their page (``test_documentation.py``).
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import warnings
from importlib.util import find_spec

import numpy as np
import pytest

import onnx_lippa
from onnx_lippa.cli import app
from tests.support.commands import command
from tests.support.documentation import (
    ELSEWHERE,
    PAGES,
    inline_commands,
    is_reference,
    read_page,
    spans,
)
from tests.support.paths import ROOT

EXPORTS = {
    "torch.onnx.export": ("torch", "onnx", "onnxscript"),
    "skl2onnx": ("sklearn", "skl2onnx"),
    "model.export": ("keras",),
    "jax2onnx": ("jax2onnx",),
}
"""Lines of Python in tables, and what they need."""
NOT_IN_CI = ("keras", "jax2onnx")
ALL = [(page, line) for page in [*PAGES, "CONTRIBUTING.md"] for line in inline_commands(page)]
MARKER = re.compile(r"<!-- not run in CI: .{20,}? -->", flags=re.DOTALL)


def export_lines(page: str) -> list[str]:
    return [one for one in spans(page) if one.startswith(tuple(EXPORTS)) and one.endswith(")")]


def needs(line: str) -> tuple[str, ...]:
    return next(packages for start, packages in EXPORTS.items() if line.startswith(start))


def test_they_are_found():
    assert len(ALL) > 50
    assert {page for page, _ in ALL} >= {"README.md", "CONTRIBUTING.md", "docs/performance.md"}
    assert len(export_lines("README.md")) == 5


@pytest.mark.parametrize("line", sorted({line for _, line in ALL}))
def test_each_is_known(line):
    if any(re.search(known, line) for known in ELSEWHERE):
        return
    program, name, *words = line.split()
    assert program == "onnx-lippa", f"nothing runs it: {line}"
    assert name in {one.name for one in app.COMMANDS}
    if is_reference(line):
        shown = command(name, "--help").out
        assert all(f"{word} " in shown for word in words)


@pytest.mark.parametrize("page", PAGES)
def test_a_comment_says_why_a_line_is_not_run(page):
    text = read_page(page)
    left_out = [line for line in export_lines(page) if needs(line)[0] in NOT_IN_CI]
    left_out += [one for one in inline_commands(page) if one.startswith("python -m tools.bench")]
    for line in left_out:
        first = text.index(line.split()[0] + " " + line.split()[1])
        assert MARKER.search(text[:first]), f"{page}: {line}"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "line"), [(page, line) for page in PAGES for line in export_lines(page)]
)
def test_an_export_is_read(tmp_path, monkeypatch, page, line):
    missing = [package for package in needs(line) if find_spec(package) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")
    monkeypatch.chdir(tmp_path)
    warnings.simplefilter("ignore")
    names: dict[str, object] = {"x": np.random.default_rng(0).random((40, 784))}
    if "torch" in line:
        import torch

        layers = (
            torch.nn.Flatten(),
            torch.nn.Linear(784, 8),
            torch.nn.ReLU(),
            torch.nn.Linear(8, 10),
        )
        names |= {"torch": torch, "model": torch.nn.Sequential(*layers)}
    else:
        import skl2onnx
        from sklearn.neural_network import MLPClassifier

        mlp = MLPClassifier((8,), max_iter=5).fit(names["x"], np.arange(40) % 10)
        names |= {"skl2onnx": skl2onnx, "mlp": mlp}
    written = eval(line, names)
    if not (tmp_path / "model.onnx").exists():
        (tmp_path / "model.onnx").write_bytes(written.SerializeToString())
    assert onnx_lippa.load("model.onnx").network.output_size == 10


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="bash")
def test_completion_is_installed(tmp_path):
    line = f"{shlex.quote(sys.executable)} -m onnx_lippa --install-completion; exit $?"
    ended = subprocess.run(
        ["bash", "-c", line], env=os.environ | {"HOME": str(tmp_path), "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended
    assert "bash completion installed" in ended.stdout
    assert ".bash_completions" in (tmp_path / ".bashrc").read_text()


PARSE = """
import argparse, contextlib, importlib, io, json, shlex, sys
from tools.bench.__main__ import TABLES
for line in json.load(sys.stdin):
    words = line.replace("[", "").replace("]", "").replace(" E", " 0.1").replace(" M", " 1").split()
    assert words[3] in TABLES, line
    try:
        module = importlib.import_module("tools.bench." + words[3])
    except ImportError:
        continue  # of a table that needs PyTorch
    parser = argparse.ArgumentParser()
    module.add_arguments(parser)
    known = {name for action in parser._actions for name in action.option_strings}
    for word in words[4:]:
        assert not word.startswith("--") or word in known, line
"""


@pytest.mark.slow
def test_benchmarks_have_the_options_that_pages_state():
    lines = [line for _, line in ALL if line.startswith("python -m tools.bench ")]
    lines = [line for line in lines if "TABLE" not in line]
    assert len(lines) > 10
    ended = subprocess.run(
        [sys.executable, "-c", PARSE], cwd=ROOT, input=json.dumps(lines), capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
