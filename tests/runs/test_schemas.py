"""The files of real folders meet the published schemas."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from jsonschema import Draft202012Validator

import onnx_lippa
from tests.support.graphs import graph_model, node, saved
from tests.support.paths import ROOT
from tests.support.vnnlib import SAT, UNSAT

SCHEMAS = ROOT / "docs" / "schemas"
EXAMPLE, X, Y = onnx_lippa.load_example()
SCALE = np.linspace(0.5, 1.5, 64)
RUNS = {
    "attack": lambda out: onnx_lippa.attack(EXAMPLE, X[:6], Y[:6], eps=0.1, out=out),
    "nearest": lambda out: onnx_lippa.attack(EXAMPLE, X[:2], Y[:2], restarts=1, out=out),
    "scaled": lambda out: onnx_lippa.audit(
        EXAMPLE, X[:6], Y[:6], eps=0.05, scale=SCALE, fixed=[0, 3], out=out
    ),
    "one radius per feature": lambda out: onnx_lippa.certify(
        EXAMPLE, X[:6], eps=1.0, scale=0.02 * SCALE, norm="l1", out=out
    ),
    "grid": lambda out: onnx_lippa.attack(
        EXAMPLE, X[:3], Y[:3], eps=0.1, grid=1 / 16, targets=[1, 2], out=out
    ),
    "directions and preprocessing": lambda out: onnx_lippa.audit(
        EXAMPLE,
        X[:3],
        Y[:3],
        eps=0.02,
        only_up=[1],
        only_down=[2],
        out=out,
        preprocess=onnx_lippa.Preprocess(mean=0.1, std=0.5),
    ),
    "distance": lambda out: onnx_lippa.minimal_distortion(
        EXAMPLE, X[:1], Y[:1], time_limit=3, out=out
    ),
}


def validator(name):
    return Draft202012Validator(json.loads((SCHEMAS / f"{name}.schema.json").read_text()))


def test_the_schemas_are_up_to_date_and_valid():
    command = [sys.executable, ROOT / "tools" / "schemas.py", "--check"]
    subprocess.run(command, check=True, env={"PYTHONPATH": str(ROOT)})
    for path in SCHEMAS.iterdir():
        Draft202012Validator.check_schema(json.loads(path.read_text()))


@pytest.mark.parametrize("name", RUNS)
def test_the_files_of_a_run_meet_the_schemas(tmp_path, name):
    RUNS[name](tmp_path)
    for file in ("run", "summary"):
        validator(file).validate(json.loads((tmp_path / f"{file}.json").read_text()))
    lines = (tmp_path / "results.jsonl").read_text().splitlines()
    assert lines
    for line in lines:
        validator("record").validate(json.loads(line))


@pytest.fixture(scope="module")
def answered(tmp_path_factory):
    """Folders of a list and of a property, with every field that these may have."""
    folder = tmp_path_factory.mktemp("answered")
    saved(graph_model([node("Relu", "x", "h"), node("Neg", "h", "y")], (2,)), folder, "net.onnx")
    for name, text in (("sat", SAT), ("unsat", UNSAT)):
        (folder / f"{name}.vnnlib").write_text(text)
    names = ("sat", "unsat", "none")
    (folder / "list.csv").write_text("".join(f"net.onnx,{one}.vnnlib,20\n" for one in names))
    onnx_lippa.answer_instances(folder / "list.csv", workers=1, out=folder / "list")
    model = onnx_lippa.load(
        folder / "net.onnx", output="h", preprocess=onnx_lippa.Preprocess(scale=0.99)
    )
    onnx_lippa.verify(model, folder / "unsat.vnnlib", time_limit=9, out=folder / "property")
    return folder


@pytest.mark.parametrize("name", ["list", "property"])
def test_the_files_of_answers_meet_the_schemas(answered, name):
    out = answered / name
    stated = json.loads((out / "list.json").read_text())
    validator("list").validate(stated)
    assert {"output", "preprocess", "case_limit"} & stated.keys() == (
        set() if name == "list" else {"output", "preprocess", "case_limit"}
    )
    lines = [json.loads(line) for line in (out / "answers.jsonl").read_text().splitlines()]
    assert len(lines) == (3 if name == "list" else 1)
    for line in lines:
        validator("answer").validate(line)
        for change in ({"answer": "maybe"}, {"surprise": 1}, {"nodes": "many"}):
            assert not validator("answer").is_valid(line | change)
    for other in ({"instances": [["net.onnx", "p.vnnlib"]]}, {"case_limit": "none"}, {"x": 1}):
        assert not validator("list").is_valid(stated | other)


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("summary", {"clean_error": "none"}),
        ("summary", {"counts": {}}),
        ("record", {"verdict": "safe"}),
        ("record", {"surprise": 1}),
        ("run", {"indices": 3}),
    ],
)
def test_other_files_do_not(tmp_path, file, change):
    RUNS["attack"](tmp_path)
    name = "results.jsonl" if file == "record" else f"{file}.json"
    content = (tmp_path / name).read_text()
    values = json.loads(content.splitlines()[0] if file == "record" else content)
    assert validator(file).is_valid(values)
    assert not validator(file).is_valid(values | change)
