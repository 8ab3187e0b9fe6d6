"""The first command: it needs no file, and the shell helps to type it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest

import onnx_lippa
from tests.support.commands import assert_refused, command, contents
from tests.support.paths import MODELS, ROOT


@pytest.mark.parametrize("name", ["attack", "certify", "audit"])
def test_the_example_needs_no_file(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    ended = command(name, "--example", "--first", "3", "--json")
    assert ended.code == 0, ended.err
    figures = json.loads(ended.out)
    assert (figures["eps"], figures["inputs"]) == (0.05, 3)
    assert contents(tmp_path) == {}


def test_the_options_of_a_run_hold_for_the_example(tmp_path):
    ended = command("audit", "--example", "--eps", "0.01,0.02", "--first", "3", "--out", tmp_path)
    assert ended.code == 0, ended.err
    assert command("replay", tmp_path).code == 0


def test_the_example_is_the_model_of_the_repository():
    path, x, y = onnx_lippa.load_example()
    stored = np.load(MODELS / "digits_mlp.npz")
    assert path.read_bytes() == (MODELS / "digits_mlp.onnx").read_bytes()
    np.testing.assert_array_equal(x, stored["x"])
    np.testing.assert_array_equal(y, stored["y"])
    assert sum(map(len, contents(path.parent).values())) < 200_000


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("attack", MODELS / "digits_mlp.onnx", "--example"), "MODEL and --example exclude"),
        (("certify", "--example", "--instances", "x.csv"), "--instances and --example exclude"),
        (("attack",), "or --example"),
    ],
)
def test_what_does_not_go_with_the_example(words, said):
    assert_refused(command(*words), 2, said)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("onnx-lippa cert", ["certify"]),
        ("onnx-lippa attack --ex", ["--example"]),
        ("onnx-lippa audit --budg", ["--budget"]),
        ("onnx-lippa certify --sol", ["--solver"]),
    ],
)
def test_bash_completes_commands_and_their_options(line, expected):
    words = line.split()
    asked = {
        "_ONNX_LIPPA_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
    }
    ended = subprocess.run(
        [sys.executable, "-m", "onnx_lippa"],
        env=os.environ | asked, cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert ended.stdout.split() == expected


def test_the_version_is_stated_once():
    version = f'"{onnx_lippa.__version__}"'
    pages = ["pyproject.toml", "CITATION.cff", "README.md", "CONTRIBUTING.md", "noxfile.py"]
    sources = [*(ROOT / "onnx_lippa").rglob("*.py"), *(ROOT / page for page in pages)]
    stating = [
        path.name
        for path in sources
        if version in path.read_text(encoding="utf-8")
        or f"version: {onnx_lippa.__version__}" in path.read_text(encoding="utf-8")
    ]
    assert stating == ["version.py"]
