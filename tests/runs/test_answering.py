"""The answer to one property: its folder, its events, and what an interrupt leaves."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from onnx_lippa import (
    Answer,
    Finding,
    InputError,
    InterruptedSearch,
    Property,
    falsify,
    replay,
    verify,
)
from onnx_lippa.runs.properties.decider import Decider
from tests.support.commands import command
from tests.support.graphs import graph_model, node, saved
from tests.support.vnnlib import SAT, UNSAT

FEW = {"restarts": 0, "lp_steps": 0, "gradient_steps": 5}
CASES = UNSAT + "(assert (or (>= X_0 0.5) (<= X_0 0.4) (>= X_1 0.2)))\n"


@pytest.fixture
def model(tmp_path):
    """The network ``relu(x)``."""
    return saved(graph_model([node("Relu", "x", "y")], (2,)), tmp_path, "net.onnx")


@pytest.fixture
def spec(tmp_path):
    def write(text):
        path = tmp_path / "p.vnnlib"
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize("ways", ["python", "command", "both"])
def test_a_folder_answers_again_and_replays(model, spec, tmp_path, monkeypatch, ways):
    """Python and the command line write the same folder, in which the answer is found again."""
    path, out = spec(SAT), tmp_path / "out"

    def ask(way):
        if way == "python":
            return falsify(model, path, timeout=20, out=out, **FEW)
        words = ("--restarts", 0, "--lp-steps", 0, "--gradient-steps", 5, "--timeout", 20)
        ended = command("attack", model, "--property", path, *words, "--out", out, "--json")
        assert ended.code == 0, ended.err
        return json.loads(ended.out)

    first, again = {"both": ("python", "command")}.get(ways, (ways, ways))
    one = ask(first)
    monkeypatch.setattr(Decider, "decide", None)
    two = ask(again)
    x = [found["inputs"] if isinstance(found, dict) else found.x.tolist() for found in (one, two)]
    assert x[0] == x[1]
    assert x[0][0] >= 0.7
    confirmed = replay(out)
    assert (confirmed.adversarial, confirmed.is_finished) == (1, True)


def test_a_folder_of_another_question_is_refused(model, spec, tmp_path):
    out = tmp_path / "out"
    assert verify(model, spec(UNSAT), out=out).answer is Answer.UNSAT
    other = tmp_path / "q.vnnlib"
    other.write_text(SAT)
    with pytest.raises(InputError, match="other instances: give another --out"):
        verify(model, other, out=out)
    assert replay(out).robust == 1


def test_an_answer_in_a_folder_is_what_was_found(model, spec, tmp_path):
    out = tmp_path / "out"
    first, again = (falsify(model, spec(SAT), out=out, **FEW) for _ in range(2))
    assert again.answer is first.answer is Answer.SAT
    np.testing.assert_array_equal(again.x, first.x)
    np.testing.assert_array_equal(again.outputs, first.outputs)
    assert again.x is not None
    assert again.x.dtype == np.float32
    assert again.found_by is first.found_by


def test_a_folder_needs_the_property_as_a_file(model, spec, tmp_path):
    built = Property.from_vnnlib(spec(SAT))
    with pytest.raises(InputError, match="give the path of its file"):
        verify(model, built, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_listeners_hear_what_is_proven_and_the_answer_at_the_end(model, spec):
    heard: list[Any] = []
    found = verify(model, spec(CASES), on_event=heard.append)
    assert found.answer is Answer.UNSAT
    first, *heard, result, ended = heard
    assert (first.instances, first.known) == (1, ())
    assert (result.answer, list(ended.answers)) == ("unsat", [result])
    assert heard[-1] is found
    assert found.proven_cases == found.cases == 3
    assert [one.proven_cases for one in heard if one.answer is Answer.UNKNOWN][-3:] == [1, 2, 3]
    efforts = [one.effort.seconds for one in heard]
    assert efforts == sorted(efforts)


def test_an_interrupt_keeps_what_is_known(model, spec, tmp_path):
    def stop(event):
        if isinstance(event, Finding) and event.proven_cases == 2:
            raise KeyboardInterrupt

    with pytest.raises(InterruptedSearch) as caught:
        verify(model, spec(CASES), on_event=stop, out=tmp_path / "out")
    known = caught.value.finding
    assert (known.answer, known.proven_cases, known.cases) == (Answer.UNKNOWN, 2, 3)
    assert known.bound == -math.inf  # one case is open
    result = caught.value.result
    assert (result.answer, result.note, result.proven_cases) == ("unknown", "it was interrupted", 2)
    assert not replay(tmp_path / "out").is_finished
    assert verify(model, spec(CASES), out=tmp_path / "out").answer is Answer.UNSAT
