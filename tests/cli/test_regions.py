"""``onnx-lippa regions``."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from onnx_lippa import load
from tests.support.attacks import DIGITS
from tests.support.commands import command, contents
from tests.support.graphs import graph_model, node, saved
from tests.support.paths import MODELS

FEW = ("--first", 3, "--samples", 50)
COLUMNS = [
    "index", "active", "inactive", "decided", "unstable", "seen_unstable", "regions", "points",
]  # fmt: skip


def counted(*arguments):
    ended = command("regions", *arguments, "--json")
    assert (ended.code, ended.err) == (0, "")
    return json.loads(ended.out)


def test_table():
    ended = command("regions", DIGITS, "--eps", "0.05", *FEW)
    assert (ended.code, ended.err) == (0, "")
    words = ("ℓ∞", "0.05", "linear", "active", "unstable", "64", "51 points", "lower bound")
    assert [word for word in words if word not in ended.out] == []
    assert "maxima" not in ended.out


def test_json_adds_up():
    for bounds in ("interval", "linear"):
        found = counted(DIGITS, "--eps", "0.03", "--bounds", bounds, *FEW)
        assert [one["index"] for one in found["inputs"]] == [0, 1, 2]
        for one in found["inputs"]:
            assert list(one) == COLUMNS
            assert one["active"] + one["inactive"] + one["unstable"] == found["units"] == 64
            assert one["seen_unstable"] <= one["unstable"]
            assert 1 <= one["regions"] <= one["points"] == 51


def test_linear_bounds_prove_more():
    loose, tight = (
        counted(DIGITS, "--eps", "0.1", "--bounds", bounds, "--first", 5, "--samples", 10)["inputs"]
        for bounds in ("interval", "linear")
    )
    assert sum(one["unstable"] for one in tight) < sum(one["unstable"] for one in loose)


def test_without_a_radius_there_is_one_region():
    (one,) = counted(DIGITS, "--eps", "0", "--first", 1)["inputs"]
    assert (one["regions"], one["seen_unstable"]) == (1, 0)
    assert one["unstable"] == 0


def test_same_seed_same_result():
    one, same, other = (counted(DIGITS, "--eps", "0.1", *FEW, "--seed", seed) for seed in (1, 1, 2))
    assert one == same
    assert one != other


def test_chosen_inputs_are_those_of_the_whole():
    whole = counted(DIGITS, "--eps", "0.1", "--first", 4, "--samples", 30)["inputs"]
    chosen = counted(DIGITS, "--eps", "0.1", "--indices", "3,1", "--samples", 30)["inputs"]
    assert chosen == [whole[3], whole[1]]


@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_other_norms(norm):
    found = counted(DIGITS, "--eps", "0.3", "--norm", norm, *FEW)["inputs"]
    assert all(one["seen_unstable"] <= one["unstable"] for one in found)


def test_features_that_do_not_move(tmp_path):
    d = load(DIGITS).network.input_size
    np.save(tmp_path / "all.npy", np.ones(d))
    np.save(tmp_path / "eps.npy", np.where(np.arange(d) < 3, 0.5, 0.0))
    (still,) = counted(DIGITS, "--eps", "1", "--fixed", tmp_path / "all.npy", "--first", 1)[
        "inputs"
    ]
    assert (still["regions"], still["unstable"]) == (1, 0)
    (few,) = counted(DIGITS, "--eps", tmp_path / "eps.npy", "--first", 1)["inputs"]
    (all_,) = counted(DIGITS, "--eps", "0.5", "--first", 1)["inputs"]
    assert few["unstable"] < all_["unstable"]


def test_files(tmp_path):
    table, listing = tmp_path / "r.csv", tmp_path / "r.json"
    for path in (table, listing):
        ended = command("regions", DIGITS, "--eps", "0.05", *FEW, "--out", path)
        assert (ended.code, ended.err) == (0, "")
        assert path.name in "".join(ended.out.split())
    with table.open() as stream:
        rows = list(csv.DictReader(stream))
    expected = json.loads(listing.read_text())
    assert [{name: int(row[name]) for name in COLUMNS} for row in rows] == expected
    assert len(rows) == 3


def test_many_inputs_are_listed_in_part():
    ended = command("regions", DIGITS, "--eps", "0.01", "--first", 25, "--samples", 4)
    assert ended.code == 0, ended.err
    assert "the first 20 of 25" in ended.out


def test_quiet():
    ended = command("regions", DIGITS, "--eps", "0.05", *FEW, "--quiet")
    assert (ended.code, ended.out, ended.err) == (0, "", "")


def test_maxima(tmp_path):
    nodes = [
        node("MaxPool", "x", "m", kernel_shape=[2, 2], strides=[2, 2]),
        node("Flatten", "m", "f"),
        node("Relu", "f", "y"),
    ]
    path = saved(graph_model(nodes, (1, 4, 4)), tmp_path)
    ended = command("regions", path, "--eps", "0.001", *FEW)
    assert ended.code == 0, ended.err
    assert "maxima" in ended.out
    for one in counted(path, "--eps", "0.001", *FEW)["inputs"]:
        total = one["active"] + one["inactive"] + one["decided"] + one["unstable"]
        assert total == load(path).network.units == 8


def test_images():
    found = counted(MODELS / "mnist_cnn.onnx", "--eps", "0.02", "--first", 2, "--samples", 20)
    assert found["units"] == 2452
    assert all(0 < one["unstable"] < 2452 for one in found["inputs"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "give --eps"),
        (("--eps", "-1"), "eps is -1"),
        (("--eps", "much"), "--eps"),
        (("--eps", "0.1", "--bounds", "exact"), "interval, linear"),
        (("--eps", "0.1", "--norm", "l3"), "choose one of"),
        (("--eps", "0.1", "--samples", "-1"), "--samples is -1"),
        (("--eps", "0.1", "--seed", "-1"), "--seed is -1"),
        (("--eps", "0.1", "--out", "r.txt"), ".csv"),
        (("--eps", "0.1", "--first", "1", "--out", "none/r.csv"), "cannot write"),
        (("--eps", "0.1", "--first", "0"), "--first is 0"),
        (("--eps", "0.1", "--indices", "1,x"), "not understood"),
    ],
)
def test_bad_arguments(words, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ended = command("regions", DIGITS, *words)
    assert ended.code == 2
    assert said in ended.said
    assert ended.err.count("\n") == 1
    assert contents(tmp_path) == {}


def test_a_missing_model():
    ended = command("regions", "none.onnx", "--eps", "0.1")
    assert ended.code in (2, 3)
    assert "none.onnx" in ended.said
