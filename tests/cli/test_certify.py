"""``onnx-lippa certify`` and ``onnx-lippa audit``."""

from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import pytest

from onnx_lippa import FalseClaimError, replay
from onnx_lippa.method import Finished
from onnx_lippa.runs.session import Session
from tests.support.attacks import DIGITS, DIGITS_DATA
from tests.support.commands import command
from tests.support.folders import read_records
from tests.support.graphs import graph_model, node, saved
from tests.support.vnnlib import SAT, UNSAT

EPS = ("--eps", "0.05", "--first", "12")
REAL = Session._work


@pytest.mark.parametrize("task", ["certify", "audit"])
def test_a_run_and_its_files(tmp_path, task):
    out = tmp_path / "run"
    ended = command(task, DIGITS, DIGITS_DATA, *EPS, "--out", out, "--workers", "1")
    assert (ended.code, ended.err) == (0, "")
    title = {"certify": "certification (complete): robustness", "audit": "audit: robust error"}[
        task
    ]
    assert f"{title} within ℓ∞ distance 0.05" in ended.out
    assert "adversarial examples" not in ended.out
    assert "robust, proven" in ended.out
    assert "lower bound" not in ended.out
    summary = json.loads((out / "summary.json").read_text())
    error, counts = summary["robust_error"], summary["counts"]
    assert error["lower"] == error["upper"]
    assert counts["unknown"] == 0
    assert counts["robust"] == sum(summary["proved_by"].values()) > 0
    assert summary["method"] == ("audit" if task == "audit" else "certify complete")
    records = read_records(out / "results.jsonl")
    for record in records:
        assert (record["bound"] is not None and record["bound"] > 0) == (
            record["verdict"] == "robust"
        )
    again = replay(out)
    assert (again.inputs, again.robust) == (12, counts["robust"])
    said = command("replay", out)
    assert said.code == 0
    assert "not repeated: the proofs" in said.out


def test_both_commands_agree(tmp_path):
    found = []
    for task in ("certify", "audit"):
        ended = command(task, DIGITS, DIGITS_DATA, *EPS, "--json", "--workers", "1")
        found.append(json.loads(ended.out)["counts"])
    assert found[0] == found[1]


@pytest.mark.parametrize("method", ["interval", "linear", "mip", "complete"])
def test_methods(method):
    ended = command(
        "certify", DIGITS, DIGITS_DATA, "--eps", "0.02", "--first", "6", "--method", method,
        "--json", "--workers", "1",
    )  # fmt: skip
    assert (ended.code, ended.err) == (0, "")
    summary = json.loads(ended.out)
    proven = {name for name, count in summary["proved_by"].items() if count}
    if method == "complete":  # linear bounds come first
        assert proven
        assert proven <= {method, "linear"}
        return
    assert proven <= {method}
    if method != "interval":
        assert proven == {method}


def test_interrupted_and_continued(tmp_path, monkeypatch):
    question = ("audit", DIGITS, DIGITS_DATA, *EPS, "--workers", "1")
    whole, out = tmp_path / "whole", tmp_path / "run"
    command(*question, "--out", whole)

    def stopping(session):
        settled = 0
        for event in REAL(session):
            settled += isinstance(event, Finished)
            if settled == 5:
                raise KeyboardInterrupt
            yield event

    with monkeypatch.context() as patch:
        patch.setattr(Session, "_work", stopping)
        ended = command(*question, "--out", out)
    assert ended.code == 130
    assert "Traceback" not in ended.err
    assert replay(out).inputs == 4
    assert command(*question, "--out", out).code == 0

    def verdicts(folder):
        return {r["index"]: r["verdict"] for r in read_records(folder / "results.jsonl")}

    assert verdicts(out) == verdicts(whole)
    refused = command("certify", DIGITS, DIGITS_DATA, *EPS, "--out", out)
    assert refused.code == 2
    assert "another run" in refused.said


def edited(out, change):
    lines = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    for line in lines:
        change(line)
    (out / "results.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_replay_refuses_proofs_that_say_nothing(tmp_path):
    out = tmp_path / "run"
    command("certify", DIGITS, DIGITS_DATA, *EPS, "--out", out, "--workers", "1")

    def robust(change):
        def apply(line):
            if line["verdict"] == "robust":
                line.update(change)

        return apply

    for number, (change, says) in enumerate(
        (
            ({"proved_by": "nothing"}, "what proves it"),
            ({"bound": -0.1}, "negative"),
            ({"bound": None}, "missing"),
            ({"verdict": "unknown"}, "proves it|more than"),
        )
    ):
        copy = tmp_path / f"copy{number}"
        shutil.copytree(out, copy)
        edited(copy, robust(change))
        with pytest.raises(FalseClaimError, match=says):
            replay(copy)


def test_results_of_before_there_were_proofs_still_read(tmp_path):
    out = tmp_path / "run"
    command("attack", DIGITS, DIGITS_DATA, *EPS, "--out", out, "--workers", "1")

    def older(line):
        for name in ("bound", "proved_by", "nodes", "reason"):
            del line[name]

    edited(out, older)
    summary = json.loads((out / "summary.json").read_text())
    for name in ("proved_by", "nodes", "seconds_per_proven"):
        del summary[name]
    for name in ("mip", "search"):
        del summary["found_by"][name]
    (out / "summary.json").write_text(json.dumps(summary))
    assert replay(out).inputs == 12


@pytest.mark.parametrize("task", ["attack", "certify", "audit"])
def test_a_curve(tmp_path, task):
    out = tmp_path / "curve"
    ended = command(
        task, DIGITS, DIGITS_DATA, "--eps", "0.02, 8/100,0.05", "--first", "12", "--out", out,
        "--workers", "1", "--json",
    )  # fmt: skip
    assert (ended.code, ended.err) == (0, "")
    said = json.loads(ended.out)["curve"]
    assert said == json.loads((out / "curve.json").read_text())["curve"]
    assert [one["eps"] for one in said] == [0.02, 0.08, 0.05]
    ordered = sorted(said, key=lambda one: one["eps"])
    for end in ("lower", "upper"):
        ends = [one["robust_error"][end] for one in ordered]
        assert ends == sorted(ends)
    for name in ("eps-0.02", "eps-8_100", "eps-0.05"):
        assert replay(out / name).inputs == 12
    again = command(
        task, DIGITS, DIGITS_DATA, "--eps", "0.02, 8/100,0.05", "--first", "12", "--out", out,
        "--workers", "1",
    )  # fmt: skip
    assert again.code == 0
    assert "robust error over the ℓ∞ radius" in again.out


def test_witnesses_carry_over(tmp_path):
    ended = command(
        "attack", DIGITS, DIGITS_DATA, "--eps", "0.06,0.08", "--first", "20", "--json",
        "--workers", "1", "--out", tmp_path / "c",
    )  # fmt: skip
    assert ended.code == 0
    first, second = (
        {r["index"]: r for r in read_records(tmp_path / "c" / name / "results.jsonl")}
        for name in ("eps-0.06", "eps-0.08")
    )
    broken = [i for i, record in first.items() if record["verdict"] == "adversarial"]
    assert broken
    for index in broken:
        assert second[index]["distance"] == first[index]["distance"]
        assert second[index]["seconds"] == 0.0


BAD = {
    "no eps": (("certify", DIGITS), "--eps"),
    "no eps to audit": (("audit", DIGITS), "--eps"),
    "no model": (("certify", "--eps", "0.1"), "MODEL"),
    "no such method": (("certify", DIGITS, *EPS, "--method", "magic"), "auto, interval, linear"),
    "no such solver": (("certify", DIGITS, *EPS, "--method", "mip", "--solver", "abacus"), "scip"),
    "a list of nonsense": (("audit", DIGITS, "--eps", "0.1,zero"), "different numbers"),
    "the same twice": (("audit", DIGITS, "--eps", "0.1,1/10"), "different numbers"),
    "no budget": (("audit", DIGITS, *EPS, "--budget", "0"), "budget"),
    "no time": (("certify", DIGITS, *EPS, "--time-limit", "-1"), "time limit"),
    "no time to audit": (("audit", DIGITS, *EPS, "--time-limit", "nan"), "time limit"),
    "two questions": (("certify", DIGITS, *EPS, "--property", "p.vnnlib"), "exclude"),
    "a timeout for images": (("certify", DIGITS, *EPS, "--timeout", "3"), "--property"),
}


@pytest.mark.parametrize("name", list(BAD))
def test_bad_input(name):
    words, says = BAD[name]
    ended = command(*words)
    assert ended.code == 2
    assert "Traceback" not in ended.err
    assert ended.err.startswith("error: ")
    assert says in ended.said


@pytest.fixture
def asked(tmp_path):
    (tmp_path / "sat.vnnlib").write_text(SAT)
    (tmp_path / "unsat.vnnlib").write_text(UNSAT)
    return saved(graph_model([node("Relu", "x", "y")], (2,)), tmp_path, "m.onnx")


@pytest.mark.parametrize("task", ["certify", "audit"])
@pytest.mark.parametrize("answer", ["sat", "unsat"])
def test_properties(tmp_path, asked, task, answer):
    ended = command(task, asked, "--property", tmp_path / f"{answer}.vnnlib")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.splitlines()[0] == answer
    said = command(task, asked, "--property", tmp_path / f"{answer}.vnnlib", "--json")
    assert json.loads(said.out)["answer"] == answer


def test_instances(tmp_path, asked):
    (tmp_path / "list.csv").write_text("m.onnx,sat.vnnlib,20\nm.onnx,unsat.vnnlib,20\n")
    out = tmp_path / "out"
    ended = command("certify", "--instances", tmp_path / "list.csv", "--out", out, "--workers", "1")
    assert ended.code == 0
    with (out / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["answer"] for row in rows] == ["sat", "unsat"]
    assert "1 sat, 1 unsat" in ended.out


def test_a_radius_for_each_feature(tmp_path):
    eps = np.full(64, 0.02)
    eps[:8] = 0.0
    np.save(tmp_path / "eps.npy", eps)
    ended = command(
        "certify", DIGITS, DIGITS_DATA, "--eps", tmp_path / "eps.npy", "--first", "4", "--json",
        "--workers", "1",
    )  # fmt: skip
    assert (ended.code, ended.err) == (0, "")
    assert json.loads(ended.out)["counts"]["robust"] > 0
