"""Folders of properties and lists repeat: from the folder alone, with identical answers."""

from __future__ import annotations

import json
import shutil
import tomllib
from dataclasses import replace

import pytest

import onnx_lippa
from onnx_lippa import InstanceResult, InterruptedList, Preprocess
from onnx_lippa.runs.properties.answers import Answers
from onnx_lippa.runs.properties.folder import Answered, read_answers
from onnx_lippa.runs.properties.rerun import parse_decider
from tests.support.commands import FEW, assert_refused, command, contents
from tests.support.graphs import graph_model, node, saved
from tests.support.vnnlib import SAT, UNSAT


@pytest.fixture
def files(tmp_path):
    saved(graph_model([node("Relu", "x", "y")], (2,)), tmp_path, "net.onnx")
    (tmp_path / "sat.vnnlib").write_text(SAT)
    (tmp_path / "unsat.vnnlib").write_text(UNSAT)
    names = ("sat", "unsat", "none")
    (tmp_path / "list.csv").write_text("".join(f"net.onnx,{one}.vnnlib,20\n" for one in names))
    return tmp_path


def answered(files, *words, out="run"):
    ended = command(*words, "--out", files / out, "--quiet")
    assert (ended.code, ended.err) == (0, "")
    return files / out


def change_answer(folder, place, **changes):
    """Writes another answer into a folder, as another version might have given it."""
    lines = read_answers(folder)
    lines[place] = replace(lines[place], result=replace(lines[place].result, **changes))
    (folder / "answers.jsonl").write_bytes(b"".join(Answered.line(one) for one in lines))


PREPROCESSED = ("--preprocess", "scale=1.01 mean=0.01")


@pytest.mark.parametrize("more", [(), PREPROCESSED], ids=["plain", "preprocessed"])
@pytest.mark.parametrize("words", [("attack", *FEW), ("certify", "--seed", 3), ("audit",)], ids=str)
def test_a_list_is_identical(files, words, more):
    """Whatever answered it, after the folder moved together with its files."""
    answered(files, words[0], "--instances", files / "list.csv", *words[1:], *more)
    home = files / "home"
    home.mkdir()
    for name in ("run", "net.onnx", "sat.vnnlib", "unsat.vnnlib", "list.csv"):
        shutil.move(files / name, home / name)
    before = contents(home / "run")
    ended = command("rerun", home / "run", "--out", home / "again", "--workers", 1)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("identical: 3 answers with their counterexamples (SHA-256 ")
    assert contents(home / "run") == before
    after = contents(home / "again")
    assert [name for name in after if name.startswith("counterexamples")]
    for name, content in before.items():
        if name.startswith("counterexamples"):
            assert after[name] == content
    assert command("replay", home / "again").code == 0
    (options,) = tomllib.loads(after["config.toml"].decode()).values()
    assert options["workers"] == 1
    assert options["instances"].endswith("list.csv")


@pytest.mark.parametrize("verb", ["attack", "certify"])
def test_a_property_is_identical(files, verb):
    """Also with another output, and after the model moved alone."""
    nodes = [node("Relu", "x", "h"), node("Neg", "h", "y")]
    model = saved(graph_model(nodes, (2,)), files, "two.onnx")
    words = (verb, model, "--property", files / "sat.vnnlib", "--output", "h", "--timeout", 30)
    run = answered(files, *words)
    found = onnx_lippa.rerun(run, out=files / "again")
    assert (found.is_identical, found.inputs, found.limited) == (True, 1, True)
    assert found.summary().startswith("identical: 1 answer with its counterexample (SHA-256 ")
    assert found.answers is not None
    assert [one.answer for one in found.answers] == ["sat"]
    assert onnx_lippa.rerun(files / "again").sha256 == found.sha256
    again = command(verb, "--config", files / "again" / "config.toml", "--out", files / "third")
    assert (again.code, again.out.splitlines()[0]) == (0, "sat")
    shutil.move(model, files / "moved.onnx")
    assert_refused(command("rerun", run), 2, "put the model where it was")
    assert command("rerun", run, "--model", files / "moved.onnx").code == 0
    assert_refused(command("rerun", run, "--model", files / "net.onnx"), 2, "SHA-256 differs")


def test_a_folder_of_python(files):
    """A loaded model, and a limit for each case, which no option states."""
    heard: list[object] = []
    model = onnx_lippa.load(files / "net.onnx", preprocess=Preprocess(scale=0.5))
    onnx_lippa.verify(model, files / "unsat.vnnlib", time_limit=5, out=files / "run", seed=4)
    listing = Answers.read(files / "run").listing
    decider = parse_decider(listing)
    assert (decider.options, decider.case_limit, decider.budget.seed) == (listing.options, 5.0, 4)
    found = onnx_lippa.rerun(files / "run", on_event=heard.append)
    assert found.is_identical
    assert [type(one).__name__ for one in heard] == [
        "AnswersStarted", "InstanceResult", "AnswersEnded",
    ]  # fmt: skip


def test_differences_are_named(files):
    run = answered(files, "certify", "--instances", files / "list.csv")
    order = [one.result.instance.vnnlib for one in read_answers(run)]
    change_answer(run, order.index("unsat.vnnlib"), answer="unknown")
    text = read_answers(run)[order.index("sat.vnnlib")].result.counterexample
    other = text.replace("(X_0 ", "(X_0 1", 1)
    change_answer(run, order.index("sat.vnnlib"), counterexample=other, found_by="lp")
    ended = command("rerun", run)
    assert ended.code == 4
    first, *lines = ended.out.splitlines()
    assert first == "different: 2 of 3 results"
    assert lines[0].startswith("net.onnx with sat.vnnlib: another counterexample (")
    assert lines[1] == "net.onnx with unsat.vnnlib: unknown, now unsat"
    assert lines[2] == "the run has a time limit: what it ends may differ from run to run"
    told = json.loads(command("rerun", run, "--json").out)
    assert [one["index"] for one in told["differences"]] == [0, 1]


def test_what_is_refused(files):
    run = answered(files, "certify", "--instances", files / "list.csv")
    for out, word in ((run, "the folder itself"), (files / "held", "holds a run already")):
        if out != run:
            shutil.copytree(run, out)
        assert_refused(command("rerun", run, "--out", out), 2, word)
    assert_refused(command("rerun", run, "--model", "x.onnx"), 2, "leave --model out")
    (files / "unsat.vnnlib").write_text(SAT)
    assert_refused(command("rerun", run), 2, "is not the property of the list")
    listing = Answers.read(run).listing
    (run / "list.json").write_bytes(replace(listing, options="Lippa: x=1").content())
    assert_refused(command("rerun", run), 2, "the run's options are not those of onnx-lippa")


def test_an_interrupt_has_the_answers_so_far(files):
    run = answered(files, "certify", "--instances", files / "list.csv")

    def stop(event):
        if isinstance(event, InstanceResult):
            raise KeyboardInterrupt

    with pytest.raises(InterruptedList) as caught:
        onnx_lippa.rerun(run, workers=1, out=files / "again", on_event=stop)
    assert len(caught.value.results) == 1
    assert not onnx_lippa.replay(files / "again").is_finished


def test_an_interrupted_list_is_compared_as_far_as_it_got(files):
    run = answered(files, "certify", "--instances", files / "list.csv")
    lines = (run / "answers.jsonl").read_bytes().splitlines(keepends=True)
    (run / "answers.jsonl").write_bytes(lines[0])
    found = onnx_lippa.rerun(run, workers=1)
    assert (found.is_identical, found.inputs) == (True, 1)
