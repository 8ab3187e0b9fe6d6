"""``onnx-lippa distance``: the minimal distortion from both sides, its table, folder and replay."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from onnx_lippa import FalseClaimError, minimal_distortion, replay
from tests.support.attacks import DIGITS, DIGITS_DATA, digits, linear_file
from tests.support.commands import assert_refused, command
from tests.support.folders import edit_records, read_records

INPUTS = ("--indices", "0,5,3")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run and what it printed."""
    out = tmp_path_factory.mktemp("distance") / "run"
    ended = command("distance", DIGITS, DIGITS_DATA, *INPUTS, "--out", out)
    assert (ended.code, ended.err) == (0, "")
    return out, ended.out


def test_the_table_has_both_bounds_of_each_input(finished):
    out, printed = finished
    assert "minimal distortion in ℓ∞ distance" in printed
    for record in read_records(out / "results.jsonl"):
        assert record["distance_proved_by"] == "complete"
        assert 0 < record["distance_bound"] <= record["distance"] < record["distance_bound"] + 1e-4
        for bound in (record["distance_bound"], record["distance"]):
            assert f" {bound:.6g} " in printed
    for words in ("lower bound", "upper bound", "branch and bound", "3 of 3"):
        assert words in printed
    assert "adversarial examples" not in printed


def test_the_folder_replays_and_is_resumed(finished):
    out, _ = finished
    replayed = replay(out)
    assert (replayed.adversarial, replayed.bounded) == (3, 3)
    assert "the lower bounds of 3 distances" in command("replay", out).out
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["method"], summary["minimize"], summary["proven_distances"]) == (
        "distance", True, 3,
    )  # fmt: skip
    found = read_records(out / "results.jsonl")
    for field in ("distance", "distance_bound"):
        median = np.median([record[field] for record in found])
        assert summary[f"median_{field}"] == pytest.approx(median)
    before = (out / "results.jsonl").read_bytes()
    again = command("distance", DIGITS, DIGITS_DATA, *INPUTS, "--out", out, "--json")
    assert json.loads(again.out) == json.loads((out / "summary.json").read_text())
    assert (out / "results.jsonl").read_bytes() == before
    other = command("distance", DIGITS, DIGITS_DATA, *INPUTS, "--out", out, "--solver", "highs")
    assert_refused(other, 2, "another run")


def test_python_finds_the_same(finished):
    out, _ = finished
    model, x, y = digits()
    found = minimal_distortion(model, x[[0, 3, 5]], y[[0, 3, 5]], workers=2)
    stated = {record["index"]: record for record in read_records(out / "results.jsonl")}
    for place, index in enumerate((0, 3, 5)):
        assert found.distance_bounds[place] == pytest.approx(stated[index]["distance_bound"])
        assert found.distances[place] == pytest.approx(stated[index]["distance"])


def test_within_a_largest_distance(tmp_path):
    """Without an adversarial example the input is robust there, and the run has a robust error."""
    out = tmp_path / "run"
    ended = command("distance", DIGITS, DIGITS_DATA, "--indices", "3", "--eps", 0.05, "--out", out)
    assert (ended.code, ended.err) == (0, "")
    (record,) = read_records(out / "results.jsonl")
    assert (record["verdict"], record["distance"], record["distance_bound"]) == (
        "robust", None, 0.05,
    )  # fmt: skip
    assert record["bound"] > 0
    assert "within ℓ∞ distance 0.05" in ended.out
    assert replay(out).robust == 1


def test_a_domain_without_an_adversarial_example(tmp_path):
    model = linear_file(tmp_path, np.eye(2), np.array([0.0, -5.0]))
    np.savez(tmp_path / "d.npz", x=np.full((1, 2), 0.5, np.float32), y=[0])
    out = tmp_path / "run"
    ended = command("distance", model, tmp_path / "d.npz", "--out", out)
    assert (ended.code, ended.err) == (0, "")
    (record,) = read_records(out / "results.jsonl")
    assert (record["verdict"], record["distance_bound"]) == ("robust", None)
    assert "none" in ended.out
    assert replay(out).robust == 1


def test_a_bound_above_the_witness_is_a_false_claim(finished, tmp_path):
    out, _ = finished
    copy = Path(shutil.copytree(out, tmp_path / "run"))
    edit_records(copy / "results.jsonl", lambda all_: all_[0].update(distance_bound=0.5))
    with pytest.raises(FalseClaimError, match="nearer than its least distance"):
        replay(copy)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--solver", "abacus"), "abacus"),
        (("--time-limit", "0"), "time limit"),
        (("--eps", "0.1,0.2"), "is a list"),
    ],
)
def test_bad_arguments(words, says):
    assert_refused(command("distance", DIGITS, *words), 2, says)


def test_a_limit_leaves_the_bounds_apart():
    ended = command("distance", DIGITS, "--indices", 1, "--time-limit", 0.01, "--json")
    summary = json.loads(ended.out)
    assert (summary["counts"]["adversarial"], summary["proven_distances"]) == (1, 0)
