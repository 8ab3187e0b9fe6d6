"""Runs repeat: from the folder alone, with identical verdicts and witnesses."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

import onnx_lippa
from onnx_lippa.attacks import Fab, LinearRegions, Lippa, LippaMip, Pgd, Portfolio, Square
from onnx_lippa.errors import InputError
from onnx_lippa.proofs import BranchAndBound, Intervals, LinearBounds, Mip
from onnx_lippa.runs.audit import Audit
from onnx_lippa.runs.distances import Distance
from onnx_lippa.runs.finished import FinishedRun
from onnx_lippa.runs.identity import describe_options, read_run
from onnx_lippa.runs.option_text import parse_options
from onnx_lippa.state import Budget
from tests.support.attacks import DIGITS, DIGITS_DATA
from tests.support.commands import FEW, assert_refused, command, contents
from tests.support.folders import edit_json

RUNS = {
    "attack": ("attack", "--eps", 0.06, *FEW),
    "minimise": ("attack", "--norm", "l2", *FEW),
    "minimise within": ("attack", "--eps", 0.1, "--minimize", *FEW),
    "certify": ("certify", "--eps", 0.01, "--method", "linear"),
    "audit": ("audit", "--eps", 0.02, "--time-limit", "inf"),
    "distance": ("distance", "--first", 1),
    "curve": ("attack", "--eps", "1/50,0.06", *FEW),
    "drawn": ("attack", "--eps", 0.06, *FEW),
}


@pytest.mark.parametrize("name", RUNS)
def test_identical(tmp_path, name):
    """Whatever ran, after the folder moved together with model and data."""
    shutil.copy(DIGITS, tmp_path / "model.onnx")
    if name != "drawn":
        shutil.copy(DIGITS_DATA, tmp_path / "model.npz")
    first, *words = RUNS[name]
    few = () if name == "distance" else ("--first", 4)
    home = tmp_path / "home"
    ended = command(
        first, tmp_path / "model.onnx", *words, *few, "--quiet", "--out", tmp_path / "run"
    )
    assert (ended.code, ended.err) == (0, "")
    home.mkdir()
    for path in (tmp_path / "model.onnx", tmp_path / "model.npz", tmp_path / "run"):
        if path.exists():
            shutil.move(path, home / path.name)
    before = contents(home / "run")
    ended = command("rerun", home / "run", "--out", home / "again", "--workers", 2)
    assert (ended.code, ended.err, ended.out.count("\n")) == (0, "", 1), ended
    assert ended.out.startswith("identical: ")
    assert contents(home / "run") == before
    after = contents(home / "again")
    for file, content in before.items():
        if file.endswith("adversarials.npz"):
            assert after[file] == content
    assert command("replay", home / "again").code == 0
    assert onnx_lippa.rerun(home / "again").is_identical


def test_a_run_of_python(tmp_path):
    """Arrays in memory, a value per feature, and a method that no option states."""
    with np.load(DIGITS_DATA) as data:
        x, y = data["x"][:4], data["y"][:4]
    method = Lippa(restarts=2, gradient_steps=15, lp_steps=3)
    heard: list[object] = []
    results = onnx_lippa.audit(
        DIGITS, x, y, eps=1, scale=np.linspace(0.01, 0.1, 64), fixed=[3], seed=5, method=method,
        workers=1, out=tmp_path / "run",
    )  # fmt: skip
    found = onnx_lippa.rerun(tmp_path / "run", on_event=heard.append)
    assert found.is_identical
    assert (found.inputs, found.limited, len(found.results)) == (4, True, 1)
    assert found.results[0].verdicts == results.verdicts
    assert found.results[0].adversarials.tobytes() == results.adversarials.tobytes()
    assert isinstance(heard[-1], onnx_lippa.Ended)


@pytest.fixture(scope="module")
def weak(tmp_path_factory):
    """A run whose ``run.json`` names a stronger attack than the one that ran."""
    folder = tmp_path_factory.mktemp("weak")
    words = (DIGITS, DIGITS_DATA, "--eps", 0.06, "--first", 12, "--quiet", "--out")
    few = ("--method", "pgd", "--restarts", 0, "--gradient-steps", 1)
    assert command("attack", *words, folder / "run", *few).code == 0
    assert command("attack", *words, folder / "strong", *FEW).code == 0
    file, other = read_run(folder / "run"), read_run(folder / "strong")
    identity = replace(file.identity, options=other.identity.options)
    (folder / "run" / "run.json").write_bytes(replace(file, identity=identity).content())
    return folder


def test_a_difference_is_named(weak):
    ended = command("rerun", weak / "run")
    assert (ended.code, ended.err) == (4, "")
    first, *lines = ended.out.splitlines()
    assert first.startswith("different: ")
    assert "of 12 results" in first
    assert all(line.startswith("input ") for line in lines[:-1])
    assert ": another witness, at distance " in lines[0]
    assert lines[-1] == "the versions are the same and there is no time limit: this is a bug"
    said = json.loads(command("rerun", weak / "run", "--json").out)
    assert not said["identical"]
    assert f"different: {len(said['differences'])} of" in first
    stored = {one["index"] for one in said["differences"]}
    old, new = (FinishedRun.read(weak / name) for name in ("run", "strong"))
    assert stored == {
        index
        for index, one in old.witnesses.items()
        if not np.array_equal(one.x, new.witnesses[index].x)
    }


def test_another_verdict_is_a_difference(tmp_path):
    words = ("certify", DIGITS, DIGITS_DATA, "--eps", 0.01, "--first", 8, "--quiet", "--method")
    for method in ("interval", "linear"):
        assert command(*words, method, "--out", tmp_path / method).code == 0
    file, other = read_run(tmp_path / "interval"), read_run(tmp_path / "linear")
    identity = replace(file.identity, options=other.identity.options)
    (tmp_path / "interval" / "run.json").write_bytes(replace(file, identity=identity).content())
    ended = command("rerun", tmp_path / "interval")
    assert ended.code == 4
    assert "unknown, now robust" in ended.out
    assert "the run has a time limit" in ended.out


def test_versions_that_differ_are_named(weak, tmp_path):
    shutil.copytree(weak / "run", tmp_path / "run")
    edit_json(tmp_path / "run" / "summary.json", lambda v: v["versions"].update(ortools="1.0"))
    found = onnx_lippa.rerun(tmp_path / "run")
    assert found.changed_versions["ortools"][0] == "1.0"
    assert "versions differ: ortools 1.0, now " in found.summary()
    assert "bug" not in found.summary()


def test_another_witness_is_a_difference(weak, tmp_path):
    shutil.copytree(weak / "strong", tmp_path / "run")
    path = tmp_path / "run" / "adversarials.npz"
    with np.load(path) as stored:
        arrays = dict(stored)
    arrays["inputs"] = arrays["inputs"].copy()
    arrays["inputs"][0, 0] += 1 / 64
    np.savez(path, **arrays)
    found = onnx_lippa.rerun(tmp_path / "run")
    (difference,) = found.differences
    assert difference.index == arrays["index"][0]
    assert "another witness, at distance" in difference.sentence


def test_what_is_refused(weak, tmp_path):
    run = weak / "strong"
    assert_refused(command("rerun", run, "--out", run), 2, "is the run itself")
    assert_refused(command("rerun", run, "--out", weak / "run"), 2, "holds a run already")
    assert_refused(command("rerun", tmp_path), 2, "holds no run")
    shutil.copytree(run, tmp_path / "run")
    edit_json(tmp_path / "run" / "run.json", lambda v: v.update(targets="runner-up"))
    assert_refused(command("rerun", tmp_path / "run"), 5, "is not as the run wrote it")
    shutil.copytree(run, tmp_path / "killed")
    (tmp_path / "killed" / "summary.json").unlink()
    assert_refused(command("rerun", tmp_path / "killed"), 2, "has not ended")
    file = read_run(run)
    identity = replace(file.identity, options="Lippa: zeal=3; Budget: time_limit=inf, seed=0")
    shutil.copytree(run, tmp_path / "other")
    (tmp_path / "other" / "run.json").write_bytes(replace(file, identity=identity).content())
    assert_refused(command("rerun", tmp_path / "other"), 2, "repeat it with the version that made")


METHODS = (
    Lippa(), Lippa(restarts=3, lp_steps=8, engine="rows", solver="glop"), Pgd(gradient_steps=5),
    LippaMip(neurons=50), Square(queries=9, p_init=0.25),
    LinearRegions(start="noise", solver="glop"),
    Portfolio(Pgd(restarts=1), Fab(eta=1.1), LippaMip(engine="rows")), Audit(Portfolio(Lippa())),
    Intervals(), LinearBounds(), Mip(solver="highs"),
    BranchAndBound(node_limit=12, memory_limit=1e9), Audit(Pgd(restarts=1), budget=12.5),
    Audit(LippaMip(), BranchAndBound(node_limit=3)), Distance(solver="highs"),
)  # fmt: skip


@pytest.mark.parametrize("minimize", [True, False])
@pytest.mark.parametrize("method", METHODS, ids=repr)
def test_options_are_read_back(method, minimize):
    budget = Budget(0.1, 7)
    text = describe_options(method, budget, minimize=minimize)
    assert parse_options(text) == (method, budget, minimize)


@pytest.mark.parametrize(
    "text",
    [
        "", "Lippa", "Lippa: restarts=1", "Lippa: ; Budget: ", "Budget: time_limit=inf, seed=0",
        "exec: a=1; Budget: time_limit=inf, seed=0", "Lippa: restarts=print(1); Budget: seed=0",
    ],
)  # fmt: skip
def test_other_texts_are_refused(text):
    with pytest.raises(InputError, match="repeat it with the version that made it"):
        parse_options(text)
