"""Proofs over one-hot groups, against enumeration of categories and a grid."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest

import onnx_lippa
from onnx_lippa.bounds.proven import ProvenBounds
from onnx_lippa.ending import Ending
from onnx_lippa.proofs import BranchAndBound
from onnx_lippa.spec import Categories, InputSpecification, Problem, UnsafeSet, get_norm
from onnx_lippa.state import InputState
from onnx_lippa.witness import ProvedBy, Verdict
from tests.support.attacks import mlp_file

NAMES = ("a", "b", "city=Bonn", "city=Ulm", "city=Trier")
ORDERS = {"linf": np.inf, "l1": 1, "l2": 2}


@pytest.mark.parametrize("branches", [False, True])
@pytest.mark.parametrize("seed", [1, 4, 5])
@pytest.mark.parametrize(
    ("method", "norm", "scale"),
    [("complete", "linf", 1.0), ("complete", "l1", 8.0), ("complete", "l2", 8.0),
     ("mip", "linf", 1.0)],
)  # fmt: skip
def test_against_enumeration(tmp_path, monkeypatch, method, norm, scale, seed, branches):
    """Every category with a grid of the other features: all that is broken is found."""
    if branches:
        monkeypatch.setattr("onnx_lippa.proofs.categories._MOST", 0)
    model = onnx_lippa.load(mlp_file(tmp_path, (5, 10, 3), seed=seed))
    generator = np.random.default_rng(1)
    x = np.zeros((14, 5), np.float32)
    x[:, :2] = generator.random((14, 2), np.float32)
    x[np.arange(14), generator.integers(2, 5, 14)] = 1
    labels = model.runtime.forward(x).argmax(axis=1)
    sizes = np.array([0.2, 0.2, scale, scale, scale])
    results = onnx_lippa.certify(
        model, x, eps=1.0, scale=sizes, norm=norm, one_hot=["city"], method=method, workers=1,
        time_limit=10.0, data_options=onnx_lippa.DataOptions(features=NAMES),
    )  # fmt: skip
    steps = np.linspace(-0.2, 0.2, 41)
    moves = np.array(list(itertools.product(steps, steps, range(3))))
    for clean, label, result in zip(x, labels, results, strict=True):
        points = np.hstack([clean[:2] + moves[:, :2], np.eye(3)[moves[:, 2].astype(int)]])
        lengths = np.linalg.norm((points - clean) / sizes, ORDERS[norm], axis=1)
        inside = (lengths <= 1.0) & (points >= 0).all(axis=1) & (points <= 1).all(axis=1)
        broken = (
            model.runtime.forward(points[inside].astype(np.float32)).argmax(axis=1) != label
        ).any()
        assert result.verdict in (Verdict.ADVERSARIAL, Verdict.ROBUST)
        assert result.verdict is Verdict.ADVERSARIAL or not broken
    both = {Verdict.ADVERSARIAL, Verdict.ROBUST}
    assert seed != 4 or {result.verdict for result in results} == both


def test_which_combinations():
    """Those that the ball allows; None without groups."""
    center = np.float32([0, 0, 1, 0, 0])

    def split(**options):
        specification = InputSpecification.build(5, names=NAMES, **options)
        categories = Categories.of(specification.input_set(center, get_norm("l1")))
        if categories is None:
            return None
        return [one for one in map(categories.restrict, categories.combinations()) if one]

    assert split(eps=1.0) is None
    one, *others = split(eps=1.0, one_hot=["city"])
    assert (len(others), one.eps) == (0, 1.0)
    swapped = split(eps=2.5, one_hot=["city"])
    assert [np.flatnonzero(one.center).tolist() for one in swapped] == [[2], [3], [4]]
    assert [one.eps for one in swapped] == pytest.approx([2.5, 0.5, 0.5])
    assert all(one.lower[2:].tolist() == one.center[2:].tolist() for one in swapped)


GROUPS = [[3 * i, 3 * i + 1, 3 * i + 2] for i in range(6)]


@pytest.mark.parametrize("method", ["complete", "mip"])
@pytest.mark.parametrize("seed", [3, 4])
def test_many_combinations(tmp_path, method, seed):
    """729 combinations, and a number beside them: verdicts are those of brute force."""
    model = onnx_lippa.load(mlp_file(tmp_path, (19, 5, 2), seed=seed))
    chosen = np.array(list(itertools.product(range(3), repeat=6)))
    points = np.eye(3, dtype=np.float32)[chosen].reshape(-1, 18)
    points = np.hstack([points, np.full((len(points), 1), 0.5, np.float32)])
    outputs = model.runtime.forward(points)
    labels, margins = outputs.argmax(axis=1), np.abs(outputs[:, 0] - outputs[:, 1])
    places = np.argsort(-margins, kind="stable")[[0, 1, 200, 600]]
    # Two swaps at most: each takes 2 of the distance.
    results = onnx_lippa.certify(
        model, points[places], eps=4.1, norm="l1", one_hot=GROUPS, method=method, workers=1,
        time_limit=20.0,
    )  # fmt: skip
    steps = np.linspace(-0.1, 0.1, 21, dtype=np.float32)
    for place, result in zip(places, results, strict=True):
        swaps = (chosen != chosen[place]).sum(axis=1)
        near = np.repeat(points[swaps <= 2], 21, axis=0)
        near[:, 18] += np.tile(steps, (swaps <= 2).sum())
        broken = (model.runtime.forward(near).argmax(axis=1) != labels[place]).any()
        assert result.verdict is (Verdict.ADVERSARIAL if broken else Verdict.ROBUST)
    assert {result.verdict for result in results} == {Verdict.ADVERSARIAL, Verdict.ROBUST}


def problem_of(model, x, norm="linf", eps=1.0):
    specification = InputSpecification.build(19, one_hot=GROUPS, eps=eps, names=[])
    unsafe = UnsafeSet.misclassification(int(model.runtime.forward(x[None]).argmax()), 2)
    return Problem(0, specification.input_set(x, get_norm(norm)), unsafe, unsafe)


def test_limits_of_branches(tmp_path):
    """Out of nodes an input stays open, and says so."""
    model = onnx_lippa.load(mlp_file(tmp_path, (19, 5, 2), seed=3))
    x = np.r_[np.tile([1, 0, 0], 6), 0.5].astype(np.float32)
    state = InputState(problem_of(model, x), model)
    BranchAndBound(node_limit=1).prove([state])
    assert state.reason is not None
    assert (state.is_robust, state.reason.ending) == (False, Ending.OUT_OF_NODES)


def test_proofs_by_parts(tmp_path):
    """The least bound of the parts, by the strongest method needed; a solver's word stays one."""
    model = onnx_lippa.load(mlp_file(tmp_path, (19, 5, 2), seed=3))
    problem = problem_of(model, np.r_[np.tile([1, 0, 0], 6), 0.5].astype(np.float32))

    def part(bound, method=ProvedBy.LINEAR):
        state = InputState(problem, model)
        if method is ProvedBy.MIP:
            state.believe(bound)
        elif bound == 0:
            state.exclude(method)
        else:
            state.prove(ProvenBounds.of_empty().concatenate(proven(bound)), method)
        return state

    def proven(bound):
        return ProvenBounds.from_rationals([Fraction(bound)])

    for parts, expected in [
        ([part(2), part(1, ProvedBy.COMPLETE)], (1.0, ProvedBy.COMPLETE)),
        ([part(2), part(3)], (2.0, ProvedBy.LINEAR)),
        ([part(1, ProvedBy.MIP), part(3, ProvedBy.COMPLETE)], (1.0, ProvedBy.MIP)),
        ([part(0, ProvedBy.COMPLETE), part(3)], (0.0, ProvedBy.COMPLETE)),
    ]:
        whole = InputState(problem, model)
        whole.prove_by_parts(parts)
        assert whole.is_robust
        assert whole.bound == pytest.approx(expected[0])
        assert whole.proved_by is expected[1]
    for parts in ([], [part(1), InputState(problem, model)], [part(1), part(-1)]):
        whole = InputState(problem, model)
        with pytest.raises(ValueError, match="not robust"):
            whole.prove_by_parts(parts)
        assert not whole.is_robust
