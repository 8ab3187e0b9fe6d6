"""The Python interface: every claim re-checked by plain ONNX Runtime."""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import Any

import numpy as np
import pytest

from onnx_lippa import InputError, ModelError, Results, Verdict, attack
from onnx_lippa.api.options import NormName
from onnx_lippa.attacks import AttackMethod, Lippa, Pgd
from onnx_lippa.spec import L1, L2, LInf
from tests.support.attacks import (
    DIGITS,
    RADII,
    SOME,
    check_result,
    digits,
    linear_file,
    mlp_file,
    plain_outputs,
    some_digits,
)
from tests.support.graphs import graph_model, node, normal, saved

FEW: dict[str, Any] = {"restarts": 1, "gradient_steps": 20, "lp_steps": 4}
LIPPA = Lippa(**FEW)
NORMS: list[NormName] = ["linf", "l2", "l1"]


@cache
def result_of(
    norm: NormName, minimize: bool, with_eps: bool, method: AttackMethod = LIPPA
) -> Results:
    model, (x, y) = digits()[0], some_digits()
    eps = RADII[norm] if with_eps else None
    return attack(model, x, y, eps=eps, norm=norm, minimize=minimize, method=method)


def same(a: Results, b: Results) -> bool:
    return (
        a.verdicts == b.verdicts
        and np.array_equal(a.adversarials, b.adversarials)
        and np.array_equal(a.distances, b.distances)
    )


# What a result claims


@pytest.mark.parametrize("norm", NORMS)
def test_within_eps(norm):
    x, y = some_digits()
    result = result_of(norm, minimize=False, with_eps=True)
    check_result(DIGITS, x, y, result, norm, RADII[norm])
    assert result.verdicts[2] is Verdict.MISCLASSIFIED
    assert {Verdict.ADVERSARIAL, Verdict.UNKNOWN} <= set(result.verdicts)


@pytest.mark.parametrize("norm", NORMS)
def test_minimized(norm):
    x, y = some_digits()
    result = result_of(norm, minimize=True, with_eps=False)
    check_result(DIGITS, x, y, result, norm)
    # Every class has examples in the box, so there is one for every input.
    assert result.success.all()


@pytest.mark.parametrize("norm", NORMS)
def test_minimized_within_eps(norm):
    x, y = some_digits()
    result = result_of(norm, minimize=True, with_eps=True)
    check_result(DIGITS, x, y, result, norm, RADII[norm])


@pytest.mark.parametrize("norm", NORMS)
def test_minimizing_finds_what_deciding_finds(norm):
    decided = result_of(norm, minimize=False, with_eps=True).success
    minimized = result_of(norm, minimize=True, with_eps=True)
    # Not promised input by input: another search. But it may not be a much weaker one.
    assert minimized.success.sum() >= decided.sum() - 2
    unlimited = result_of(norm, minimize=True, with_eps=False)
    assert (unlimited.distances <= RADII[norm]).sum() >= decided.sum() - 2


@pytest.mark.parametrize("norm", NORMS)
def test_minimized_distances_are_smaller_than_found_ones(norm):
    found = result_of(norm, minimize=False, with_eps=True).distances
    least = result_of(norm, minimize=True, with_eps=True).distances
    both = np.isfinite(found) & np.isfinite(least)
    assert np.median(least[both]) <= np.median(found[both])
    assert np.mean(least[both] <= found[both]) >= 0.9


@pytest.mark.parametrize("norm", NORMS)
def test_lippa_is_never_weaker_than_pgd(norm):
    lippa = result_of(norm, minimize=False, with_eps=True)
    pgd = result_of(norm, minimize=False, with_eps=True, method=Pgd(1, 20))
    check_result(DIGITS, *some_digits(), pgd, norm, RADII[norm])
    assert not np.any(pgd.success & ~lippa.success)
    assert all(outcome.effort.lp_steps == 0 for outcome in pgd)


@pytest.mark.parametrize("norm", NORMS)
def test_lippa_is_never_farther_than_pgd(norm):
    lippa = result_of(norm, minimize=True, with_eps=False)
    pgd = result_of(norm, minimize=True, with_eps=False, method=Pgd(1, 20))
    check_result(DIGITS, *some_digits(), pgd, norm)
    assert np.all(lippa.distances <= pgd.distances + 1e-9)


def test_same_seed_same_result():
    model, (x, y) = digits()[0], some_digits(6)
    first = attack(model, x, y, eps=0.05, seed=7, **FEW)
    assert same(first, attack(model, x, y, eps=0.05, seed=7, **FEW))


def test_result_is_frozen():
    result: Any = result_of("linf", minimize=False, with_eps=True)
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.success = np.zeros(SOME, dtype=bool)
    with pytest.raises(dataclasses.FrozenInstanceError):
        result[0].verdict = Verdict.ROBUST


def test_arguments_are_left_as_they_are():
    model, (x, y) = digits()[0], some_digits(4)
    before = x.copy(), y.copy()
    result = attack(model, x, y, eps=0.08, **FEW)
    result.adversarials[:] += 1.0
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(y, before[1])


# A single input, and shapes


def test_single_input():
    model, (x, y) = digits()[0], some_digits()
    result = attack(model, x[0], y[0], eps=0.05, **FEW)
    check_result(DIGITS, x[:1], y[:1], result, "linf", 0.05)
    assert result.adversarials.shape == (1, 64)
    assert same(result, attack(model, x[:1], y[:1], eps=0.05, **FEW))


def test_size_of_the_batch_does_not_matter():
    """Same seed, same result, whatever follows in the batch (random numbers go by position)."""
    model, x, y = digits()
    some = slice(60, 70)
    weak: dict[str, Any] = {"restarts": 3, "gradient_steps": 8, "lp_steps": 0, "eps": 1.5}
    whole = attack(model, x[some], y[some], norm="l1", **weak)
    part = attack(model, x[some][:5], y[some][:5], norm="l1", **weak)
    assert whole.verdicts[:5] == part.verdicts
    np.testing.assert_array_equal(whole.adversarials[:5], part.adversarials)


@pytest.fixture(scope="module")
def shaped(tmp_path_factory):
    """A model of samples (2, 3), with three classes."""
    nodes = [
        node("Flatten", "x", "f"),
        node("Gemm", "f w b", "a"),
        node("Relu", "a", "r"),
        node("Gemm", "r v c", "y"),
    ]
    constants = {
        "w": normal(1, 6, 10), "b": normal(2, 10), "v": normal(3, 10, 3), "c": normal(4, 3),
    }  # fmt: skip
    return saved(graph_model(nodes, (2, 3), constants), tmp_path_factory.mktemp("shaped"))


def test_shapes_of_inputs(shaped):
    x = np.random.default_rng(0).uniform(size=(5, 2, 3)).astype(np.float32)
    y = plain_outputs(shaped, x).argmax(axis=1)
    result = attack(shaped, x, y, eps=0.2, **FEW)
    check_result(shaped, x, y, result, "linf", 0.2)
    assert result.adversarials.shape == (5, 2, 3)
    flat = attack(shaped, x.reshape(5, 6), y, eps=0.2, **FEW)
    assert same(flat, result)
    single = attack(shaped, x[0], int(y[0]), eps=0.2, **FEW)
    assert single.adversarials.shape == (1, 2, 3)
    assert np.array_equal(single.adversarials[0], result.adversarials[0])


@pytest.mark.parametrize("shape", [(), (5, 3, 2), (5, 7), (5, 4, 2, 3), (0, 2, 3), (3,)])
def test_shapes_that_do_not_fit(shaped, shape):
    with pytest.raises(InputError, match=r"shape|no inputs"):
        attack(shaped, np.zeros(shape, np.float32), eps=0.1)


def test_other_layouts_and_precisions():
    model, (x, y) = digits()[0], some_digits(4)
    plain = attack(model, x, y, eps=0.06, **FEW)
    spread = np.repeat(x, 2, axis=0)[::2]
    assert not spread.flags.c_contiguous
    for other in (np.asfortranarray(x), spread, x.astype(np.float64), x.tolist()):
        assert same(attack(model, other, y.tolist(), eps=0.06, **FEW), plain)


def test_rounding_of_float64_inputs():
    model, (x, y) = digits()[0], some_digits(4)
    shaken = np.clip(x.astype(np.float64) + 1e-9, 0, 1)
    result = attack(model, shaken, y, eps=0.06, **FEW)
    check_result(DIGITS, shaken.astype(np.float32), y, result, "linf", 0.06)


def test_a_model_by_its_path():
    x, y = some_digits(4)
    loaded = attack(digits()[0], x, y, eps=0.06, **FEW)
    assert same(attack(DIGITS, x, y, eps=0.06, **FEW), loaded)
    assert same(attack(str(DIGITS), x, y, eps=0.06, **FEW), loaded)


# Labels, targets, norms, domains


def test_without_labels_the_predictions_count():
    model, (x, _) = digits()[0], some_digits(8)
    result = attack(model, x, eps=0.06, **FEW)
    predicted = plain_outputs(DIGITS, x).argmax(axis=1)
    check_result(DIGITS, x, predicted, result, "linf", 0.06)
    assert Verdict.MISCLASSIFIED not in result.verdicts
    assert same(result, attack(model, x, predicted, eps=0.06, **FEW))


@pytest.mark.parametrize("minimize", [False, True])
def test_runner_up(minimize):
    model, x, y = digits()
    x, y = x[:10], y[:10]
    result = attack(model, x, y, eps=0.1, minimize=minimize, targets="runner-up", **FEW)
    order = np.argsort(-plain_outputs(DIGITS, x), axis=1)
    runners = [[int(c) for c in row if c != label][:1] for row, label in zip(order, y, strict=True)]
    check_result(DIGITS, x, y, result, "linf", 0.1, targets=runners)
    assert Verdict.ADVERSARIAL in result.verdicts


@pytest.mark.parametrize("targets", [[3, 8], (3, 8), "3,8", np.array([3, 8])])
def test_listed_targets(targets):
    model, x, y = digits()
    result = attack(model, x[:8], y[:8], eps=0.15, targets=targets, **FEW)
    check_result(DIGITS, x[:8], y[:8], result, "linf", 0.15, targets=[[3, 8]] * 8)
    assert Verdict.ADVERSARIAL in result.verdicts


@pytest.mark.parametrize("minimize", [False, True])
def test_only_target_is_the_label(minimize):
    """No wrong class counts for such an input: nothing can be found, and nothing may crash."""
    model, x, y = digits()
    target = int(y[0])
    result = attack(model, x[:6], y[:6], eps=0.2, minimize=minimize, targets=[target], **FEW)
    for label, verdict in zip(y[:6], result.verdicts, strict=True):
        assert label != target or verdict in (Verdict.UNKNOWN, Verdict.ROBUST)


def test_misclassified_for_another_class_than_the_targets():
    """A wrong clean input is misclassified at distance 0, whatever the targets."""
    model, x, y = digits()
    predicted = plain_outputs(DIGITS, x).argmax(axis=1)
    wrong = np.flatnonzero(predicted != y)[:3]
    assert wrong.size
    for i in wrong:
        others = [c for c in range(10) if c not in (int(y[i]), int(predicted[i]))][:1]
        result = attack(model, x[i], int(y[i]), eps=0.01, targets=others, **FEW)
        assert result.verdicts == (Verdict.MISCLASSIFIED,)


@pytest.mark.parametrize(
    ("norm", "names"),
    [
        ("linf", [np.inf, float("inf"), LInf()]),
        ("l1", [1, 1.0, L1()]),
        ("l2", [2, 2.0, L2()]),
    ],
)
def test_names_of_norms(norm, names):
    model, (x, y) = digits()[0], some_digits(3)
    named = attack(model, x, y, eps=RADII[norm], norm=norm, **FEW)
    for name in names:
        assert same(attack(model, x, y, eps=RADII[norm], norm=name, **FEW), named)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("eps", [0.0, 1e-30, 1e6])
def test_extreme_radii(norm, eps):
    model, x, y = digits()
    result = attack(model, x[:3], y[:3], eps=eps, norm=norm, **FEW)
    check_result(DIGITS, x[:3], y[:3], result, norm, eps)
    assert result.success.all() == (eps > 1)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("eps", [None, 0.3])
@pytest.mark.parametrize(("lower", "upper"), [(-np.inf, np.inf), (0.0, np.inf), (-0.1, 1.3)])
def test_domains(tmp_path, norm, eps, lower, upper):
    path = mlp_file(tmp_path, (6, 12, 4), seed=3)
    x = np.random.default_rng(1).uniform(size=(3, 6)).astype(np.float32)
    y = plain_outputs(path, x).argmax(axis=1)
    result = attack(path, x, y, eps=eps, norm=norm, lower=lower, upper=upper, **FEW)
    check_result(path, x, y, result, norm, eps or np.inf, lower=lower, upper=upper)


def test_domain_bounds_that_float32_cannot_hold(tmp_path):
    path = mlp_file(tmp_path, (4, 10, 3), seed=1)
    lower, upper = 0.7, 0.9  # as float32 both are outside
    x = np.random.default_rng(1).uniform(0.71, 0.89, (6, 4)).astype(np.float32)
    y = plain_outputs(path, x).argmax(axis=1)
    for norm in NORMS:
        result = attack(path, x, y, norm=norm, lower=lower, upper=upper, **FEW)
        check_result(path, x, y, result, norm, lower=lower, upper=upper)


def test_network_without_any_slope(tmp_path):
    """Zero gradients are not robustness."""
    path = linear_file(tmp_path, np.zeros((3, 3)), np.array([1.0, 0.0, 0.0]))
    x = np.full((2, 3), 0.5, np.float32)
    for eps in (None, 0.2):
        result = attack(path, x, [0, 1], eps=eps, **FEW)
        assert result.verdicts == (Verdict.UNKNOWN, Verdict.MISCLASSIFIED)
        assert result.robust_error == (0.5, 1.0)


def test_ties_are_not_adversarial(tmp_path):
    """Two equal outputs everywhere: no class is strictly above the other."""
    path = linear_file(tmp_path, np.ones((3, 2)), np.zeros(2))
    x = np.full((2, 3), 0.5, np.float32)
    for eps in (None, 0.2):
        result = attack(path, x, [0, 0], eps=eps, **FEW)
        assert Verdict.ADVERSARIAL not in result.verdicts
        assert Verdict.ROBUST not in result.verdicts


def test_one_class_only(tmp_path):
    """One score is no classification: Python refuses it as the command line does."""
    path = linear_file(tmp_path, np.ones((3, 1)), np.zeros(1))
    for targets in ("all", "runner-up"):
        for eps in (None, 0.2):
            with pytest.raises(ModelError, match="vector of class scores"):
                attack(path, np.full((1, 3), 0.5, np.float32), [0], eps=eps, targets=targets, **FEW)


@pytest.mark.parametrize("option", [{"engine": "stacked"}, {"solver": "highs"}, {"restarts": 0},
                                    {"lp_steps": 0}, {"gradient_steps": 1}])  # fmt: skip
@pytest.mark.parametrize("eps", [None, 0.06])
def test_options(option, eps):
    model, (x, y) = digits()[0], some_digits(5)
    result = attack(model, x, y, eps=eps, **{**FEW, **option})
    check_result(DIGITS, x, y, result, "linf", eps or np.inf)
