"""Proofs over one-hot groups, against enumeration of categories and a grid."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import onnx_lippa
from onnx_lippa.proofs.categories import split_categories
from onnx_lippa.spec import InputSpecification, get_norm
from onnx_lippa.witness import Verdict
from tests.support.attacks import mlp_file

NAMES = ("a", "b", "city=Bonn", "city=Ulm", "city=Trier")
ORDERS = {"linf": np.inf, "l1": 1, "l2": 2}


@pytest.mark.parametrize("seed", [1, 4, 5])
@pytest.mark.parametrize(
    ("method", "norm", "scale"),
    [("complete", "linf", 1.0), ("complete", "l1", 8.0), ("complete", "l2", 8.0),
     ("mip", "linf", 1.0)],
)  # fmt: skip
def test_against_enumeration(tmp_path, method, norm, scale, seed):
    """Every category with a grid of the other features: all that is broken is found."""
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
    """Those that the ball allows; None where there are too many, or no groups."""
    center = np.float32([0, 0, 1, 0, 0])

    def split(**options):
        specification = InputSpecification.build(5, names=NAMES, **options)
        return split_categories(specification.input_set(center, get_norm("l1")))

    assert split(eps=1.0) is None
    one, *others = split(eps=1.0, one_hot=["city"])
    assert (len(others), one.eps) == (0, 1.0)
    swapped = split(eps=2.5, one_hot=["city"])
    assert [np.flatnonzero(one.center).tolist() for one in swapped] == [[2], [3], [4]]
    assert [one.eps for one in swapped] == pytest.approx([2.5, 0.5, 0.5])
    assert all(one.lower[2:].tolist() == one.center[2:].tolist() for one in swapped)
