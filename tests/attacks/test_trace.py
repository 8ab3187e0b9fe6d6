"""The path of an attack on one input: regions, margins, restarts, evidence."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from onnx_lippa import InputError, Lippa, PaperLippa, Pgd, Verdict, attack, load, trace
from onnx_lippa.attacks import StepKind
from onnx_lippa.lp.region import LinearRegion
from tests.support.attacks import DIGITS, RADII, digits, linear_file, mlp_file, plain_outputs
from tests.support.paths import MODELS

UNSURE = 1
"""A digit that Algorithm 1 does not break at a radius of 0.05: its path has restarts."""
BROKEN = 7
"""One that it breaks at a radius of 0.1, in its second region."""


def traced(index=UNSURE, eps=0.05, **options):
    model, x, y = digits()
    return trace(model, x, y, eps=eps, index=index, **options)


def witness_of(found):
    assert found.result.witness is not None
    return found.result.witness


def numbers(found):
    return [
        (one.kind, one.margin, one.distance, one.target, one.region, one.is_new)
        for one in found.points
    ]


@pytest.mark.parametrize("norm", ["linf", "l1", "l2"])
def test_region_numbers_agree_with_patterns(norm):
    network = digits()[0].network
    found = traced(eps=RADII[norm], norm=norm)
    keys = []
    for point in found.points:
        key = point.pattern.key
        assert point.is_new == (key not in keys)
        keys += [key] if point.is_new else []
        assert keys[point.region] == key
        if point.kind is StepKind.LPSTEP:  # an optimum lies on faces of its region
            assert LinearRegion(network, point.pattern).contains(point.x, 1e-6)
        else:
            assert network.pattern(point.x).key == key
    assert found.regions == len(keys) > 1


@pytest.mark.parametrize("norm", ["linf", "l1", "l2"])
def test_margins_and_distances_agree_with_onnx_runtime(norm):
    y = digits()[2]
    found = traced(eps=RADII[norm], norm=norm)
    x = np.array([point.x for point in found.points])
    outputs = plain_outputs(DIGITS, x)
    center, order = found.problem.inputs.center, {"linf": np.inf, "l1": 1, "l2": 2}[norm]
    for point, output in zip(found.points, outputs, strict=True):
        assert point.margin == pytest.approx(output[y[UNSURE]] - output[point.target], abs=1e-4)
        assert point.distance == pytest.approx(np.linalg.norm(point.x - center, order))
        assert point.distance <= RADII[norm] * (1 + 1e-6)
        assert np.all((point.x >= -1e-9) & (point.x <= 1 + 1e-9))


@pytest.mark.parametrize("norm", ["linf", "l1", "l2"])
def test_an_lp_step_never_raises_the_margin_of_its_region(norm):
    found = traced(eps=RADII[norm], norm=norm)
    steps = 0
    for before, after in pairwise(found.points):
        if after.kind is StepKind.LPSTEP:
            assert before.kind is not StepKind.LPSTEP
            assert (after.region, after.target) == (before.region, before.target)
            assert after.margin <= before.margin + 1e-6
            steps += 1
    assert steps == found.counts[StepKind.LPSTEP] >= 2


def test_a_path_begins_at_the_clean_input_and_restarts_when_it_stalls():
    found = traced()
    first, *rest = found.points
    assert (first.kind, first.distance, first.region) == (StepKind.START, 0.0, 0)
    np.testing.assert_array_equal(first.x, digits()[1][UNSURE].ravel().astype(np.float64))
    assert StepKind.START not in {point.kind for point in rest}
    assert found.counts[StepKind.RESTART] > 0
    assert found.points[-1].kind is not StepKind.RESTART
    assert len(found.searches) == 1 + found.counts[StepKind.RESTART]
    assert sum(map(len, found.searches)) == len(found.points)
    seconds = [point.seconds for point in found.points]
    assert seconds == sorted(seconds)
    assert found.result.verdict is Verdict.UNKNOWN
    assert "input 1 is unknown after" in repr(found)
    best = min(point.margin for point in found.points)
    assert found.points[found.best].margin == best > 0


def test_a_witness_is_the_one_that_the_attack_finds_and_replays():
    model, x, y = digits()
    found = traced(BROKEN, 0.1)
    (plain,) = attack(model, x[BROKEN : BROKEN + 1], y[BROKEN : BROKEN + 1], eps=0.1,
                      method="lippa-paper", workers=1)  # fmt: skip
    assert found.result.verdict is plain.verdict is Verdict.ADVERSARIAL
    witness = witness_of(found)
    assert plain.witness is not None
    np.testing.assert_array_equal(witness.x, plain.witness.x)
    assert found.result.effort.lp_steps == plain.effort.lp_steps
    assert plain.effort.gradients >= found.counts[StepKind.GSSTEP] > 0
    assert plain_outputs(DIGITS, witness.x[None])[0].argmax() != y[BROKEN]
    np.testing.assert_allclose(found.points[-1].x, witness.x, atol=1e-6)
    assert [point.kind.value for point in found.points] == ["start", "LPStep", "GSStep", "LPStep"]
    assert found.best == 3
    assert "adversarial after 2 LPSteps, 1 GSStep and 0 restarts through 2 linear" in repr(found)


def test_same_seed_same_path():
    first, second, other = traced(), traced(), traced(seed=1)
    assert numbers(first) == numbers(second)
    np.testing.assert_array_equal([one.x for one in first.points], [one.x for one in second.points])
    assert numbers(first) != numbers(other)
    assert numbers(first)[:4] == numbers(other)[:4]  # the search from the clean input draws nothing


def test_a_linear_model_needs_one_lp_step(tmp_path):
    weight, bias = np.array([[1.0, -1.0], [2.0, 0.5]]), np.array([0.3, -0.2])
    model = load(linear_file(tmp_path, weight, bias))
    x = np.array([[0.6, 0.5]], np.float32)
    margin, slopes = 2.45, np.array([2.0, 1.5])  # class 0 minus class 1
    found = trace(model, x, [0], eps=0.3)
    assert [point.kind for point in found.points] == [StepKind.START, StepKind.LPSTEP]
    assert found.points[0].margin == pytest.approx(margin)
    assert found.points[1].margin == pytest.approx(margin - 0.3 * slopes.sum())
    nearest = trace(model, x, [0], lower=-5, upper=5)
    exact = margin / slopes.sum()
    assert witness_of(nearest).distance == pytest.approx(exact, rel=1e-3)
    assert nearest.points[nearest.best].distance == pytest.approx(exact, rel=1e-3)


@pytest.mark.parametrize("norm", ["linf", "l1", "l2"])
def test_minimal_distance(norm):
    model, x, y = digits()
    found = trace(model, x, y, index=2, norm=norm)
    assert found.problem.minimize
    distance = witness_of(found).distance
    unsafe = [point.distance for point in found.points if point.margin < 0]
    assert min(unsafe) == pytest.approx(distance, rel=1e-4)
    assert found.points[found.best].distance == min(unsafe)
    within = trace(model, x, y, index=2, norm=norm, eps=1.5 * distance, minimize=True)
    assert witness_of(within).distance <= 1.5 * distance
    assert all(point.distance <= 1.5 * distance * (1 + 1e-6) for point in within.points)
    nearest = attack(model, x[2:3], y[2:3], norm=norm, workers=1).distances[0]
    assert 0.95 * nearest <= distance <= 1.5 * nearest


@pytest.mark.parametrize("method", ["lippa", "lippa+mip", "pgd"])
def test_whole_schedules_show_what_improved(method):
    with np.load(MODELS / "mnist_mlp.npz") as data:
        x, y = data["images"], data["labels"]
    found = trace(MODELS / "mnist_mlp.onnx", x[5:6], y[5:6], eps=0.05, method=method)
    margins = [point.margin for point in found.points]
    assert found.points[0].kind is StepKind.START
    assert margins == sorted(margins, reverse=True)
    assert len(margins) > 2
    kinds = {point.kind for point in found.points}
    assert (StepKind.LPSTEP in kinds) == (method != "pgd")
    assert margins[-1] == pytest.approx(found.result.best_margin, abs=1e-3)
    nearest = trace(*digits(), index=2, method=method)
    unsafe = [point.distance for point in nearest.points if point.margin < 0]
    assert unsafe == sorted(unsafe, reverse=True)
    assert unsafe[-1] == pytest.approx(witness_of(nearest).distance, rel=1e-4)


def test_a_trace_costs_the_attack_nothing_but_memory():
    model, x, y = digits()
    (plain,) = attack(model, x[1:2], y[1:2], eps=0.05, method="lippa", workers=1)
    same = traced(method="lippa").result
    assert (plain.best_margin, plain.verdict) == (same.best_margin, same.verdict)
    assert (plain.effort.gradients, plain.effort.lp_steps) == (
        same.effort.gradients, same.effort.lp_steps,
    )  # fmt: skip


def test_methods_are_values_and_limits_hold(tmp_path):
    assert traced(lp_steps=3).counts[StepKind.LPSTEP] == 3
    assert numbers(traced(method=PaperLippa(lp_steps=3))) == numbers(traced(lp_steps=3))
    stacked = traced(method=PaperLippa(lp_steps=3, engine="stacked"))
    margins = [point.margin for point in stacked.points]
    assert margins == pytest.approx([point.margin for point in traced(lp_steps=3).points], abs=1e-6)
    few = traced(method=Lippa(restarts=0, lp_steps=0))
    assert few.counts[StepKind.RESTART] == 0
    model = load(mlp_file(tmp_path, (6, 60, 60, 3), seed=3))
    x = np.full((1, 6), 0.45, np.float32)
    y = plain_outputs(model.file.path, x).argmax(axis=1)
    long = trace(model, x, y, eps=0.01, lp_steps=10**6, time_limit=0.3)
    assert long.result.effort.seconds < 2


def test_refusals():
    model, x, y = digits()
    with pytest.raises(InputError, match=r"index is 5: the data holds 3 inputs, give 0 to 2"):
        trace(model, x[:3], y[:3], eps=0.1, index=5)
    with pytest.raises(InputError, match="index is -1"):
        trace(model, x[:3], y[:3], eps=0.1, index=-1)
    with pytest.raises(InputError, match="input 1 is misclassified"):
        trace(model, x[:3], (y[:3] + 1) % 10, eps=0.1, index=1)
    with pytest.raises(InputError, match="lp_steps is 0"):
        traced(method=PaperLippa(lp_steps=0))
    with pytest.raises(InputError, match="no LP engine 'rowz'"):
        traced(method=PaperLippa(engine="rowz"))
    with pytest.raises(InputError, match="lp_steps is no option of the method 'pgd'"):
        traced(method="pgd", lp_steps=3)
    for method in ("fgsm", Pgd(loss="dlr")):
        with pytest.raises(InputError, match="has no steps to show: choose lippa-paper"):
            traced(method=method)
    with pytest.raises(InputError, match="given beside the method"):
        traced(method=Pgd(), lp_steps=3)
