"""The commands in the table of CONTRIBUTING.md: CI runs each session, the shortest runs here."""

from __future__ import annotations

import re
import shlex
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


def test_the_one_test_runs():
    (line,) = (line for line in COMMANDS if "-n 0" in line)
    ended = subprocess.run(
        [sys.executable, "-m", *shlex.split(line)], cwd=ROOT, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr
