"""Grids, masks and radii per feature, in witnesses that are replayed on them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import onnx_lippa
from onnx_lippa import InputError, Verdict
from onnx_lippa.attacks import Lippa, Pgd
from tests.support.attacks import digits, mlp_file

FEW: dict[str, Any] = {"restarts": 1, "gradient_steps": 15, "lp_steps": 2}


def test_pixels_of_8_bits():
    model, x, y = digits()
    whole = np.rint(x[:20] * 255).astype(np.uint8)
    clean = (whole / 255).astype(np.float32)
    result = onnx_lippa.attack(model, clean, y[:20], eps=0.08, grid=1 / 255, **FEW)
    broken = [i for i, v in enumerate(result.verdicts) if v is Verdict.ADVERSARIAL]
    assert broken
    for i in broken:
        levels = np.rint(result.adversarials[i] * 255)
        np.testing.assert_array_equal((levels / 255).astype(np.float32), result.adversarials[i])


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
@pytest.mark.parametrize("method", [Lippa(**FEW), Pgd(1, 15)])
def test_fixed_features_never_move(norm, method):
    model, x, y = digits()
    fixed = np.zeros(x.shape[1:], dtype=bool).ravel()
    fixed[::3] = True
    eps = {"linf": 0.2, "l2": 1.0, "l1": 3.0}[norm]
    result = onnx_lippa.attack(
        model, x[:10], y[:10], eps=eps, norm=norm, method=method, fixed=fixed
    )
    assert Verdict.ADVERSARIAL in result.verdicts
    moved = (result.adversarials != x[:10]).reshape(10, -1)
    assert not moved[:, fixed].any()


def test_radii_of_their_own():
    model, x, y = digits()
    radii = np.linspace(0.0, 0.3, x[0].size)
    result = onnx_lippa.attack(model, x[:10], y[:10], eps=1.0, scale=radii, **FEW)
    assert Verdict.ADVERSARIAL in result.verdicts
    distance = np.abs(result.adversarials.astype(np.float64) - x[:10]).reshape(10, -1)
    assert np.all(distance <= radii)


def test_bounds_of_their_own():
    model, x, y = digits()
    upper = np.where(x.reshape(len(x), -1).max(axis=0) > 0, 1.0, 0.0)
    result = onnx_lippa.attack(model, x[:10], y[:10], eps=0.2, upper=upper, **FEW)
    assert np.all(result.adversarials.reshape(10, -1) <= upper)


@pytest.mark.parametrize("seed", range(4))
def test_coarse_grids_against_every_point(tmp_path, seed):
    """Three whole numbers from 0 to 4: the answer is that of all 125 points."""
    path = mlp_file(tmp_path, (3, 8, 8, 3), seed)
    model = onnx_lippa.load(path, upper=4.0)
    points = np.stack(np.meshgrid(*[np.arange(5)] * 3), axis=-1).reshape(-1, 3).astype(np.float32)
    labels = model.runtime.forward(points).argmax(axis=1)
    clean = points[[0, 31, 62, 93, 124]]
    y = labels[[0, 31, 62, 93, 124]]
    result = onnx_lippa.attack(model, clean, y, eps=2.0, upper=4.0, grid=1.0, **FEW)
    for x, label, success in zip(clean, y, result.success, strict=True):
        near = np.abs(points - x).max(axis=1) <= 2.0
        assert success == bool(np.any(labels[near] != label))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"scale": [0.1, 0.2]}, "64"),
        ({"eps": -0.1}, "negative"),
        ({"grid": [0.5]}, "64"),
        ({"grid": -1.0}, "negative"),
        ({"grid": 0.3}, "grid"),
        ({"fixed": [64]}, "64"),
        ({"lower": [0.0] * 3}, "64"),
        ({"upper": [1.0] * 63 + [-1.0]}, "63"),
    ],
)
def test_refused(options, says):
    model, x, y = digits()
    with pytest.raises(InputError, match=says):
        onnx_lippa.attack(model, x[:2], y[:2], **({"eps": 0.1} | options))
