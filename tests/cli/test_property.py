"""``onnx-lippa attack --property`` and ``--instances``."""

from __future__ import annotations

import csv
import json
import re

import numpy as np
import pytest

from tests.support.attacks import mlp_file
from tests.support.commands import command
from tests.support.graphs import graph_model, node, saved
from tests.support.vnnlib import SAT, UNSAT

FEW = ("--restarts", "0", "--lp-steps", "0", "--gradient-steps", "5")


@pytest.fixture
def model(tmp_path):
    return saved(graph_model([node("Relu", "x", "y")], (2,)), tmp_path, "m.onnx")


@pytest.fixture
def spec(tmp_path):
    (tmp_path / "sat.vnnlib").write_text(SAT)
    (tmp_path / "unsat.vnnlib").write_text(UNSAT)
    return tmp_path / "sat.vnnlib"


def parsed(text):
    pairs = re.findall(r"\(([XY])_(\d+) ([^()\s]+)\)", text)
    assert text.startswith("((X_0 ")
    assert text.rstrip().endswith("))")
    return {f"{kind}_{index}": float(value) for kind, index, value in pairs}


def test_sat_and_its_counterexample(model, spec, tmp_path):
    file = tmp_path / "found.txt"
    ended = command("attack", model, "--property", spec, "--counterexample", file)
    assert (ended.code, ended.err) == (0, "")
    first, rest = ended.out.split("\n", 1)
    assert first == "sat"
    assert rest == file.read_text()
    found = parsed(rest)
    assert list(found) == ["X_0", "X_1", "Y_0", "Y_1"]
    # Every number is that of a float32, bit for bit.
    assert all(float(np.float32(value)) == value for value in found.values())
    assert found["X_0"] == found["Y_0"] >= 0.7


def test_an_answer_is_printed_even_if_its_file_cannot_be_written(model, spec, tmp_path):
    ended = command("attack", model, "--property", spec, "--counterexample", tmp_path)
    assert ended.code == 2
    assert "cannot write" in ended.said
    assert ended.out.startswith("sat\n((X_0 ")


def test_unknown_writes_no_counterexample(model, spec, tmp_path):
    file = tmp_path / "found.txt"
    unsat = tmp_path / "unsat.vnnlib"
    ended = command("attack", model, "--property", unsat, "--counterexample", file, *FEW)
    assert (ended.code, ended.out) == (0, "unknown\n")
    assert not file.exists()


def test_timeout(tmp_path, spec):
    path = mlp_file(tmp_path, (2, 60, 60, 2))
    ended = command(
        "attack", path, "--property", tmp_path / "unsat.vnnlib", "--timeout", 0.01,
        "--restarts", 500,
    )  # fmt: skip
    assert (ended.code, ended.out) == (0, "timeout\n")


def test_json_and_quiet(model, spec):
    told = json.loads(command("attack", model, "--property", spec, "--json").out)
    assert told["answer"] == "sat"
    assert told["inputs"][0] == told["outputs"][0]
    assert command("attack", model, "--property", spec, "--quiet").out == ""


def test_a_rounded_input_is_mentioned(model, tmp_path):
    spec = tmp_path / "fixed.vnnlib"
    spec.write_text(SAT + "(assert (= X_1 0.3))")
    out = command("attack", model, "--property", spec).out
    assert out.splitlines()[0] == "sat"
    assert out.splitlines()[-1].startswith("; the property fixes 1 input to numbers")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("{m}", "--property", "{s}", "--eps", "0.1"), "--property and --eps exclude each other"),
        (("{m}", "--property", "{s}", "--first", "2"), "--property and --first exclude each other"),
        (("{m}", "--property", "{s}", "--norm", "l2"), "--property and --norm exclude each other"),
        (("{m}", "--property", "{s}", "--minimize"), "--property and --minimize exclude each"),
        (("{m}", "{s}", "--property", "{s}"), "--property and DATA exclude"),
        (("{m}", "--property", "{s}", "--time-limit", "3"), "--time-limit exclude"),
        (("{m}", "--property", "{s}", "--instances", "{s}"), "exclude each other"),
        (("{m}", "--instances", "{s}"), "--instances and MODEL exclude"),
        (("--instances", "{s}", "--output", "y"), "--instances and --output exclude"),
        (("--property", "{s}"), "needs a MODEL"),
        ((), "there is no MODEL"),
        (("{m}", "--timeout", "3"), "belong to --property"),
        (("{m}", "--property", "{s}", "--timeout", "-1"), "positive number of seconds"),
        (("{m}", "--property", "{d}/none.vnnlib"), "none.vnnlib"),
        (("{m}", "--property", "{m}"), "m.onnx"),
        (("--instances", "{d}/none.csv"), "cannot read the instances"),
        (("--instances", "{s}"), "line 1"),
        (("{m}", "--property", "{s}", "--counterexample", "{d}"), "cannot write"),
    ],
)
def test_bad_input(model, spec, tmp_path, words, says):
    filled = [w.format(m=model, s=spec, d=tmp_path) for w in words]
    ended = command("attack", *filled)
    assert ended.code == 2
    assert says in ended.said
    assert "Traceback" not in ended.err


def listed(folder, *rows):
    path = folder / "instances.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


def results(folder):
    with (folder / "results.csv").open() as file:
        return list(csv.DictReader(file))


def test_instances(model, spec, tmp_path):
    path = listed(
        tmp_path, "timeout_s,vnnlib,benchmark,onnx", "10,sat.vnnlib,a,m.onnx",
        "0.5,unsat.vnnlib,a,m.onnx", "10,none.vnnlib,a,m.onnx",
    )  # fmt: skip
    out = tmp_path / "out"
    ended = command("attack", "--instances", path, "--out", out, "--workers", 1, *FEW)
    assert ended.code == 0
    assert "3 of 3 instances: 1 error, 1 sat, 1 unknown" in ended.out
    rows = results(out)
    assert [row["answer"] for row in rows] == ["sat", "unknown", "error"]
    assert "none.vnnlib" in rows[2]["note"]
    assert parsed((out / "counterexamples" / "m_sat.txt").read_text())["Y_0"] >= 0.7
    # Nothing is left to do, so nothing is done again.
    before = (out / "results.csv").read_bytes()
    command("attack", "--instances", path, "--out", out, "--workers", 1, *FEW)
    assert (out / "results.csv").read_bytes() == before


def test_a_byte_order_mark_is_no_part_of_a_path(model, spec, tmp_path):
    path = listed(tmp_path, "m.onnx,sat.vnnlib,10")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    out = tmp_path / "out"
    command("attack", "--instances", path, "--out", out, "--workers", 1, *FEW)
    assert [row["answer"] for row in results(out)] == ["sat"]


def test_instances_go_on_where_they_were_cut_off(model, spec, tmp_path):
    path = listed(tmp_path, "m.onnx,sat.vnnlib,10", "m.onnx,unsat.vnnlib,1")
    out = tmp_path / "out"
    command("attack", "--instances", path, "--out", out, "--workers", 1, *FEW)
    text = (out / "results.csv").read_text()
    (out / "results.csv").write_text(text[: text.rindex("unsat") + 3])
    ended = command("attack", "--instances", path, "--out", out, "--workers", 1, *FEW)
    assert ended.code == 0
    assert [row["answer"] for row in results(out)] == ["sat", "unknown"]


def test_results_of_other_instances_are_kept(model, spec, tmp_path):
    out = tmp_path / "out"
    command(
        "attack", "--instances", listed(tmp_path, "m.onnx,sat.vnnlib,10"), "--out", out,
        "--workers", 1,
    )  # fmt: skip
    other = listed(tmp_path, "m.onnx,unsat.vnnlib,10")
    ended = command("attack", "--instances", other, "--out", out)
    assert ended.code == 2
    assert "results of other instances" in ended.said


def test_workers_give_the_same_answers(model, spec, tmp_path):
    path = listed(tmp_path, "m.onnx,sat.vnnlib,10", "m.onnx,unsat.vnnlib,10")
    for workers in (1, 2):
        out = tmp_path / f"out{workers}"
        command("attack", "--instances", path, "--out", out, "--workers", workers, *FEW)
        answers = {row["vnnlib"]: row["answer"] for row in results(out)}
        assert answers == {"sat.vnnlib": "sat", "unsat.vnnlib": "unknown"}
    one, two = (
        (tmp_path / f"out{w}" / "counterexamples" / "m_sat.txt").read_bytes() for w in (1, 2)
    )
    assert one == two


def test_a_list_as_json(model, spec, tmp_path):
    listing = tmp_path / "list.csv"
    listing.write_text(f"{model},{spec},10\n")
    ended = command("attack", "--instances", listing, "--json", "--workers", 1)
    assert (ended.code, ended.err) == (0, "")
    told = json.loads(ended.out)
    (one,) = told["answers"]
    assert (told["requested"], told["counts"]["sat"]) == (1, 1)
    assert (one["onnx"], one["vnnlib"], one["timeout"]) == (str(model), str(spec), 10.0)
    assert one["answer"] == "sat"
    assert "(X_0 " in one["counterexample"]
