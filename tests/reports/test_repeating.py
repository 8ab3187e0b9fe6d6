"""The command that a page states repeats the run: it is carried out, and has the same identity."""

from __future__ import annotations

import shlex

import numpy as np
import pytest

import onnx_lippa
from onnx_lippa.reports.page.reported import ReportedRun
from onnx_lippa.reports.page.sections.settings import (
    list_digests,
    list_settings,
    write_repeat_command,
    write_replay_command,
    write_rerun_command,
)
from onnx_lippa.runs.finished import FinishedRun
from tests.support.attacks import DIGITS, DIGITS_DATA, digits
from tests.support.commands import FEW, command


@pytest.mark.parametrize(
    "words",
    [
        ("attack", "--first", 3, "--eps", "1/20", *FEW),
        ("attack", "--indices", "7,2", "--eps", "0.05", "--norm", "l2", "--seed", 3, *FEW),
        ("attack", "--first", 1, "--method", "pgd", "--restarts", 2),
        ("attack", "--first", 1, "--eps", "0.2", "--minimize", "--targets", "3,5", *FEW),
        ("attack", "--first", 2, "--eps", "0.1", "--fixed", "0,9", "--grid", "1/16", *FEW),
        ("attack", "--first", 2, "--eps", "0.1", "--lower", "-1", "--upper", 2, *FEW),
        ("certify", "--first", 2, "--eps", "0.01", "--method", "linear"),
        ("certify", "--first", 2, "--eps", "0.01", "--time-limit", 9),
        ("audit", "--first", 2, "--eps", "0.02", "--budget", 20, "--method", "pgd"),
        ("distance", "--indices", "3", "--time-limit", 2, "--solver", "highs"),
    ],
    ids=lambda words: " ".join(map(str, words[:5])),
)
def test_the_command_repeats_the_run(tmp_path, words):
    verb, *options = words
    first, second = tmp_path / "first", tmp_path / "second"
    ended = command(verb, DIGITS, DIGITS_DATA, *options, "--quiet", "--out", first)
    assert (ended.code, ended.err) == (0, "")
    run = FinishedRun.read(first)
    program, *repeated = shlex.split(write_repeat_command(ReportedRun(1, "", str(first), run)))
    assert program == "onnx-lippa"
    ended = command(*repeated, "--quiet", "--out", second)
    assert (ended.code, ended.err) == (0, "")
    assert FinishedRun.read(second).identity.difference(run.identity) == ""


def test_drawn_inputs_are_drawn_again(tmp_path):
    model = tmp_path / "a model.onnx"
    model.write_bytes(DIGITS.read_bytes())
    ended = command("attack", model, "--first", 2, "--eps", "0.05", *FEW, "--out", tmp_path / "r")
    assert ended.code == 0
    run = FinishedRun.read(tmp_path / "r")
    reported = ReportedRun(1, "", str(tmp_path / "r"), run)
    _, *repeated = shlex.split(write_repeat_command(reported))
    assert command(*repeated, "--out", tmp_path / "s").code == 0
    assert FinishedRun.read(tmp_path / "s").identity == run.identity
    for stated in (write_rerun_command(reported), write_replay_command(reported)):
        assert command(*shlex.split(stated)[1:]).code == 0


def test_columns_and_names_of_a_table_are_read_again(tmp_path):
    _, x, y = digits()
    names = [f"f{i}" for i in range(64)]
    rows = [",".join([*names, "digit", "from"])]
    rows += [",".join([*map(str, x[i]), f"d{y[i]}", "ab"[i % 2]]) for i in range(4)]
    (tmp_path / "data.csv").write_text("\n".join(rows))
    classes = ",".join(f"d{i}" for i in range(10))
    words = ["--label", "digit", "--groups", "from", "--classes", classes]
    words += ["--eps", "f3=0.1,f4=0,*=0.05", "--only-up", "f5,f6", "--preprocess", "scale=2", *FEW]
    ended = command("attack", DIGITS, tmp_path / "data.csv", *words, "--out", tmp_path / "r")
    assert (ended.code, ended.err) == (0, "")
    run = FinishedRun.read(tmp_path / "r")
    _, *repeated = shlex.split(write_repeat_command(ReportedRun(1, "", "r", run)))
    assert command(*repeated, "--out", tmp_path / "s").code == 0
    again = FinishedRun.read(tmp_path / "s")
    assert again.identity == run.identity
    assert again.records[0].group == run.records[0].group == "a"
    assert again.reading == run.reading


def test_arrays_are_read_from_the_configuration(tmp_path):
    np.save(tmp_path / "lower.npy", np.linspace(-1, 0, 64))
    words = ("--first", 2, "--eps", "0.05", "--lower", tmp_path / "lower.npy", *FEW)
    assert command("attack", DIGITS, DIGITS_DATA, *words, "--out", tmp_path / "r").code == 0
    run = FinishedRun.read(tmp_path / "r")
    stated = write_repeat_command(ReportedRun(1, "", str(tmp_path / "r"), run))
    _, *repeated, last = shlex.split(stated)
    assert last == "NEW"
    assert command(*repeated, tmp_path / "s").code == 0
    assert FinishedRun.read(tmp_path / "s").identity == run.identity


def test_inputs_in_memory_are_called_again():
    _, x, y = digits()
    results = onnx_lippa.attack(
        str(DIGITS), x[:2], y[:2], eps=0.05, restarts=1, norm="l2", fixed=[0, 3], lower=[0.0] * 64
    )
    run = FinishedRun.of(results)
    reported = ReportedRun(1, "", "", run)
    assert write_replay_command(reported) == ""
    call = write_repeat_command(reported)
    assert "lower=lower" in call
    names = {"onnx_lippa": onnx_lippa, "x": x[:2], "y": y[:2], "lower": [0.0] * 64}
    again = eval(call, names)  # the call that the page states
    assert FinishedRun.of(again).identity == run.identity


def test_settings_and_digests():
    _, x, y = digits()
    scale = np.linspace(0.5, 1, 64)
    results = onnx_lippa.attack(DIGITS, x[:2], y[:2], eps=0.05, scale=scale, restarts=1)
    reported = ReportedRun(1, "", "", FinishedRun.of(results))
    settings = dict(list_settings(reported))
    assert settings["scale"] == "[0.5 … 1]"
    assert settings["eps"] == "0.05"
    assert "restarts=1" in settings["method"]
    assert dict(list_digests(reported))["model"] == onnx_lippa.load(DIGITS).file.sha256
