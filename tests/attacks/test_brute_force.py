"""Networks of two inputs, where a fine grid knows the nearest adversarial example."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from onnx_lippa import attack
from tests.support.attacks import check_result, mlp_file, plain_outputs
from tests.support.networks import grid

POINTS = 401
STEP = 1.0 / (POINTS - 1)
GENEROUS: dict[str, Any] = {"restarts": 8, "gradient_steps": 60, "lp_steps": 20}
SEEDS = (2, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (0, 4, 5, 7, 8)))
DISTANCES = {
    "linf": lambda shift: np.abs(shift).max(axis=1),
    "l1": lambda shift: np.abs(shift).sum(axis=1),
    "l2": lambda shift: np.sqrt((shift * shift).sum(axis=1)),
}


@cache
def grid_points() -> np.ndarray:
    return grid(np.zeros(2), np.ones(2), POINTS).astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("two_inputs")


def problem(folder: Path, seed: int) -> tuple[Path, np.ndarray, np.ndarray, np.ndarray]:
    """A model, some inputs, their labels, and the classes of the grid."""
    path = mlp_file(folder, (2, 12, 8, 3), seed, f"net{seed}.onnx", gain=1.5)
    classes = plain_outputs(path, grid_points()).argmax(axis=1)
    assert len(set(classes.tolist())) > 1
    x = np.random.default_rng([99, seed]).uniform(size=(6, 2)).astype(np.float32)
    return path, x, plain_outputs(path, x).argmax(axis=1), classes


def grid_distances(norm: str, x: np.ndarray, y: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Distance of the nearest grid point of another class."""
    least = []
    for row, label in zip(x, y, strict=True):
        wrong = grid_points()[classes != label].astype(np.float64)
        least.append(DISTANCES[norm](wrong - row.astype(np.float64)).min())
    return np.array(least)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("norm", list(DISTANCES))
def test_nearest(folder, norm, seed):
    path, x, y, classes = problem(folder, seed)
    known = grid_distances(norm, x, y, classes)
    result = attack(path, x, y, norm=norm, **GENEROUS)
    check_result(path, x, y, result, norm)
    # Every grid point of another class is an adversarial example, so the nearest is no farther.
    farther = np.flatnonzero(result.distances > known + STEP)
    assert len(farther) <= 1, (farther, result.distances[farther], known[farther])
    # What was found is near the grid's: only a region between the grid points could be nearer.
    assert np.median(np.abs(result.distances - known)) <= 2 * STEP


@pytest.mark.parametrize(
    ("norm", "seed"),
    [("linf", 0), *(pytest.param(n, 7, marks=pytest.mark.slow) for n in DISTANCES)],
)
def test_within_eps(folder, norm, seed):
    path, x, y, classes = problem(folder, seed)
    known = grid_distances(norm, x, y, classes)
    eps = float(np.median(known)) + STEP
    result = attack(path, x, y, eps=eps, norm=norm, **GENEROUS)
    check_result(path, x, y, result, norm, eps)
    missed = np.flatnonzero((known <= eps - STEP) & ~result.success)
    assert len(missed) <= 1, (missed, known[missed])
