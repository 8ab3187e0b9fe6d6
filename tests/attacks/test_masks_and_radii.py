"""Radii, bounds and masks per feature, in every norm, method and mode."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from onnx_lippa import Verdict, attack
from onnx_lippa.attacks import Lippa, Pgd
from onnx_lippa.onnx_io import load
from onnx_lippa.spec import InputSpecification
from tests.support.attacks import (
    DIGITS,
    RADII,
    check_features,
    check_result,
    digits,
    fingerprints,
    linear_file,
    mlp_file,
    outcomes_of,
    plain_outputs,
)

FEW: dict[str, Any] = {"restarts": 1, "gradient_steps": 15, "lp_steps": 3}
METHODS = [Lippa(**FEW), Pgd(1, 15)]
NORMS = list(RADII)
N = 6


def inputs(n: int = N):
    _, x, y = digits()
    return x[:n].copy(), y[:n].copy()


def random_radii(norm: str, seed: int = 0) -> np.ndarray:
    radii = 2.5 * RADII[norm] * np.random.default_rng(seed).uniform(0.3, 1, 64)
    radii[::9] = 0.0
    return radii


MASK = np.random.default_rng(1).uniform(size=64) < 0.3


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("minimize", "each"),
    [(False, False), (True, True), pytest.param(False, True, marks=pytest.mark.slow),
     pytest.param(True, False, marks=pytest.mark.slow)],
)  # fmt: skip
def test_masks(norm, method, minimize, each):
    x, y = inputs()
    eps, scale = (1.0, random_radii(norm)) if each else (1.6 * RADII[norm], None)
    result = attack(
        digits()[0], x, y, norm=norm, eps=eps, scale=scale, fixed=MASK, method=method,
        minimize=minimize,
    )  # fmt: skip
    features = InputSpecification.build(64, eps=eps, scale=scale, fixed=MASK)
    check_features(DIGITS, x, y, result, norm, features)
    assert Verdict.ADVERSARIAL in result.verdicts


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("method", METHODS)
def test_masks_without_a_radius(norm, method):
    x, y = inputs(4)
    result = attack(digits()[0], x, y, norm=norm, fixed=np.flatnonzero(MASK), method=method)
    check_features(DIGITS, x, y, result, norm, InputSpecification.build(64, fixed=MASK))
    assert result.success.all()
    unmasked = attack(digits()[0], x, y, norm=norm, method=method)
    assert np.median(unmasked.distances) <= np.median(result.distances)


@pytest.mark.parametrize("engine", ["rows", "stacked"])
@pytest.mark.parametrize("norm", NORMS)
def test_engines_on_radii_and_masks(engine, norm):
    (x, y), scale = inputs(3), random_radii(norm)
    for minimize in (False, True):
        result = attack(
            digits()[0], x, y, eps=1.0, scale=scale, fixed=MASK, norm=norm, engine=engine,
            minimize=minimize, restarts=0, gradient_steps=2, lp_steps=3,
        )  # fmt: skip
        features = InputSpecification.build(64, eps=1.0, scale=scale, fixed=MASK)
        check_features(DIGITS, x, y, result, norm, features)


@pytest.mark.parametrize("norm", NORMS)
def test_equal_radii_find_what_one_finds(norm):
    x, y = inputs(12)
    one = attack(digits()[0], x, y, eps=RADII[norm], norm=norm, **FEW)
    each = attack(digits()[0], x, y, eps=1.0, scale=np.full((8, 8), RADII[norm]), norm=norm, **FEW)
    check_features(
        DIGITS, x, y, each, norm, InputSpecification.build(64, eps=np.full(64, RADII[norm]))
    )
    assert abs(int(one.success.sum()) - int(each.success.sum())) <= 1
    nearest = attack(
        digits()[0], x[:4], y[:4], eps=2 * RADII[norm], norm=norm, minimize=True, **FEW
    )
    scaled = attack(
        digits()[0],
        x[:4],
        y[:4],
        eps=1.0,
        scale=np.full(64, 2 * RADII[norm]),
        norm=norm,
        minimize=True,
        **FEW,
    )
    both = nearest.success & scaled.success
    assert both.any()
    np.testing.assert_allclose(
        scaled.distances[both] * 2 * RADII[norm], nearest.distances[both], rtol=0.1
    )


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("eps", [None, "each"])
def test_bounds_per_feature(tmp_path, norm, eps):
    path = mlp_file(tmp_path, (6, 12, 4), seed=3)
    generator = np.random.default_rng(1)
    x = generator.uniform(0.3, 0.7, size=(4, 6)).astype(np.float32)
    y = plain_outputs(path, x).argmax(axis=1)
    lower = np.array([-np.inf, 0.0, 0.25, -5.0, 0.1, 0.2])
    upper = np.array([np.inf, 1.0, 0.75, 0.9, np.inf, 0.8])
    radii = None if eps is None else np.array([5.0, 1.0, 0.3, 2.0, 0.0, 0.7])
    result = attack(
        path, x, y, eps=1.0, scale=radii, norm=norm, lower=lower, upper=upper, minimize=True, **FEW
    )
    features = InputSpecification.build(6, eps=radii, lower=lower, upper=upper)
    check_features(path, x, y, result, norm, features)
    assert result.success.any()


@pytest.mark.parametrize("norm", NORMS)
def test_the_smallest_radius_that_suffices(tmp_path, norm):
    """A linear classifier of two features: the answer is known on both sides of the edge."""
    path = linear_file(tmp_path, np.array([[1.0, 0.0], [0.0, 1.0]]), np.zeros(2))
    x = np.array([[0.75, 0.25]], np.float32)  # broken where x0 - x1 < 0
    for radius, broken in ((0.52, True), (0.48, False)):
        one = attack(path, x, [0], eps=1.0, scale=[radius, 0.0], norm=norm, **FEW)
        assert one.success[0] == broken
        other = attack(path, x, [0], eps=1.0, scale=[9.0, radius], fixed=[0], norm=norm, **FEW)
        assert other.success[0] == broken
    bounded = {"linf": 0.25, "l1": 0.5, "l2": np.sqrt(0.125)}[norm]
    nearest = attack(path, x, [0], norm=norm, **FEW)
    assert nearest.distances[0] == pytest.approx(bounded, rel=1e-3)
    # In units of 1 and 1/4 the first feature is the cheaper one to move.
    weighted = attack(path, x, [0], eps=1.0, scale=[1.0, 0.25], norm=norm, minimize=True, **FEW)
    known = {"linf": 0.4, "l1": 0.5, "l2": 0.5 / np.sqrt(1.0625)}[norm]
    assert weighted.distances[0] == pytest.approx(known, rel=1e-3)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("eps", [None, 0.5, "zeros"])
def test_nothing_may_move(norm, eps):
    x, y = inputs(2)
    given: dict[str, Any] = {"fixed": np.ones(64, bool)} if eps != "zeros" else {}
    if eps == "zeros":
        given, eps = {"scale": np.zeros(64)}, 1.0
    result = attack(digits()[0], x, y, eps=eps, norm=norm, **given, **FEW)
    assert set(result.verdicts) == {Verdict.UNKNOWN}


def test_fixed_features_may_lie_outside_the_domain(tmp_path):
    path = mlp_file(tmp_path, (4, 8, 3), seed=5)
    x = np.array([[7.5, 0.5, 0.5, -3.0]], np.float32)
    y = plain_outputs(path, x).argmax(axis=1)
    result = attack(path, x, y, fixed=[0, 3], **FEW)
    check_features(path, x, y, result, "linf", InputSpecification(fixed=(0, 3)))


# Same seed, same result


@pytest.mark.parametrize(("norm", "minimize"), [("linf", False), ("l1", True), ("l2", False)])
def test_neighbours_and_order(norm, minimize):
    """Fixed features make a box of its own for every input."""
    model, x, y = digits()
    features = InputSpecification.build(64, eps=random_radii(norm), fixed=MASK)
    some = [0, 4, 9]
    asked = {"features": features, "minimize": minimize, **FEW}
    whole = fingerprints(outcomes_of(model, x, y, some, norm, **asked))
    back = fingerprints(outcomes_of(model, x, y, some[::-1], norm, **asked))
    alone: dict[int, tuple[object, ...]] = {}
    for i in some:
        alone |= fingerprints(outcomes_of(model, x, y, [i], norm, **asked))
    assert back == whole == alone


# Loading


def test_the_check_at_load_covers_the_domain_of_each_feature(monkeypatch, tmp_path):
    from onnx_lippa.onnx_io import validation

    seen = []

    real = validation._points

    def noting(lower, upper):
        seen.append(real(lower, upper))
        return seen[-1]

    monkeypatch.setattr(validation, "_points", noting)
    path = mlp_file(tmp_path, (3, 6, 2))
    lower, upper = np.array([0.0, -4.0, -np.inf]), np.array([[1.0], [-3.0], [7.0]])
    load(path, lower=lower, upper=upper)
    attack(path, np.array([[0.5, -3.5, 2.0]], np.float32), lower=lower, upper=upper, **FEW)
    for points in seen:
        assert np.all(points >= np.array([0.0, -4.0, -1.0]))
        assert np.all(points <= upper.ravel())
        assert np.all(np.ptp(points, axis=0) > 0.5)
    assert len(seen) == 2


def test_a_single_input_and_its_own_shape(tmp_path):
    (x, y), shaped = inputs(1), np.full((1, 64), 0.1)
    result = attack(digits()[0], x[0], y[0], eps=1.0, scale=shaped, grid=np.zeros((8, 8)), **FEW)
    check_result(DIGITS, x, y, attack(digits()[0], x, y, eps=0.1, **FEW), "linf", 0.1)
    check_features(DIGITS, x, y, result, "linf", InputSpecification.build(64, eps=shaped))
