"""Attacks whose witnesses must lie on a grid, against every point of small ones."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from onnx_lippa import Verdict, attack
from onnx_lippa.attacks import Lippa, Pgd, schedule
from onnx_lippa.method import SingleStage
from onnx_lippa.onnx_io import load
from onnx_lippa.spec import InputSpecification
from tests.support.attacks import (
    DIGITS,
    all_points,
    check_features,
    digits,
    distances,
    fingerprints,
    mlp_file,
    outcomes_of,
    plain_outputs,
)
from tests.support.graphs import graph_model, node, saved
from tests.support.paths import MODELS

FEW: dict[str, Any] = {"restarts": 1, "gradient_steps": 15, "lp_steps": 3}
NORMS = ["linf", "l1", "l2"]


def classified(path, axes, count, seed=0):
    """All points of a grid, their classes, and some of them as inputs."""
    points = all_points(axes)
    classes = plain_outputs(path, points).argmax(axis=1)
    chosen = np.random.default_rng(seed).choice(len(points), count, replace=False)
    return points, classes, points[chosen], classes[chosen]


def nearest(norm, points, classes, x, y):
    """Distance of the nearest point of another class."""
    return np.array(
        [
            distances(norm, points[classes != label], row).min(initial=np.inf)
            for row, label in zip(x, y, strict=True)
        ]
    )


# Complete answers


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize(
    ("axes", "grid", "upper"),
    [
        ([np.arange(6) / 5] * 4, 0.2, 1.0),
        # Whole numbers, a yes or no, and categories beside each other.
        ([np.arange(9), np.arange(2), np.arange(5), np.arange(11) / 10], (1, 1, 1, 0.1),
         (8, 1, 4, 1)),
    ],
)  # fmt: skip
def test_all_points(tmp_path, norm, axes, grid, upper):
    path = mlp_file(tmp_path, (4, 16, 12, 4), seed=1, gain=1.5)
    points, classes, x, y = classified(path, axes, 8)
    known = nearest(norm, points, classes, x, y)
    assert np.isfinite(known).any()
    found = attack(path, x, y, norm=norm, grid=grid, upper=upper, **FEW)
    check_features(path, x, y, found, norm, InputSpecification.build(4, upper=upper, grid=grid))
    np.testing.assert_allclose(found.distances, known, rtol=1e-6)
    eps = float(np.median(known)) * (1 + 1e-6)
    within = attack(path, x, y, eps=eps, norm=norm, grid=grid, upper=upper, **FEW)
    check_features(
        path, x, y, within, norm, InputSpecification.build(4, upper=upper, grid=grid, eps=eps)
    )
    np.testing.assert_array_equal(within.success, known <= eps)


@pytest.mark.parametrize("norm", NORMS)
def test_all_points_with_radii_and_a_mask(tmp_path, norm):
    path = mlp_file(tmp_path, (5, 16, 12, 4), seed=2, gain=1.5)
    radii, steps = np.array([3.0, 0.45, 2.0, 1.0, 0.5]), np.array([1.0, 0.1, 1.0, 1.0, 0.25])
    axes = [np.arange(5), np.arange(11) / 10, np.arange(4), np.arange(3), np.arange(5) / 4]
    points, classes, x, y = classified(path, axes, 8)
    known = []
    for row, label in zip(x, y, strict=True):
        mine = points[(classes != label) & (points[:, 3] == row[3])]
        known.append(distances(norm, mine / radii, row / radii).min(initial=np.inf))
    given: dict[str, Any] = {
        "eps": 1.0,
        "scale": radii,
        "grid": steps,
        "fixed": [3],
        "upper": [4, 1, 3, 0.5, 1],
    }
    features = InputSpecification.build(5, **given)
    for minimize in (False, True):
        result = attack(path, x, y, norm=norm, minimize=minimize, **given, **FEW)
        check_features(path, x, y, result, norm, features)
        np.testing.assert_array_equal(result.success, np.array(known) <= 1)
        if minimize:
            expected = np.where(np.array(known) <= 1, known, np.inf)
            np.testing.assert_allclose(result.distances, expected, rtol=1e-6)


def test_everything_looked_at_is_unknown_at_once(tmp_path):
    """The attack proves nothing, but it does not go on where there is nothing left."""
    path = mlp_file(tmp_path, (3, 8, 3), seed=1, gain=0.2)
    x = np.full((1, 3), 0.5, np.float32)
    y = plain_outputs(path, x).argmax(axis=1)
    result = attack(path, x, y, eps=0.3, grid=0.25, restarts=500, gradient_steps=5000)
    assert result.verdicts == (Verdict.UNKNOWN,)
    assert result[0].effort.seconds < 5


def test_a_network_of_ties_is_enumerated_quickly(tmp_path):
    path = mlp_file(tmp_path, (4, 8, 3), seed=1, gain=0.0)
    x = np.full((1, 4), 0.5, np.float32)
    y = plain_outputs(path, x).argmax(axis=1)
    result = attack(path, x, y, eps=0.5, grid=0.05, **FEW)
    assert result.verdicts == (Verdict.UNKNOWN,)
    assert result[0].effort.seconds < 20


# Without looking at all points


@pytest.mark.parametrize("norm", NORMS)
def test_search(tmp_path, monkeypatch, norm):
    monkeypatch.setattr(schedule, "_FEW_ON_GRID", 1)
    monkeypatch.setattr(schedule, "_ALL_ON_GRID", 1)
    wanted = found = near = total = 0
    for seed in (0, 2):
        path = mlp_file(tmp_path, (5, 16, 12, 4), seed, f"{seed}.onnx", gain=1.6)
        points, classes, x, y = classified(path, [np.arange(5) / 4] * 5, 4, seed)
        known = nearest(norm, points, classes, x, y)
        eps = float(np.median(known[np.isfinite(known)])) * 1.01
        within = attack(path, x, y, eps=eps, norm=norm, grid=0.25, **FEW)
        check_features(path, x, y, within, norm, InputSpecification(eps=eps, grid=0.25))
        wanted, found = wanted + (known <= eps).sum(), found + within.success.sum()
        least = attack(path, x, y, norm=norm, grid=0.25, **FEW)
        check_features(path, x, y, least, norm, InputSpecification(grid=0.25))
        near += (least.distances <= known * (1 + 1e-6)).sum()
        total += len(x)
    assert wanted > 3
    assert found >= wanted - 1
    assert near >= total - 2


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("minimize", [False, True])
def test_whole_numbers_beside_any_numbers(tmp_path, norm, minimize):
    """Two features of any value keep the rest from being enumerated."""
    path = mlp_file(tmp_path, (4, 16, 12, 4), seed=6, gain=1.6)
    steps = np.array([1 / 3, 1 / 3, 0, 0])
    axes = [np.arange(4) / 3, np.arange(4) / 3, np.arange(21) / 20, np.arange(21) / 20]
    points, classes, x, y = classified(path, axes, 5)
    known = nearest(norm, points, classes, x, y)
    eps = float(np.median(known)) * 1.1
    result = attack(path, x, y, eps=eps, norm=norm, grid=steps, minimize=minimize, **FEW)
    check_features(path, x, y, result, norm, InputSpecification.build(4, eps=eps, grid=steps))
    assert result.success.sum() >= (known <= eps).sum() - 1


def test_pixels():
    """Witnesses among images are images again: every value is a byte divided by 255."""
    path = MODELS / "mnist_mlp.onnx"
    with np.load(path.with_suffix(".npz")) as data:
        x, y = data["images"][:12].reshape(12, -1), data["labels"][:12]
    x = x.astype(np.float32) / np.float32(255)
    result = attack(path, x, y, eps=12.5 / 255, grid=1 / 255, restarts=1)
    check_features(path, x, y, result, "linf", InputSpecification(eps=12.5 / 255, grid=1 / 255))
    found = result.adversarials.reshape(12, -1)
    pixels = np.rint(found * 255).astype(np.uint8)
    np.testing.assert_array_equal(found, pixels.astype(np.float32) / np.float32(255))
    shift = pixels.astype(int) - np.rint(x * 255).astype(int)
    assert np.abs(shift).max() == 12
    free = attack(path, x, y, eps=12.5 / 255, restarts=1)
    assert result.success.sum() >= free.success.sum() - 1
    assert result.success.any()


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("method", [Lippa(1, 10, 2), Pgd(1, 10)])
@pytest.mark.parametrize("minimize", [False, True])
def test_digits(norm, method, minimize):
    model, x, y = digits()
    eps = {"linf": 2.5 / 16, "l1": 3.0, "l2": 0.6}[norm]
    result = attack(
        model, x[:3], y[:3], eps=eps, norm=norm, grid=1 / 16, fixed=range(0, 64, 5),
        method=method, minimize=minimize,
    )  # fmt: skip
    features = InputSpecification.build(64, eps=eps, grid=1 / 16, fixed=list(range(0, 64, 5)))
    check_features(DIGITS, x[:3], y[:3], result, norm, features)
    assert Verdict.ADVERSARIAL in result.verdicts


def test_a_float64_model(tmp_path):
    """3/10 is what dividing gives, in the type of the model."""
    from onnx import TensorProto

    generator = np.random.default_rng(4)
    weight = generator.normal(size=(3, 8))
    constants = {"w": weight, "v": generator.normal(size=(8, 3)), "half": np.full(3, 0.5)}
    nodes = [
        node("Sub", "x half", "c"), node("MatMul", "c w", "h"), node("Relu", "h", "r"),
        node("MatMul", "r v", "y"),
    ]  # fmt: skip
    path = saved(graph_model(nodes, (3,), constants, element=TensorProto.DOUBLE), tmp_path)
    x = np.arange(3, 6)[None] / 10
    result = attack(load(path), x, eps=0.65, grid=0.1, **FEW)
    assert result.success.all()
    assert result.adversarials.dtype == np.float64
    assert set(result.adversarials.ravel()) <= set(np.arange(11) / 10)


# Same seed, same result; and on time


@pytest.mark.parametrize("minimize", [False, True])
def test_neighbours_and_order(minimize):
    model, x, y = digits()
    features = InputSpecification.build(64, eps=np.full(64, 0.16), grid=1 / 16, fixed=[0, 9, 20])
    asked = {"features": features, "minimize": minimize, "restarts": 1, "gradient_steps": 10}
    whole = fingerprints(outcomes_of(model, x, y, [0, 4, 9], "linf", **asked))
    alone: dict[int, tuple[object, ...]] = {}
    for i in (9, 4, 0):
        alone |= fingerprints(outcomes_of(model, x, y, [i], "linf", **asked))
    assert alone == whole


@pytest.mark.slow
def test_workers(monkeypatch):
    model, x, y = digits()
    asked = {"features": InputSpecification(eps=0.16, grid=1 / 16, fixed=(3, 9)), **FEW}
    whole = fingerprints(outcomes_of(model, x, y, range(6), "linf", **asked))
    monkeypatch.setattr(SingleStage, "inputs_together", 2)
    spread = fingerprints(outcomes_of(model, x, y, range(6), "linf", workers=2, **asked))
    assert spread == whole


@pytest.mark.parametrize("minimize", [False, True])
def test_time_limits(tmp_path, minimize):
    path = mlp_file(tmp_path, (8, 30, 30, 4), seed=1, gain=0.3)
    x = np.full((2, 8), 0.5, np.float32)
    started = time.monotonic()
    attack(path, x, [0, 1], eps=0.5, grid=0.1, minimize=minimize, time_limit=0.3, restarts=50)
    assert time.monotonic() - started < 5
