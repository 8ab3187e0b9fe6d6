"""Progress: a bar on a terminal, lines elsewhere, and events as JSON."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import subprocess
import sys
import time
from typing import Any

import pytest

import onnx_lippa
from onnx_lippa.cli.output import progress
from onnx_lippa.cli.output.terminal import console
from onnx_lippa.method import Finished, Stage
from onnx_lippa.spec import InputSpecification, Specification, Targets, get_norm
from onnx_lippa.witness import Result, Verdict
from tests.support.attacks import DIGITS, DIGITS_DATA, digits
from tests.support.commands import FEW, assert_refused, command
from tests.support.paths import ROOT

RUN = ("attack", DIGITS, DIGITS_DATA, "--eps", "0.06", "--first", "8", *FEW)


def specification(eps: float | None = 0.1) -> Specification:
    return Specification(
        get_norm("linf"), InputSpecification(eps=eps), Targets.parse("all"), eps is None
    )


def slow_run(eps: float | None, seconds: float, monkeypatch, capsys) -> list[str]:
    """The lines about a run of four inputs, of which one is known before."""
    monkeypatch.setattr(progress, "EVERY", 0.1)
    results = onnx_lippa.attack(DIGITS, digits()[1][:1], eps=0.01)
    shown = progress.LiveProgress(console())
    known = (Result(0, Verdict.ROBUST),)
    shown.hear(onnx_lippa.Started(specification(eps), 4, known))
    shown.hear(Finished(Stage.GRADIENTS, Result(1, Verdict.MISCLASSIFIED)))
    time.sleep(seconds)
    shown.hear(Finished(Stage.SEARCH, Result(2, Verdict.ROBUST)))
    shown.hear(Finished(Stage.SEARCH, Result(3, Verdict.UNKNOWN)))
    shown.hear(onnx_lippa.Ended(results))
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err.splitlines()


def test_lines_where_there_is_no_terminal(monkeypatch, capsys):
    lines = slow_run(0.1, 0.25, monkeypatch, capsys)
    assert 2 <= len(lines) <= 4, "one every 0.1 s, and one at the end"
    start = "0 s: PGD, 2 of 4 inputs done, 2 open, robust error [25.0%, 75.0%], "
    assert lines[0].startswith(start)
    assert re.fullmatch(r"\d+\.\d inputs/s, about \d+ s left", lines[0].removeprefix(start))
    end = "branch and bound, 4 of 4 inputs done, 0 open, robust error [25.0%, 50.0%]"
    assert lines[-1].endswith(end)


def test_no_line_of_a_short_run(monkeypatch, capsys):
    assert slow_run(0.1, 0.0, monkeypatch, capsys) == []


def test_without_a_radius_there_is_no_robust_error(monkeypatch, capsys):
    lines = slow_run(None, 0.15, monkeypatch, capsys)
    assert "2 open, 1 broken" in lines[0]
    assert "robust error" not in "".join(lines)


def test_ci_systems_get_no_bar(monkeypatch):
    """They set FORCE_COLOR, which is no terminal; nothing of a quick run reaches the log."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    ended = command(*RUN)
    assert (ended.code, ended.err) == (0, "")
    assert "\x1b[?25l" not in ended.out, "the cursor is not hidden"


@pytest.mark.parametrize("stdout", ["terminal", "file"])
def test_a_bar_on_a_terminal(tmp_path, stdout):
    """On stderr where stdout is a file, which has the table alone."""
    mine, theirs = pty.openpty()
    with (tmp_path / "out").open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "onnx_lippa.cli.main", *map(str, RUN)],
            stdout=theirs if stdout == "terminal" else file,
            stderr=theirs,
            cwd=ROOT,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "150"},
        )
        os.close(theirs)
        shown = bytearray()
        while True:
            try:
                shown += os.read(mine, 1 << 16)
            except OSError:
                break
        assert process.wait(60) == 0
    os.close(mine)
    text = shown.decode()
    assert "8/8" in text
    assert "robust error [" in text
    assert ("clean error" in text) == (stdout == "terminal")
    if stdout == "file":
        written = (tmp_path / "out").read_text()
        assert "clean error" in written
        assert "\x1b" not in written


def events(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_events_as_json(tmp_path):
    """On the standard output, in a file, and from Python: the same ones."""
    path = tmp_path / "events.jsonl"
    assert command(*RUN, "--log-json", path, "--quiet", "--out", tmp_path / "run").code == 0
    ended = command(*RUN, "--log-json", "-")
    assert (ended.code, ended.err) == (0, "")
    written, printed = events(path.read_text()), events(ended.out)
    _, x, y = digits()
    mine = tmp_path / "mine.jsonl"
    onnx_lippa.attack(
        DIGITS, x[:8], y[:8], eps=0.06, restarts=1, gradient_steps=15, lp_steps=3,
        on_event=onnx_lippa.EventLog(mine),
    )  # fmt: skip

    def known(found):
        return [
            {k: v for k, v in one.items() if k not in ("seconds", "summary", "done", "open",
                                                       "robust_error")}
            for one in found[:1] + sorted(found[1:-1], key=lambda one: one["index"]) + found[-1:]
        ]  # fmt: skip

    assert known(written) == known(printed) == known(events(mine.read_text()))
    assert [one["event"] for one in written] == ["started", *8 * ["finished"], "ended"]
    first, *inputs, last = written
    assert (first["inputs"], first["known"], first["eps"]) == (8, 0, 0.06)
    assert [one["done"] + one["open"] for one in inputs] == 8 * [8]
    assert inputs[-1]["robust_error"] == last["summary"]["robust_error"]
    assert last["summary"] == json.loads((tmp_path / "run" / "summary.json").read_text())
    times = [one["seconds"] for one in written]
    assert times == sorted(times)


def test_an_audit_tells_what_improves(tmp_path):
    path = tmp_path / "events.jsonl"
    words = ("audit", DIGITS, DIGITS_DATA, "--eps", "0.02,0.03", "--first", 4, "--quiet")
    assert command(*words, "--log-json", path).code == 0
    kinds = [one["event"] for one in events(path.read_text())]
    assert kinds.count("started") == kinds.count("ended") == 2
    assert kinds.count("improved") > 0


def test_what_is_refused(tmp_path):
    assert_refused(command(*RUN, "--log-json", "-", "--json"), 2, "exclude each other")
    assert_refused(
        command(*RUN, "--log-json", tmp_path / "no" / "x", "--quiet"), 2, "cannot write events to"
    )
    words = ("attack", DIGITS, "--property", tmp_path / "spec.vnnlib", "--log-json", "-")
    assert_refused(command(*words, "--json"), 2, "exclude each other")


class Full(io.StringIO):
    def write(self, _text: str) -> int:
        raise OSError(28, "No space left on device")


def test_a_full_disk(tmp_path):
    log = onnx_lippa.EventLog(tmp_path / "x")
    log._file = Full()
    with pytest.raises(onnx_lippa.InputError, match=r"cannot write events .*No space left"):
        log(onnx_lippa.Started(specification(), 4, ()))
