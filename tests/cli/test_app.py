"""The entry point itself: help, version, and words that are no command."""

from __future__ import annotations

import subprocess
import sys

import pytest

import onnx_lippa
from onnx_lippa.cli.app import COMMANDS
from onnx_lippa.errors import FalseClaimError
from tests.support.attacks import DIGITS
from tests.support.commands import command, opened, spawned


@pytest.mark.parametrize("one", COMMANDS, ids=lambda one: one.name)
def test_the_list_says_what_the_command_says(one):
    """Commands are listed without being imported: their sentences must not drift apart."""
    paragraph = (one.function().__doc__ or "").split("\n\n")[0]
    assert one.help == " ".join(paragraph.split())
    assert one.function().__name__ == one.name


def test_help_lists_every_command():
    ended = command("--help")
    assert ended.code == 0
    for one in COMMANDS:
        assert one.name in ended.out


@pytest.mark.parametrize("one", COMMANDS, ids=lambda one: one.name)
def test_every_command_has_help(one):
    ended = command(one.name, "--help")
    assert ended.code == 0
    assert one.name in ended.out
    assert "--help" in ended.out


def test_version():
    ended = command("--version")
    assert (ended.code, ended.out) == (0, f"onnx-lippa {onnx_lippa.__version__}\n")


def test_module_is_the_command():
    ended = subprocess.run(
        [sys.executable, "-m", "onnx_lippa", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout == f"onnx-lippa {onnx_lippa.__version__}\n"


@pytest.mark.parametrize("word", ["atack", "--atack", ""])
def test_no_such_command(word):
    ended = command(word)
    assert ended.code == 2
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [(KeyError("x"), 70, "internal error (KeyError: 'x'): please report it"),
     (RecursionError("too deep"), 70, "RecursionError: too deep"),
     (MemoryError(), 71, "memory is used up"),
     (FalseClaimError("it is false"), 1, "it is false")],
)  # fmt: skip
def test_every_end_has_a_sentence_and_a_code(monkeypatch, error, code, said):
    """1 is a false claim and nothing else; a crash of ours is no traceback."""

    def failing(**_):
        raise error

    monkeypatch.setattr("onnx_lippa.cli.commands.replay.replay_run", lambda *_, **__: failing())
    ended = command("replay", "somewhere")
    assert ended.code == code
    assert ended.said.startswith("error: ")
    assert said in ended.said
    assert "Traceback" not in ended.err
    monkeypatch.setenv("ONNX_LIPPA_DEBUG", "1")
    assert ("Traceback" in command("replay", "somewhere").err) == (code == 70)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX pipes")
def test_output_that_nobody_reads():
    """``onnx-lippa inspect ... | head -1`` is no false claim."""
    process = spawned("inspect", DIGITS)
    opened(process.stdout).close()
    assert process.wait(30) == 141
    assert "Traceback" not in opened(process.stderr).read()
    opened(process.stderr).close()
