"""Finished runs for pages, made once: images, a table, a curve, distances."""

from __future__ import annotations

import pytest

from tests.support.attacks import DIGITS, DIGITS_DATA
from tests.support.commands import FEW, command
from tests.support.paths import MODELS


def run_once(factory, name, *words):
    folder = factory.mktemp("runs") / name
    ended = command(*words, "--quiet", "--out", folder)
    assert (ended.code, ended.err) == (0, "")
    return folder


@pytest.fixture(scope="session")
def image_run(tmp_path_factory):
    """An attack on images."""
    model = MODELS / "mnist_mlp.onnx"
    words = ("attack", model, model.with_suffix(".npz"), "--first", 24, "--eps", 0.05)
    return run_once(tmp_path_factory, "images", *words, *FEW)


@pytest.fixture(scope="session")
def table_run(tmp_path_factory):
    """An audit of inputs that are no images, some left open: there is no time to search."""
    words = ("audit", DIGITS, DIGITS_DATA, "--first", 60, "--eps", 0.06, "--time-limit", 0.019)
    return run_once(tmp_path_factory, "table", *words)


@pytest.fixture(scope="session")
def curve_run(tmp_path_factory):
    """Audits at three radii."""
    words = ("audit", DIGITS, DIGITS_DATA, "--first", 20, "--eps", "0.06,0.02,0.1")
    return run_once(tmp_path_factory, "curve", *words, "--time-limit", 0.019)


@pytest.fixture(scope="session")
def distance_run(tmp_path_factory):
    """Bounds of minimal distances."""
    words = ("distance", DIGITS, DIGITS_DATA, "--indices", "3,0", "--time-limit", 1)
    return run_once(tmp_path_factory, "distance", *words)
