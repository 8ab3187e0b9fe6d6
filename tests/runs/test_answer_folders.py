"""Folders of properties: preprocessing and output, and the configuration that is in them."""

from __future__ import annotations

import json
import tomllib
from dataclasses import replace

import numpy as np
import pytest

from onnx_lippa import (
    FalseClaimError,
    InputError,
    Preprocess,
    Property,
    answer_instances,
    falsify,
    load,
    replay,
    verify,
)
from onnx_lippa.runs.properties.folder import ListFile, read_answers, read_list
from tests.support.commands import assert_refused, command
from tests.support.graphs import graph_model, node, saved

FEW = ("--restarts", "0", "--lp-steps", "0", "--gradient-steps", "5")
DECLARED = "".join(f"(declare-const {v} Real)\n" for v in ("X_0", "X_1", "Y_0", "Y_1"))


def in_pixels(least, more=""):
    """Pixels from 51 to 204, and an output of at least some number."""
    box = "".join(f"(assert (>= X_{i} 51))\n(assert (<= X_{i} 204))\n" for i in (0, 1))
    return DECLARED + box + f"(assert (>= Y_0 {least}))\n{more}"


@pytest.fixture
def files(tmp_path):
    """``relu(x)`` of x in [0, 1], and properties of pixels in [0, 255]."""
    saved(graph_model([node("Relu", "x", "y")], (2,)), tmp_path, "net.onnx")
    (tmp_path / "sat.vnnlib").write_text(in_pixels(0.79))
    (tmp_path / "unsat.vnnlib").write_text(in_pixels(0.81))
    # Two inputs in one row: a property of the network whose inputs are appended to its outputs.
    (tmp_path / "related.vnnlib").write_text(
        in_pixels(0.5, "(assert (<= (+ X_0 X_1) 300))\n(assert (>= Y_1 0.37))\n")
    )
    (tmp_path / "list.csv").write_text(
        "".join(f"net.onnx,{name}.vnnlib,20\n" for name in ("sat", "unsat", "related"))
    )
    return tmp_path


PIXELS = Preprocess(scale=1 / 255)
SCALED = ("--preprocess", "scale=0.00392156862745098")


def test_properties_are_about_the_inputs_before_the_preprocessing(files):
    model = load(files / "net.onnx", preprocess=PIXELS)
    found = verify(model, files / "sat.vnnlib", timeout=20)
    assert found.answer.value == "sat"
    assert found.x is not None
    assert 0.79 * 255 <= found.x[0] <= 204
    assert verify(model, files / "unsat.vnnlib", timeout=20).answer.value == "unsat"
    same = verify(files / "net.onnx", files / "sat.vnnlib", preprocess=PIXELS, timeout=20)
    np.testing.assert_array_equal(same.x, found.x)
    assert verify(files / "net.onnx", files / "unsat.vnnlib", timeout=20).answer.value == "sat"
    spec = Property.from_vnnlib(files / "related.vnnlib")
    assert spec.joint
    related = falsify(model, spec, timeout=20)
    assert related.x is not None
    assert related.outputs is not None
    assert related.x.sum() <= 300
    assert related.outputs[0] >= 0.5
    with pytest.raises(InputError, match="loaded already"):
        falsify(model, spec, preprocess="imagenet")


def test_a_list_with_preprocessing_replays(files, tmp_path):
    out = tmp_path / "out"
    ended = command("certify", "--instances", files / "list.csv", "--out", out, *SCALED)
    assert (ended.code, ended.err) == (0, "")
    confirmed = replay(out)
    assert (confirmed.adversarial, confirmed.robust) == (2, 1)
    answers = answer_instances(
        files / "list.csv", preprocess=Preprocess(scale=0.00392156862745098), workers=1
    )
    assert [one.answer for one in answers] == ["sat", "unsat", "sat"]
    # Other preprocessings are other lists, whose answers are not taken over.
    again = command("certify", "--instances", files / "list.csv", "--out", out, "--json")
    assert [one["answer"] for one in json.loads(again.out)["answers"]] == ["sat", "sat", "sat"]
    assert replay(out).adversarial == 3


def test_a_changed_preprocessing_is_found(files, tmp_path):
    out = tmp_path / "out"
    command(
        "certify", files / "net.onnx", "--property", files / "sat.vnnlib", "--out", out, *SCALED
    )
    assert replay(out).adversarial == 1
    text = (out / "list.json").read_text()
    (out / "list.json").write_text(text.replace('"scale": 0.003', '"scale": 0.002'))
    ended = command("replay", out)
    assert_refused(ended, 5, "its checksum is another")


def test_the_output_is_part_of_a_folder(tmp_path):
    nodes = [node("Relu", "x", "h"), node("Neg", "h", "y")]
    model = saved(graph_model(nodes, (2,)), tmp_path, "net.onnx")
    (tmp_path / "p.vnnlib").write_text(in_pixels(100))
    words = ("attack", model, "--property", tmp_path / "p.vnnlib", "--out", tmp_path / "out", *FEW)
    assert command(*words, "--output", "h").out.startswith("sat")
    assert replay(tmp_path / "out").adversarial == 1
    assert command(*words).out.startswith("unknown")
    loaded = load(model, output="h", lower=0, upper=255)
    found = falsify(
        loaded, tmp_path / "p.vnnlib", restarts=0, lp_steps=0, gradient_steps=5,
        out=tmp_path / "python",
    )  # fmt: skip
    assert found.answer.value == "sat"
    assert replay(tmp_path / "python").adversarial == 1


def test_a_folder_has_its_configuration(files, tmp_path):
    out = tmp_path / "out"
    given = ("--property", files / "unsat.vnnlib", "--timeout", 20, *SCALED, "--seed", 3)
    ended = command("certify", files / "net.onnx", *given, "--out", out)
    assert (ended.code, ended.out) == (0, "unsat\n")
    options = tomllib.loads((out / "config.toml").read_text())["certify"]
    assert options["property"] == str((files / "unsat.vnnlib").resolve())
    assert (options["seed"], options["timeout"]) == (3, 20.0)
    again = command("certify", "--config", out / "config.toml", "--out", tmp_path / "again")
    assert (again.code, again.out) == (0, "unsat\n")
    first, second = (read_answers(one)[0] for one in (out, tmp_path / "again"))
    assert (first.options, first.result.bound) == (second.options, second.result.bound)
    assert first.result.bound is not None
    assert first.result.bound > 0
    assert (first.result.cases, first.result.proven_cases) == (1, 1)


@pytest.mark.parametrize(("proof", "verb"), [(None, "attack"), ("auto", "certify")])
def test_python_writes_a_configuration_too(files, tmp_path, proof, verb):
    out = tmp_path / "out"
    found = answer_instances(
        files / "list.csv", proof=proof, preprocess=PIXELS, seed=2, workers=1, timeout=9, out=out
    )
    ended = command(verb, "--config", out / "config.toml", "--out", tmp_path / "again", "--json")
    assert (ended.code, ended.err) == (0, "")
    again = json.loads(ended.out)["answers"]
    assert [one["answer"] for one in again] == [one.answer for one in found]
    assert [one["counterexample"] for one in again] == [one.counterexample for one in found]
    assert {one["timeout"] for one in again} == {9.0}


def test_a_configuration_of_somebody_else_stays(files, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "config.toml").write_text("# mine\n")
    ended = command("attack", "--instances", files / "list.csv", "--out", tmp_path / "out", *FEW)
    assert_refused(ended, 2, "config.toml that is not of this list")
    assert (tmp_path / "out" / "config.toml").read_text() == "# mine\n"


def test_a_counterexample_of_another_preprocessing_does_not_replay(files, tmp_path):
    out = tmp_path / "out"
    command("certify", "--instances", files / "list.csv", "--out", out, *SCALED)
    changed = replace(read_list(out), preprocess=Preprocess(scale=1 / 500))
    (out / "list.json").write_bytes(changed.content())
    with pytest.raises(FalseClaimError):
        replay(out)
    assert ListFile.parse(changed.content()) == changed
