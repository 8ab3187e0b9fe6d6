"""Events, JSON and interrupts of commands that answer properties."""

from __future__ import annotations

import json
import os
import signal
import sys
import time

import junitparser
import pytest

import onnx_lippa
from onnx_lippa.cli.output import progress
from onnx_lippa.cli.output.answer_progress import AnswerProgress
from onnx_lippa.runs.properties.instances import Instance, InstanceResult
from tests.support.attacks import mlp_file
from tests.support.commands import command, spawned, wait_for
from tests.support.graphs import graph_model, node, saved
from tests.support.vnnlib import SAT, UNSAT


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("answers")
    saved(graph_model([node("Relu", "x", "y")], (2,)), folder, "net.onnx")
    (folder / "sat.vnnlib").write_text(SAT)
    (folder / "unsat.vnnlib").write_text(UNSAT)
    (folder / "list.csv").write_text("net.onnx,sat.vnnlib,20\nnet.onnx,unsat.vnnlib,20\n")
    return folder


def events(text):
    return [json.loads(line) for line in text.splitlines()]


def test_events_of_a_list(files, tmp_path):
    """In a file, on the standard output, and from Python: the same ones."""
    out, path, mine = tmp_path / "out", tmp_path / "events.jsonl", tmp_path / "mine.jsonl"
    words = ("certify", "--instances", files / "list.csv", "--workers", 1)
    assert command(*words, "--log-json", path, "--quiet", "--out", out).code == 0
    ended = command(*words, "--log-json", "-")
    assert (ended.code, ended.err) == (0, "")
    onnx_lippa.answer_instances(files / "list.csv", workers=1, on_event=onnx_lippa.EventLog(mine))
    written, printed, told = events(path.read_text()), events(ended.out), events(mine.read_text())
    changing = {"seconds", "took", "load_seconds"}

    def known(found):
        return [{k: v for k, v in one.items() if k not in changing} for one in found]

    assert known(written) == known(printed) == known(told)
    first, one, other, last = written
    assert (first["event"], first["instances"], first["known"]) == ("started", 2, 0)
    assert (one["event"], one["vnnlib"], one["answer"]) == ("finished", "sat.vnnlib", "sat")
    assert [(each["done"], each["open"]) for each in (one, other)] == [(1, 1), (2, 0)]
    assert "counterexample" not in one
    assert (last["event"], last["instances"]) == ("ended", 2)
    assert (last["counts"]["sat"], last["counts"]["unsat"]) == (1, 1)
    assert command(*words, "--log-json", path, "--quiet", "--out", out).code == 0
    first, last = events(path.read_text())
    assert (first["known"], last["counts"]["sat"]) == (2, 1)


def test_events_of_a_property(files, tmp_path):
    words = ("certify", files / "net.onnx", "--property", files / "unsat.vnnlib")
    ended = command(*words, "--log-json", "-")
    first, *parts, answer, last = events(ended.out)
    assert first["instances"] == 1
    assert {one["event"] for one in parts} == {"improved"}
    assert (parts[-1]["answer"], parts[-1]["proven_cases"]) == ("unsat", 1)
    assert parts[-1]["bound"] > 0
    assert (answer["event"], answer["answer"], last["counts"]["unsat"]) == ("finished", "unsat", 1)
    log = onnx_lippa.EventLog(tmp_path / "mine.jsonl")
    onnx_lippa.verify(files / "net.onnx", files / "unsat.vnnlib", on_event=log)
    mine = events((tmp_path / "mine.jsonl").read_text())
    assert [one["event"] for one in mine][-2:] == ["finished", "ended"]


def test_json_has_the_gates(files, tmp_path):
    gate = ("--fail-over", "sat=0", "--json")
    one = command("certify", files / "net.onnx", "--property", files / "sat.vnnlib", *gate)
    several = command("certify", "--instances", files / "list.csv", *gate)
    for ended, failed in ((one, [0]), (several, [0])):
        assert ended.code == 4
        (outcome,) = json.loads(ended.out)["gates"]
        assert (outcome["passed"], outcome["inputs"]) == (False, failed)
    assert "gates" not in json.loads(
        command("certify", "--instances", files / "list.csv", "--json").out
    )


LONG = ("--restarts", 500, "--gradient-steps", 500, "--lp-steps", 5000)


@pytest.fixture(scope="module")
def endless(tmp_path_factory):
    """A network, a property that is met at once, and one whose search takes minutes."""
    folder = tmp_path_factory.mktemp("endless")
    mlp_file(folder, (6, 64, 64, 2)).rename(folder / "net.onnx")
    lines = [f"(declare-const X_{i} Real)" for i in range(6)]
    lines += [f"(declare-const Y_{i} Real)" for i in range(2)]
    lines += [f"(assert (>= X_{i} 0))\n(assert (<= X_{i} 1))" for i in range(6)]
    for name, least in (("easy", -1e6), ("hard", 1e6)):
        text = "\n".join([*lines, f"(assert (>= Y_0 {least:f}))"])
        (folder / f"{name}.vnnlib").write_text(text)
    (folder / "list.csv").write_text("net.onnx,easy.vnnlib,600\nnet.onnx,hard.vnnlib,600\n")
    return folder


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("kind", ["list", "property"])
def test_reports_of_an_interrupt_name_the_folder(endless, tmp_path, kind):
    out, junit, log = tmp_path / "out", tmp_path / "j.xml", tmp_path / "events.jsonl"
    words: tuple[object, ...] = ("--instances", endless / "list.csv", "--workers", 2)
    if kind == "property":
        words = (endless / "net.onnx", "--property", endless / "hard.vnnlib")
    more = ("--out", out, "--format", f"junit={junit}", "--log-json", log, *LONG)
    process = spawned("attack", *words, *more)
    waited = "finished" if kind == "list" else "started"
    wait_for(lambda: log.exists() and f'"{waited}"' in log.read_text(), process)
    time.sleep(0.2)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert f"<system-out>onnx-lippa replay {out}</system-out>" in junit.read_text()
    (suite,) = junitparser.JUnitXml.fromfile(str(junit))
    assert suite.tests == 1
    (case,) = suite
    expected = "sat: " if kind == "list" else "unknown: "
    assert case.result[0].message.startswith(expected)
    if kind == "property":
        assert "it was interrupted" in case.result[0].message
    assert events(log.read_text())[-1]["event"] == "ended"


def test_lines_where_there_is_no_terminal(monkeypatch, capsys):
    monkeypatch.setattr(progress, "EVERY", 0.1)
    with AnswerProgress(quiet=False) as shown:
        one = InstanceResult(Instance("m", "p", 9.0), "sat", 1.0, 0.0, "", 0, "")
        shown.hear(onnx_lippa.AnswersStarted(4, (one,)))
        shown.hear(one)
        time.sleep(0.25)
    captured = capsys.readouterr()
    first, *_ = captured.err.splitlines()
    assert captured.out == ""
    assert first.startswith("0 s: 2 of 4 instances answered (2 sat), about ")
