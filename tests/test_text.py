"""What others wrote, made printable and short."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onnx_lippa.errors import InputError, ModelError, NodeProblem, UnsupportedModelError
from onnx_lippa.text import LONGEST, listed, printable, printable_lines

HOSTILE = "\x1b[2J\x1b]0;title\x07\x9b31m\r\nerror: fake\u202e\u2028\udc80\x00"


@given(st.text())
def test_nothing_that_steers_a_terminal_is_left(text):
    assert printable(text).isprintable()


def test_text_that_is_printable_stays_as_it_is():
    for text in ("", "conv1/Relu:0", "ℓ∞ within 0.1", "модель/слой 3", "a\\b 'c'"):
        assert printable(text) == text


def test_hostile_text_is_written_out():
    assert printable(HOSTILE).startswith(r"\x1b[2J\x1b]0;title\x07\x9b31m\r\nerror: fake\u202e")


@pytest.mark.parametrize("piece", ["A", "ab ", "\x1b"])
def test_ten_megabytes_become_a_line(piece):
    shown = printable("name " + piece * 10_000_000 + " is wrong")
    assert len(shown) <= 4 * LONGEST  # a character is at most four or six where it is written out
    assert shown.startswith("name ")
    assert shown.endswith(" is wrong")
    assert "…" in shown


def test_lines_of_our_own_stay_lines_and_are_not_many():
    assert printable_lines("a\nb\x1b") == "a\nb\\x1b"
    assert printable_lines("\n".join("x" * 100_000)).count("\n") < 100


def test_lists_of_names_are_short():
    assert listed(["a", "b\x1b"]) == r"'a', 'b\x1b'"
    assert listed([]) == "none"
    assert listed([str(i) for i in range(10_000)]).endswith("and 9,990 more")


@pytest.mark.parametrize("kind", [InputError, ModelError])
def test_every_error_is_one_printable_line(kind):
    error = kind(f"the model {HOSTILE} is wrong")
    assert str(error).isprintable()
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_unsupported_nodes_are_listed_a_line_each_up_to_a_limit():
    problems = tuple(NodeProblem(f"n{i}{HOSTILE}", "Tanh\n", "a\nb") for i in range(100_000))
    error = UnsupportedModelError(problems)
    lines = str(error).split("\n")
    assert len(lines) < 50
    assert all(line.isprintable() for line in lines)
    assert lines[-1] == "  ... and 99,960 more"
    assert pickle.loads(pickle.dumps(UnsupportedModelError(problems[:2]))).problems == problems[:2]
