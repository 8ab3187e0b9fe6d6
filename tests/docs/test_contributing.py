"""The commands and the code of CONTRIBUTING.md: CI runs each session, the shortest runs here."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys

import pytest

from tests.support.paths import ROOT

TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^\| .*\| `((?:pytest|nox|bash)\b[^`]*)` \|$", TEXT, flags=re.MULTILINE)


def test_the_commands_are_found():
    assert len(COMMANDS) >= 10
    assert {line.split()[0] for line in COMMANDS} == {"pytest", "nox", "bash"}


@pytest.mark.parametrize("line", [line for line in COMMANDS if " -s " in line])
def test_ci_runs_the_session(line):
    name = shlex.split(line)[-1]
    run = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    called = re.findall(r"--session ((?:\w+ ?)+)", run)
    assert name in " ".join(called).split()
    assert f"\ndef {name}(" in (ROOT / "noxfile.py").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_one_test_runs():
    (line,) = (line for line in COMMANDS if "-n 0" in line)
    ended = subprocess.run(
        [sys.executable, "-m", *shlex.split(line)], cwd=ROOT, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_ci_runs_the_set_up():
    (block,) = re.findall(r"^```sh\n(.*?)^```", TEXT, flags=re.MULTILINE | re.DOTALL)
    run = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    for part in block.strip().split(" && "):
        if part.startswith("pip install"):
            assert part.replace("install", "install --quiet") in run, part
        elif not part.startswith("pre-commit"):
            assert part.replace(".venv", "").split()[0] in run, part


@pytest.mark.slow
def test_the_hooks_are_installed(tmp_path):
    """The last command of the set-up."""
    shutil.copy(ROOT / ".pre-commit-config.yaml", tmp_path)
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    ended = subprocess.run(
        [sys.executable, "-m", "pre_commit", "install"], cwd=tmp_path, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert (tmp_path / ".git" / "hooks" / "pre-commit").exists()


@pytest.mark.parametrize(
    ("place", "file"),
    [(0, "onnx_lippa/onnx_io/operators/activation.py"), (1, "tests/operators/test_shrink.py")],
)
def test_the_code_of_the_example_is_that_of_the_file(place, file):
    """Line by line and in order; ``...`` stands for what is left out."""
    block = re.findall(r"^ +```python\n(.*?)^ +```", TEXT, flags=re.MULTILINE | re.DOTALL)[place]
    source = "".join((ROOT / file).read_text(encoding="utf-8").split()).replace(",)", ")")
    place = 0
    for part in "".join(block.split()).split("..."):
        found = source.find(part, place)
        assert found >= 0, part
        place = found + len(part)
