"""Finished runs to check, copied so that every test may spoil its own."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from tests.support.attacks import DIGITS, DIGITS_DATA
from tests.support.cluster import DaskCluster
from tests.support.commands import FEW, command


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory):
    """A folder with a model, its data with two wrong labels, and the run on twelve inputs."""
    folder = tmp_path_factory.mktemp("finished")
    shutil.copy(DIGITS, folder / "model.onnx")
    with np.load(DIGITS_DATA) as data:
        x, y = data["x"][:20], data["y"][:20].copy()
    y[3], y[7] = (y[3] + 1) % 10, (y[7] + 1) % 10
    np.savez(folder / "data.npz", x=x, y=y)
    ended = command(
        "attack", folder / "model.onnx", folder / "data.npz", "--eps", 0.06, "--first", 12,
        "--out", folder / "run", "--quiet", *FEW,
    )  # fmt: skip
    assert (ended.code, ended.out, ended.err) == (0, "", "")
    return folder


@pytest.fixture
def run(finished_run, tmp_path):
    """A copy of the finished run, its paths adjusted; ``run / 'run'`` is the --out folder."""
    for path in finished_run.iterdir():
        (shutil.copytree if path.is_dir() else shutil.copy)(path, tmp_path / path.name)
    asked = tmp_path / "run" / "run.json"
    asked.write_text(asked.read_text().replace(str(finished_run), str(tmp_path)))
    summary = tmp_path / "run" / "summary.json"
    summary.write_text(summary.read_text().replace(str(finished_run), str(tmp_path)))
    return tmp_path


@pytest.fixture
def cluster(tmp_path):
    """A Dask scheduler, to which a test adds workers."""
    folder = tmp_path / "dask"
    folder.mkdir()
    with DaskCluster(folder) as started:
        yield started
