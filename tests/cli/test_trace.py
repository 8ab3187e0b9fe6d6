"""``onnx-lippa trace``: the table, the sentence, and the files."""

from __future__ import annotations

import csv
import importlib.util
import json
import math

import numpy as np
import pytest
from PIL import Image

from onnx_lippa import InputError, trace
from tests.support.attacks import DIGITS, digits, linear_file, plain_outputs
from tests.support.commands import command, contents
from tests.support.graphs import graph_model, node, saved

FOUND = (DIGITS, "--index", 7, "--eps", "0.1")
COLUMNS = ["step", "kind", "margin", "distance", "target", "region", "is_new", "seconds"]


def test_table_and_sentence():
    ended = command("trace", *FOUND)
    assert (ended.code, ended.err) == (0, "")
    words = ("path of lippa-paper on input 7", "ℓ∞ distance 0.1", "GSStep", "LPStep", "1 new")
    assert [word for word in words if word not in ended.out] == []
    sentence = "input 7 is adversarial after 2 LPSteps, 1 GSStep and 0 restarts through 2 linear"
    assert sentence in ended.out
    assert "replayed by ONNX Runtime" in ended.out


def test_an_unbroken_input_and_long_paths():
    ended = command("trace", DIGITS.parent / "mnist_mlp.onnx", "--index", 4, "--eps", "0.05")
    assert ended.code == 0
    assert "input 4 is unknown after 40 LPSteps" in ended.out
    assert "the first 40 of" in ended.out
    assert "restart" in ended.out


def test_json_says_what_python_says(tmp_path):
    path = tmp_path / "path.json"
    ended = command("trace", *FOUND, "--json", "--out", path)
    assert (ended.code, ended.err) == (0, "")
    shown, stored = json.loads(ended.out), json.loads(path.read_text())
    assert stored.pop("arrays") == "path.npz"
    for one in (*shown["points"], *stored["points"]):
        one.pop("seconds")
    assert shown == stored
    assert (shown["index"], shown["eps"], shown["method"]) == (7, 0.1, "lippa-paper")
    assert (shown["verdict"], shown["found_by"], shown["regions"]) == ("adversarial", "lp", 2)
    model, x, y = digits()
    found = trace(model, x, y, eps=0.1, index=7)
    for one, point in zip(shown["points"], found.points, strict=True):
        assert (one["kind"], one["margin"]) == (point.kind.value, point.margin)
    with np.load(tmp_path / "path.npz") as arrays:
        np.testing.assert_array_equal(arrays["x"], [point.x for point in found.points])
        np.testing.assert_array_equal(arrays["clean"], x[7].ravel())
        witness = arrays["witness"]
    assert witness.dtype == np.float32
    assert plain_outputs(DIGITS, witness[None])[0].argmax() == shown["target"]


def test_csv(tmp_path):
    path = tmp_path / "path.csv"
    assert command("trace", *FOUND, "--out", path, "--quiet").out == ""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == COLUMNS
    assert [row["kind"] for row in rows] == ["start", "LPStep", "GSStep", "LPStep"]
    assert float(rows[-1]["margin"]) < 0 < float(rows[0]["margin"])


@pytest.mark.parametrize(
    "words",
    [
        ("--index", 7, "--eps", "0.1"),
        ("--index", 1, "--eps", "0.05"),  # restarts
        ("--index", 0, "--eps", "0.1"),  # one LPStep
        ("--index", 2),
        ("--index", 1, "--eps", "1.5", "--norm", "l1"),
        ("--index", 1, "--eps", "0.05", "--method", "lippa"),
        ("--index", 7, "--eps", "0.1", "--norm", "l2", "--minimize"),
    ],
)
def test_pictures(tmp_path, words):
    path = tmp_path / "path.png"
    ended = command("trace", DIGITS, *words, "--out", path)
    assert (ended.code, ended.err) == (0, "")
    with Image.open(path) as image:
        width, height = image.size
        colours = image.convert("RGB").getcolors(1 << 24)
    assert (width, height) == (1920, 992)
    assert colours is not None
    assert len(colours) > 100


def test_a_picture_in_letters(tmp_path):
    first, second = (tmp_path / name for name in ("a.svg", "b.svg"))
    for path in (first, second):
        assert command("trace", *FOUND, "--out", path).code == 0
    assert first.read_bytes() == second.read_bytes()
    text = first.read_text()
    for word in (
        "LPStep",
        "GSStep",
        "clean input",
        "adversarial below 0",
        "linear region",
        "class",
    ):
        assert word in text


def test_paths_without_a_plane_of_regions(tmp_path):
    """A path of one point, one on a line, and a network with maxima."""
    path = tmp_path / "path.svg"
    line = linear_file(tmp_path, np.array([[1.0, -1.0]]), np.array([0.0, 0.0]), "line.onnx")
    flat = linear_file(tmp_path, np.zeros((2, 2)), np.array([1.0, 0.0]), "flat.onnx")
    maxima = graph_model(
        [node("ReduceMax", "x", "m", axes=[1], keepdims=1), node("Gemm", "m w b", "y")], (2,),
        {"w": np.array([[1, -1]], np.float32), "b": np.array([0, 0.5], np.float32)},
    )  # fmt: skip
    saved(maxima, tmp_path, "maxima.onnx")
    said = {}
    for model, d in ((line, 1), (flat, 2), (tmp_path / "maxima.onnx", 2)):
        trace(model, np.full((1, d), 0.4, np.float32), eps=0.1, out=path)
        said[model.stem] = path.read_text()
    assert "no plane" in said["line"]
    assert "margin" in said["flat"]
    assert "regions of a network with maxima are not drawn" in said["maxima"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--index", 99999), "the data holds"),
        (("--index", -1), "--index is -1"),
        (("--eps", "0.1", "--out", "path.txt"), "give a .png, .svg, .json or .csv file"),
        (("--eps", "0.1", "--out", "none/path.csv"), "there is no folder none"),
        (("--eps", "0.1", "--method", "fast"), "there is no method 'fast'"),
        (("--eps", "0.1", "--lp-steps", "0"), "lp_steps is 0"),
        (("--eps", "0.1", "--method", "pgd", "--lp-steps", "2"), "no option of the method"),
        (("--eps", "-1"), "eps is -1"),
    ],
)
def test_bad_arguments(words, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ended = command("trace", DIGITS, *words)
    assert ended.code == 2
    assert said in ended.said
    assert ended.err.count("\n") == 1
    assert contents(tmp_path) == {}


def test_a_misclassified_input(tmp_path):
    _, x, y = digits()
    np.savez(tmp_path / "wrong.npz", x=x[:2], y=(y[:2] + 1) % 10)
    ended = command("trace", DIGITS, tmp_path / "wrong.npz", "--eps", "0.1")
    assert ended.code == 2
    assert "input 0 is misclassified" in ended.said


def test_a_picture_needs_the_extra(tmp_path, monkeypatch):
    plain = importlib.util.find_spec
    monkeypatch.setattr(
        "onnx_lippa.reports.writing.find_spec",
        lambda name: None if name == "matplotlib" else plain(name),
    )
    model, x, y = digits()
    with pytest.raises(InputError, match=r"needs matplotlib: .*pip install 'onnx-lippa\[report\]'"):
        trace(model, x, y, eps=0.1, out=tmp_path / "path.png")
    found = trace(model, x, y, eps=0.1, out=tmp_path / "path.csv")
    assert math.isfinite(found.points[-1].margin)
    assert set(contents(tmp_path)) == {"path.csv"}
