"""Gradient attacks in a ball of a fixed radius: FGSM, BIM, PGD with options, APGD."""

from __future__ import annotations

import time

import numpy as np
import pytest

from onnx_lippa import Apgd, Bim, Fgsm, InputError, Pgd, Property, Verdict, attack, falsify
from onnx_lippa.attacks import AttackMethod, make_attack, write_settings
from onnx_lippa.attacks.schedule import make_schedule
from onnx_lippa.attacks.stages.apgd import checkpoints
from onnx_lippa.method import SingleStage
from onnx_lippa.onnx_io import load
from onnx_lippa.state import Budget
from tests.support.attacks import (
    DIGITS,
    RADII,
    check_result,
    digits,
    fingerprints,
    linear_file,
    outcomes_of,
    problems_of,
    some_digits,
)

RANDOM = Pgd(targets="untargeted", loss="ce", restarts=2, gradient_steps=15, random_start=True)


def named(method: AttackMethod) -> str:
    return method.name


METHODS = [
    Fgsm(),
    Fgsm(loss="margin", random_start=True, step_share=1.25),
    Bim(gradient_steps=20),
    Bim(loss="dlr", targets="nearest", momentum=1.0, gradient_steps=20, restarts=1),
    RANDOM,
    Pgd(loss="dlr", restarts=0, gradient_steps=15, step_length=0.1, momentum=0.5),
    Apgd(gradient_steps=20),
    Apgd(loss="ce", targets="all", gradient_steps=20, restarts=1),
]


@pytest.mark.parametrize("method", METHODS, ids=named)
@pytest.mark.parametrize("norm", RADII)
@pytest.mark.parametrize("minimize", [False, True])
def test_witnesses(method, norm, minimize):
    x, y = some_digits(6)
    eps = None if minimize else RADII[norm]
    result = attack(load(DIGITS), x, y, eps=eps, norm=norm, method=method, minimize=minimize)
    check_result(DIGITS, x, y, result, norm, np.inf if minimize else eps)
    assert result.verdicts[2] is Verdict.MISCLASSIFIED
    assert Verdict.ADVERSARIAL in result.verdicts


LINEAR = np.random.default_rng(3).normal(size=(12, 4))
DUAL = {"linf": 1, "l2": 2, "l1": np.inf}


@pytest.mark.parametrize("norm", RADII)
@pytest.mark.parametrize(
    "method",
    [
        Fgsm(loss="margin"),
        Bim(loss="margin", targets="all"),
        Pgd(targets="all", step_length=0.01, restarts=0, gradient_steps=200),
        Apgd(loss="margin", targets="all"),
    ],
    ids=named,
)
def test_distance_of_a_linear_model(tmp_path, norm, method):
    """The distance is the least margin over the dual norm of its gradient."""
    path = linear_file(tmp_path, LINEAR, np.zeros(4))
    x = np.random.default_rng(0).uniform(-0.2, 0.2, size=(4, 12)).astype(np.float32)
    logits = x.astype(np.float64) @ LINEAR.astype(np.float32)
    y = logits.argmax(axis=1)
    distances, nearest = [], []
    for row, label in zip(logits, y, strict=True):
        others = [j for j in range(4) if j != label]
        each = [
            (row[label] - row[j]) / np.linalg.norm(LINEAR[:, label] - LINEAR[:, j], DUAL[norm])
            for j in others
        ]
        distances.append(min(each))
        nearest.append(others[int(np.argmin(each))])
    model = load(path, lower=-9, upper=9)
    box = {"lower": -9, "upper": 9, "norm": norm, "method": method}
    for i, distance in enumerate(distances):
        # FGSM follows the least margin at the clean input, which need not be the nearest class.
        targets = [nearest[i]]
        one = x[i : i + 1], y[i : i + 1]
        inside, outside = (
            attack(model, *one, eps=share * distance, targets=targets, **box)
            for share in (1.001, 0.999)
        )
        assert inside.verdicts == (Verdict.ADVERSARIAL,)
        assert outside.verdicts == (Verdict.UNKNOWN,)
        found = attack(model, *one, minimize=True, targets=targets, **box)
        assert distance * (1 - 1e-6) < found.distances[0] < 1.003 * distance


def test_fgsm_is_one_step_to_the_boundary():
    model, x, y = digits()
    eps = 0.06
    result = attack(model, x[:8], y[:8], eps=eps, method=Fgsm(loss="margin"))
    assert result.verdicts.count(Verdict.ADVERSARIAL) >= 2
    for i in np.flatnonzero(result.success):
        flat = x[i].reshape(1, -1).astype(np.float64)
        logits = model.network.forward(flat)[0]
        other = int(np.argsort(logits)[-2])
        weighting = np.zeros((1, 10))
        weighting[0, [y[i], other]] = 1.0, -1.0
        gradient = model.network.value_and_gradient(flat, weighting)[1]
        step = np.clip(flat - eps * np.sign(gradient), 0.0, 1.0)
        np.testing.assert_allclose(result.adversarials[i].reshape(1, -1), step, atol=1e-6)
        assert result[int(i)].effort.gradients == 1


def test_a_radius_limits_the_bisection():
    model, x, y = digits()
    every = attack(model, x[:6], y[:6], minimize=True, method=Bim())
    eps = float(np.median(every.distances))
    within = attack(model, x[:6], y[:6], eps=eps, minimize=True, method=Bim())
    np.testing.assert_array_equal(within.success, every.distances <= eps)
    nearest = every.distances[within.success]
    np.testing.assert_allclose(within.distances[within.success], nearest, rtol=0.01)


@pytest.mark.parametrize("method", METHODS[2:], ids=named)
def test_properties(tmp_path, method):
    """Both rows of the second disjunct hold near a corner alone; the first never does."""
    weight = np.array([[1.0, 0.2], [-0.1, 1.0], [0.3, -0.2]])
    path = linear_file(tmp_path, weight, np.zeros(2))
    disjuncts = [([[1, 0]], [-5]), ([[-1, 0], [0, -1]], [-0.7, -0.7])]
    asked = Property.build([-1, -1, -1], [1, 1, 1], disjuncts)
    found = falsify(load(path), asked, method=method, timeout=20)
    assert found.x is not None
    outputs = found.x.ravel().astype(np.float64) @ weight.astype(np.float32)
    assert outputs[0] > 0.7 - 1e-6
    assert outputs[1] > 0.7 - 1e-6
    assert np.all(np.abs(found.x) <= 1)


def test_checkpoints_are_those_of_the_paper():
    assert checkpoints(100) == [22, 41, 57, 70, 80, 87, 93, 99]


SOME = [0, 4, 9]
FEW: list[AttackMethod] = [RANDOM, Apgd(gradient_steps=12, restarts=1), Fgsm(random_start=True)]


@pytest.mark.parametrize("eps", [0.05, None])
@pytest.mark.parametrize("norm", RADII)
@pytest.mark.parametrize("method", FEW, ids=named)
def test_neighbours_and_batches_do_not_show(monkeypatch, norm, eps, method):
    model, x, y = digits()
    eps = RADII[norm] if eps else None
    whole = fingerprints(outcomes_of(model, x, y, SOME, norm, eps, method=method))
    alone: dict[int, tuple[object, ...]] = {}
    for i in SOME:
        alone |= fingerprints(outcomes_of(model, x, y, [i], norm, eps, method=method))
    assert alone == whole
    monkeypatch.setattr(SingleStage, "inputs_together", 2)
    assert fingerprints(outcomes_of(model, x, y, SOME, norm, eps, method=method)) == whole


def test_workers(monkeypatch):
    model, x, y = digits()
    whole = fingerprints(outcomes_of(model, x, y, SOME, method=RANDOM))
    monkeypatch.setattr(SingleStage, "inputs_together", 2)
    assert fingerprints(outcomes_of(model, x, y, SOME, method=RANDOM, workers=2)) == whole


def test_seeds_and_restarts_differ():
    """Random starts follow the seed, and a restart finds what the first run did not."""
    model, x, y = digits()
    weak = Apgd(gradient_steps=2)
    one, other = (
        fingerprints(outcomes_of(model, x, y, range(40), method=weak, budget=Budget(seed=seed)))
        for seed in (0, 1)
    )
    assert one != other
    more = outcomes_of(model, x, y, range(40), method=Apgd(gradient_steps=2, restarts=20))
    broken = {result.index for result in more if result.verdict is Verdict.ADVERSARIAL}
    first = {index for index, mark in one.items() if mark[1] is Verdict.ADVERSARIAL}
    assert first < broken


@pytest.mark.parametrize("method", [Bim(), Apgd(targets="all"), Pgd(loss="ce")], ids=named)
@pytest.mark.parametrize("eps", [0.001, None])
def test_time_limit_is_held(method, eps):
    model, x, y = digits()
    endless = make_attack(
        method.name, [*write_settings(method), "restarts=100000", "gradient_steps=100000"]
    )
    started = time.monotonic()
    results = outcomes_of(model, x, y, SOME, eps=eps, method=endless, budget=Budget(time_limit=0.1))
    assert time.monotonic() - started < 3.0
    assert all(result.effort.seconds < 1.0 for result in results)


def test_the_default_of_pgd_is_the_schedule_of_lippa():
    model, x, y = digits()
    (problem,) = problems_of(model, x, y, [0])
    for method in (Pgd(), Pgd(restarts=3, gradient_steps=7)):
        assert method.schedule(problem, False) == make_schedule(method, problem, False)
    for name, value in (("targets", "nearest"), ("loss", "ce"), ("momentum", 0.5)):
        other = make_attack("pgd", [f"{name}={value}"])
        assert other.schedule(problem, False) != make_schedule(Pgd(), problem, False)


def test_targets_set_the_number_of_runs():
    """At a radius that breaks nothing, every run takes all its steps."""
    model, x, y = digits()
    for targets, runs in (("untargeted", 1), ("nearest", 1), ("all", 9)):
        method = Bim(targets=targets, gradient_steps=7, restarts=2)
        (result,) = outcomes_of(model, x, y, [0], eps=1e-5, method=method)
        assert result.verdict is Verdict.UNKNOWN
        assert result.effort.gradients == 3 * 7 * runs


def test_momentum_changes_the_runs():
    model, x, y = digits()
    plain, momentum = (
        [one.best_margin for one in outcomes_of(model, x, y, SOME, "l2", 0.1, method=method)]
        for method in (Bim(), Bim(momentum=1.0))
    )
    assert plain != momentum


@pytest.mark.parametrize(
    ("method", "setting", "said"),
    [
        ("fgsm", "loss=hinge", "loss is 'hinge': choose one of margin, ce"),
        ("fgsm", "step_share=0", "step_share is 0.0: give a positive number"),
        ("bim", "targets=some", "targets is 'some': choose one of all, untargeted"),
        ("bim", "step_length=-1", "step_length is -1.0: give a positive number"),
        ("bim", "momentum=-0.5", "momentum is -0.5: give a number of at least 0"),
        ("bim", "gradient_steps=0", "gradient_steps is 0: give a number of at least 1"),
        ("apgd", "restarts=-1", "restarts is -1: give a number of at least 0"),
        ("apgd", "loss=", "loss is ''"),
        ("pgd", "momentum=nan", "momentum is nan"),
        ("pgd", "targets=9", "targets is '9'"),
    ],
)
def test_options_that_are_refused(method, setting, said):
    with pytest.raises(InputError, match=said):
        make_attack(method, [setting])
