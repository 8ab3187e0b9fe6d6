"""Adversarial images as PNG files, read back by another library's reader."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from PIL import Image

import onnx_lippa
from onnx_lippa.reports.page.images import are_exact, show_difference, to_pixels
from onnx_lippa.runs.finished import FinishedRun
from tests.support.commands import FEW, assert_refused, command
from tests.support.folders import read_records
from tests.support.paths import MODELS

BOX = (np.zeros(784), np.ones(784))


def test_every_witness_is_an_image(tmp_path, image_run):
    ended = command("export", image_run, "--images", tmp_path / "png")
    assert (ended.code, ended.err) == (0, "")
    run = FinishedRun.read(image_run)
    records = {one["index"]: one for one in read_records(image_run / "results.jsonl")}
    with (tmp_path / "png" / "images.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["index"]) for row in rows] == sorted(run.witnesses)
    assert len(rows) > 3
    assert f"{len(rows)} adversarial images in" in ended.out
    assert "rounded to the 256 levels" in ended.out
    for row in rows:
        index = int(row["index"])
        with Image.open(tmp_path / "png" / row["file"]) as image:
            pixels = np.asarray(image)
        assert pixels.shape == (28, 28)
        stored = run.witnesses[index].x.reshape(28, 28)
        assert np.abs(pixels / 255 - stored).max() <= 0.5 / 255 + 1e-6
        assert (int(row["label"]), int(row["target"])) == (
            records[index]["label"], records[index]["target"],
        )  # fmt: skip
        assert float(row["distance"]) == records[index]["distance"]


def test_images_on_the_grid_are_exact(tmp_path):
    """The bytes, read back as the tool reads bytes, are the witness itself and fool the model."""
    path = MODELS / "mnist_mlp.onnx"
    with np.load(MODELS / "mnist_mlp.npz") as data:
        x, y = data["images"][:6], data["labels"][:6]
    results = onnx_lippa.attack(path, x, y, eps=20.5 / 255, grid=1 / 255, restarts=1)
    written = onnx_lippa.export(results, images=tmp_path)
    assert written.exact == len(written.files) == results.figures.counts.adversarial > 2
    for file in written.files:
        with Image.open(file) as image:
            pixels = np.asarray(image)
        index, label = int(file.name.split("-")[1]), int(file.name.split("-")[3])
        witness = results[index].witness
        assert witness is not None
        exact = (pixels / 255.0).astype(np.float32)
        np.testing.assert_array_equal(exact.ravel(), witness.x)
        again = onnx_lippa.attack(path, pixels[None], [label], eps=0.0, restarts=1)
        assert again[0].verdict is onnx_lippa.Verdict.MISCLASSIFIED


def test_a_curve_has_a_folder_for_each_radius(tmp_path):
    words = ("attack", MODELS / "mnist_mlp.onnx", "--first", 4, "--eps", "0.05,0.1")
    assert command(*words, *FEW, "--quiet", "--out", tmp_path / "curve").code == 0
    assert command("export", tmp_path / "curve", "--images", tmp_path / "png").code == 0
    assert sorted(path.name for path in (tmp_path / "png").iterdir()) == ["eps-0.05", "eps-0.1"]
    with np.load(MODELS / "mnist_mlp.npz") as data:
        x, y = data["images"][:4], data["labels"][:4]
    curve = onnx_lippa.attack(MODELS / "mnist_mlp.onnx", x, y, eps=[0.05, 0.1], restarts=1)
    onnx_lippa.export(curve, images=tmp_path / "memory")
    assert sorted(path.name for path in (tmp_path / "memory").iterdir()) == ["eps 0.05", "eps 0.1"]


def test_what_is_no_image_is_refused(tmp_path, table_run):
    assert_refused(command("export", table_run, "--images", tmp_path), 2, "shape 64", "no images")
    (tmp_path / "file").touch()


def test_folders_that_cannot_be_written(tmp_path, image_run):
    (tmp_path / "file").touch()
    words = ("export", image_run, "--images", tmp_path / "file")
    assert_refused(command(*words), 2, "another --images")


@pytest.mark.parametrize(
    ("shape", "stored"),
    [
        ((6, 5), (6, 5)),
        ((1, 6, 5), (6, 5)),
        ((6, 5, 1), (6, 5)),
        ((3, 6, 5), (6, 5, 3)),
        ((6, 5, 3), (6, 5, 3)),
    ],
)
def test_axes_of_images(shape, stored):
    x = np.random.default_rng(0).integers(0, 256, shape).astype(np.float32) / np.float32(255)
    box = (np.zeros(x.size), np.ones(x.size))
    pixels = to_pixels(x, box)
    assert pixels.shape == stored
    assert are_exact(pixels, x, box)
    channels = np.moveaxis(pixels, -1, 0) if shape[0] == 3 else pixels
    np.testing.assert_array_equal((channels.reshape(shape) / 255).astype(np.float32), x)
    assert not are_exact(pixels, x + np.float32(1e-4), box)


def test_domains_that_are_not_the_unit_box():
    x = np.array([[-1.0, 0.0, 0.0, 1.0]] * 4)
    np.testing.assert_array_equal(
        to_pixels(x, (np.full(16, -1.0), np.full(16, 1.0)))[0], [0, 128, 128, 255]
    )
    endless = (np.full(16, -np.inf), np.full(16, np.inf))
    np.testing.assert_array_equal(to_pixels(x * 7, endless)[0], [0, 128, 128, 255])


def test_a_difference_is_red_where_it_is_more_and_blue_where_it_is_less(tmp_path):
    difference = np.zeros((4, 4))
    difference[0, 0], difference[1, 1] = 0.2, -0.2
    (tmp_path / "d.png").write_bytes(show_difference(difference))
    with Image.open(tmp_path / "d.png") as image:
        pixels = np.asarray(image).astype(int)
    red, blue, none = pixels[0, 0], pixels[1, 1], pixels[2, 2]
    assert red[0] > red[2] + 80
    assert blue[2] > blue[0] + 80
    assert none.min() > 240
