"""Attacks that look for the nearest adversarial example: DeepFool, FAB, C&W, BB."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from onnx_lippa import InputError, attack, falsify
from onnx_lippa.api.options import NormName
from onnx_lippa.attacks import (
    AttackMethod,
    BrendelBethge,
    CarliniWagner,
    DeepFool,
    Fab,
    make_attack,
)
from onnx_lippa.method import SingleStage
from onnx_lippa.onnx_io import load
from onnx_lippa.spec import L1, L2, LInf
from onnx_lippa.state import Budget
from onnx_lippa.witness import Verdict
from tests.support.attacks import (
    DIGITS,
    RADII,
    check_result,
    digits,
    fingerprints,
    linear_file,
    mlp_file,
    outcomes_of,
    some_digits,
)
from tests.support.one_hidden_layer import layers_file, least_distance, one_hidden_layer

FEW_FAB = Fab(restarts=1, gradient_steps=20)
FEW_CW = CarliniWagner(searches=5, gradient_steps=200, learning_rate=0.05, initial_constant=0.1)
FEW_BB = BrendelBethge(restarts=0, gradient_steps=60)
METHODS: dict[str, AttackMethod] = {
    "deepfool": DeepFool(),
    "fab": FEW_FAB,
    "fab-untargeted": replace(FEW_FAB, targeted=False),
    "cw": FEW_CW,
    "bb": FEW_BB,
}
TARGETS: list[int] = [3]
TAKES: dict[str, tuple[NormName, ...]] = {"cw": ("linf", "l2")}
"""Norms of the methods that do not take every norm."""
EACH = pytest.mark.parametrize(
    ("name", "norm"),
    [(name, norm) for name in METHODS for norm in TAKES.get(name, ("linf", "l2", "l1"))],
)
EXACT_TO = {"deepfool": 1.05, "fab": 1.01, "fab-untargeted": 1.01, "cw": 1.2, "bb": 1.01}
"""The distance found on an affine map, as a multiple of the least one."""


@pytest.fixture(scope="module")
def affine(tmp_path_factory) -> tuple[Path, np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """An affine map, inputs, labels, and the least distances where no domain is in the way."""
    generator = np.random.default_rng(5)
    weight, bias = generator.normal(size=(12, 4)), 0.1 * generator.normal(size=4)
    path = linear_file(tmp_path_factory.mktemp("affine"), weight, bias)
    x = generator.uniform(0.4, 0.6, (20, 12)).astype(np.float32)
    logits = x @ weight.astype(np.float32) + bias.astype(np.float32)
    y = logits.argmax(axis=1)
    least: dict[str, list[float]] = {norm.name: [] for norm in (LInf(), L2(), L1())}
    for row, label in zip(logits, y, strict=True):
        others = [t for t in range(4) if t != label]
        slopes = (weight[:, [label]] - weight[:, others]).T
        margins = row[label] - row[others]
        for norm in (LInf(), L2(), L1()):
            least[norm.name].append(float((margins / norm.dual(slopes)).min()))
    assert all(len(values) == 20 for values in least.values())
    return path, x, y, {name: np.array(values) for name, values in least.items()}


@EACH
def test_the_least_distance_of_an_affine_map(affine, name, norm):
    path, x, y, known = affine
    # The rate of Adam is one of the width of the domain.
    low, high = (-1.0, 2.0) if name == "cw" else (-100.0, 100.0)
    method = METHODS[name]
    if isinstance(method, BrendelBethge):  # a walk stays at the class that it begins at
        method = replace(method, restarts=12, gradient_steps=20)
    result = attack(path, x, y, norm=norm, method=method, lower=low, upper=high)
    check_result(path, x, y, result, norm, lower=low, upper=high)
    share = result.distances / known[norm]
    assert np.all(share >= 1 - 1e-5)
    assert np.all(share <= EXACT_TO[name]), share


@EACH
def test_witnesses_within_a_radius(name, norm):
    x, y = some_digits()
    result = attack(DIGITS, x, y, eps=RADII[norm], norm=norm, method=METHODS[name])
    check_result(DIGITS, x, y, result, norm, RADII[norm])
    verdicts = [one.verdict for one in result]
    assert verdicts.count(Verdict.ADVERSARIAL) >= 2
    assert Verdict.UNKNOWN in verdicts


@cache
def lippa_distances(norm: NormName) -> np.ndarray:
    """The distances that lippa finds for some digits."""
    x, y = some_digits()
    return attack(DIGITS, x, y, norm=norm, workers=1).distances


@EACH
def test_distances_are_as_short_as_lippa_finds(name, norm):
    x, y = some_digits()
    known = lippa_distances(norm)
    result = attack(DIGITS, x, y, norm=norm, method=METHODS[name])
    check_result(DIGITS, x, y, result, norm)
    most = {"deepfool": 1.5, "cw": 1.2, "bb": 1.1}.get(name, 1.06)
    right = known > 0
    assert np.median(result.distances[right] / known[right]) <= most


@EACH
def test_the_first_witness_within_the_radius_ends_the_attack(name, norm):
    model, x, y = digits()
    method = METHODS[name]
    wide = 20 * RADII[norm]
    short = outcomes_of(model, x, y, range(6), norm, wide, method=method)
    long = outcomes_of(model, x, y, range(6), norm, wide, method=method, minimize=True)
    assert all(one.witness for one in (*short, *long))
    spent, whole = (sum(one.effort.gradients for one in run) for run in (short, long))
    assert spent <= whole
    assert whole > 0
    if name != "deepfool":
        assert 4 * spent < whole
    nearer = [
        b.witness.distance <= a.witness.distance
        for a, b in zip(short, long, strict=True)
        if a.witness and b.witness
    ]
    assert all(nearer)


@pytest.mark.parametrize("norm", list(RADII))
@pytest.mark.parametrize("seed", [0, 3, 5])
def test_fab_is_near_the_exact_distance(tmp_path, norm, seed):
    layers = one_hidden_layer(seed)
    path = layers_file(tmp_path, layers)
    x = np.random.default_rng(seed).uniform(size=(6, len(layers[0][0]))).astype(np.float32)
    result = attack(path, x, norm=norm, method=Fab())
    y = np.array([int(load(path).runtime.forward(x)[i].argmax()) for i in range(6)])
    known = np.array(
        [least_distance(norm, row, int(label), layers) for row, label in zip(x, y, strict=True)]
    )
    assert np.all(result.distances >= known * (1 - 1e-5))
    reachable = np.isfinite(known) & (known > 0)
    if reachable.any():
        assert np.median(result.distances[reachable] / known[reachable]) <= 1.2


@EACH
def test_place_neighbours_and_shards_do_not_show(monkeypatch, name, norm):
    model, x, y = digits()
    chosen, method = [0, 4, 5], METHODS[name]
    if isinstance(method, CarliniWagner):
        method = replace(method, searches=2, largest_constant=2.0)
    for eps in (RADII[norm], None):
        whole = fingerprints(outcomes_of(model, x, y, chosen, norm, eps, method=method))
        back = fingerprints(outcomes_of(model, x, y, chosen[::-1], norm, eps, method=method))
        assert back == whole
        alone: dict[int, tuple[object, ...]] = {}
        for i in chosen:
            alone |= fingerprints(outcomes_of(model, x, y, [i], norm, eps, method=method))
        assert alone == whole
        assert any(mark[-1] is not None for mark in whole.values())
    monkeypatch.setattr(SingleStage, "inputs_together", 2)
    assert fingerprints(outcomes_of(model, x, y, chosen, norm, None, method=method)) == whole


@pytest.mark.parametrize(
    "endless",
    [Fab(10_000), Fab(10_000, targeted=False), CarliniWagner(100, 10_000), BrendelBethge(9999)],
)
def test_time_limits_hold(endless):
    model, x, y = digits()
    started = time.monotonic()
    budget = Budget(time_limit=0.25)
    outcomes = outcomes_of(model, x, y, range(4), "linf", None, method=endless, budget=budget)
    assert time.monotonic() - started < 5.0
    assert all(0.2 < one.effort.seconds < 1.0 for one in outcomes)
    assert all(one.witness is not None for one in outcomes)


@EACH
def test_weighted_radii_and_fixed_features(name, norm):
    _, x, y = digits()
    d = x[0].size
    scale = np.linspace(0.5, 2.0, d)
    fixed = list(range(0, d, 3))
    result = attack(DIGITS, x[:6], y[:6], norm=norm, method=METHODS[name], scale=scale, fixed=fixed)
    assert np.isfinite(result.distances).all()
    found = result.adversarials.astype(np.float64).reshape(6, -1)
    clean = x[:6].astype(np.float64).reshape(6, -1)
    np.testing.assert_array_equal(found[:, fixed], clean[:, fixed])
    lengths = {"linf": np.inf, "l2": 2, "l1": 1}
    measured = np.linalg.norm((found - clean) / scale, lengths[norm], axis=1)
    np.testing.assert_allclose(measured, result.distances, rtol=1e-9)


@pytest.mark.parametrize("name", list(METHODS))
def test_targets_are_met(name):
    _, x, y = digits()
    chosen = np.flatnonzero(y[:10] != 3)
    norm: NormName = TAKES.get(name, ("linf",))[0]
    result = attack(DIGITS, x[chosen], y[chosen], norm=norm, method=METHODS[name], targets=TARGETS)
    check_result(DIGITS, x[chosen], y[chosen], result, norm, targets=[[3]] * len(chosen))
    assert np.isfinite(result.distances).mean() >= 0.8


def test_fab_keeps_improving_with_restarts(tmp_path):
    layers = one_hidden_layer(5)
    path = layers_file(tmp_path, layers)
    x = np.random.default_rng(5).uniform(size=(12, len(layers[0][0]))).astype(np.float32)
    one, more = (
        attack(path, x, norm="l2", method=Fab(restarts=restarts, gradient_steps=20)).distances
        for restarts in (0, 6)
    )
    assert np.all(more <= one)
    assert np.any(more < 0.95 * one)


def test_the_final_search_shortens():
    model, x, y = digits()
    for steps in (1, 3):
        without, searched = (
            outcomes_of(
                model, x, y, range(10), "linf", None,
                method=Fab(restarts=0, gradient_steps=5, final_search=search),
            )
            for search in (0, steps)
        )  # fmt: skip
        pairs = [
            (a.witness.distance, b.witness.distance)
            for a, b in zip(without, searched, strict=True)
            if a.witness and b.witness
        ]
        assert all(b <= a for a, b in pairs)
        assert sum(b < a for a, b in pairs) >= 3


def test_the_confidence_is_a_margin():
    x, y = some_digits()
    confident = replace(FEW_CW, confidence=2.0)
    for norm in TAKES["cw"]:
        result = attack(DIGITS, x, y, norm=norm, method=confident)
        check_result(DIGITS, x, y, result, norm)
        margins = [one.best_margin for one in result if one.verdict is Verdict.ADVERSARIAL]
        assert len(margins) >= 9
        assert max(margins) <= -2.0 + 1e-4


@pytest.mark.parametrize("name", [name for name in METHODS if name != "fab-untargeted"])
def test_properties(tmp_path, name):
    """A box in which the second output exceeds the first one somewhere, and both are positive."""
    path = mlp_file(tmp_path, (3, 10, 2), 4)
    text = "\n".join(
        [
            *(f"(declare-const X_{i} Real)" for i in range(3)),
            *(f"(declare-const Y_{i} Real)" for i in range(2)),
            *(f"(assert (>= X_{i} 0.0))\n(assert (<= X_{i} 1.0))" for i in range(3)),
            "(assert (or (and (>= Y_1 Y_0) (>= Y_0 -9.0)) (and (>= Y_0 Y_1) (>= Y_1 -9.0))))",
        ]
    )
    spec = tmp_path / "either.vnnlib"
    spec.write_text(text)
    found = falsify(path, spec, method=METHODS[name])
    assert found.answer.value == "sat"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: DeepFool(gradient_steps=0), "gradient_steps is 0"),
        (lambda: DeepFool(overshoot=-0.1), "overshoot is -0.1"),
        (lambda: DeepFool(classes=0), "classes is 0"),
        (lambda: Fab(restarts=-1), "restarts is -1"),
        (lambda: Fab(alpha_max=1.5), "alpha_max is 1.5"),
        (lambda: Fab(beta=-0.1), "beta is -0.1"),
        (lambda: Fab(eta=0.5), "eta is 0.5"),
        (lambda: Fab(final_search=-1), "final_search is -1"),
        (lambda: BrendelBethge(overshoot=2.0), "overshoot is 2.0"),
        (lambda: BrendelBethge(rate=0.0), "rate is 0.0"),
        (lambda: BrendelBethge(rate_decay=1.5), "rate_decay is 1.5"),
        (lambda: BrendelBethge(rate_decays=0), "rate_decays is 0"),
        (lambda: BrendelBethge(momentum=1.0), "momentum is 1.0"),
        (lambda: CarliniWagner(searches=0), "searches is 0"),
        (lambda: CarliniWagner(learning_rate=0.0), "learning_rate is 0.0"),
        (lambda: CarliniWagner(confidence=-1.0), "confidence is -1.0"),
        (lambda: CarliniWagner(decrease=1.0), "decrease is 1.0"),
        (
            lambda: attack(DIGITS, digits()[1][:1], norm="l1", method="cw"),
            "cw has no form for the norm l1",
        ),
        (lambda: make_attack("fab", ["momentum=0.5"]), "is no option of the method 'fab'"),
    ],
)
def test_wrong_options_are_refused(wrong, said):
    with pytest.raises(InputError, match=said):
        wrong()


def test_names_and_options_on_the_command_line():
    assert make_attack("deepfool", ["overshoot=0.1"]) == DeepFool(overshoot=0.1)
    assert make_attack("fab", ["targeted=no", "beta=0.8"], restarts=2) == Fab(
        restarts=2, targeted=False, beta=0.8
    )


def test_more_walks_reach_other_classes(tmp_path):
    layers = one_hidden_layer(5)
    path = layers_file(tmp_path, layers)
    x = np.random.default_rng(5).uniform(size=(12, len(layers[0][0]))).astype(np.float32)
    one, more = (
        attack(path, x, norm="l2", method=replace(FEW_BB, restarts=restarts)).distances
        for restarts in (0, 6)
    )
    assert np.all(more <= one)
    assert np.any(more < 0.95 * one)


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_where_no_random_point_is_unsafe(tmp_path, norm):
    """In so many features random points lie in the middle of the domain, which is safe."""
    d = 200
    weight = np.stack([np.zeros(d), np.ones(d)], axis=1)
    path = linear_file(tmp_path, weight, np.array([0.7 * d, 0.0]))
    x = np.full((2, d), 0.5, np.float32)
    least = {"linf": 0.2, "l2": 0.2 * np.sqrt(d), "l1": 0.2 * d}[norm]
    for method, share in ((FEW_BB, 1.001), (DeepFool(), 1.05)):
        distances = attack(path, x, np.zeros(2, int), norm=norm, method=method).distances
        assert np.all(distances >= (1 - 1e-5) * least)
        assert np.all(distances <= share * least)
