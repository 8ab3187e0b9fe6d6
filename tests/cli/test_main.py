"""The entry point itself: help, version, and words that are no command."""

from __future__ import annotations

import subprocess
import sys

import pytest

import onnx_lippa
from onnx_lippa.cli.main import COMMANDS
from tests.cli.command import command


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
