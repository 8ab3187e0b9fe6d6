"""Attacks on one-hot groups, against every category with a grid of the other features."""

from __future__ import annotations

import itertools

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import onnx_lippa
from onnx_lippa.spec import Categories, InputSpecification, get_norm
from onnx_lippa.witness import Verdict
from tests.support.attacks import mlp_file

NAMES = ("a", "b", "c=1", "c=2", "c=3", "d=1", "d=2", "d=3", "d=4")
EYES = np.array([np.r_[c, d] for c in np.eye(3) for d in np.eye(4)])
ORDERS = {"linf": np.inf, "l1": 1, "l2": 2}


def table(folder, seed, count):
    """A network on which categories say less than numbers, and inputs far from its boundaries."""
    path = mlp_file(folder, (9, 16, 3), seed=seed)
    model = onnx.load(path)
    (weights,) = [one for one in model.graph.initializer if one.name == "w0"]
    values = numpy_helper.to_array(weights).copy()
    values[2:] *= 0.2
    weights.CopyFrom(numpy_helper.from_array(values, "w0"))
    onnx.save(model, path)
    loaded = onnx_lippa.load(path)
    generator = np.random.default_rng(seed)
    x = np.zeros((40 * count, 9), np.float32)
    x[:, :2] = generator.random((len(x), 2), np.float32)
    x[:, 2:] = EYES[generator.integers(0, 12, len(x))]
    outputs = np.sort(loaded.runtime.forward(x), axis=1)
    order = np.argsort(outputs[:, -2] - outputs[:, -1], kind="stable")
    return loaded, x[order[: 2 * count : 2]]


def with_categories(numbers):
    """Some numbers (n, 2) with every combination of categories."""
    return np.concatenate([np.hstack([numbers, np.tile(eye, (len(numbers), 1))]) for eye in EYES])


def is_broken(model, clean, sizes, norm):
    """Whether a point of categories and grid has another class."""
    steps = np.linspace(-0.15, 0.15, 61)
    moves = np.array(list(itertools.product(steps, steps)))
    points = with_categories(clean[:2] + moves)
    inside = np.linalg.norm((points - clean) / sizes, ORDERS[norm], axis=1) <= 1
    inside &= (points >= 0).all(axis=1) & (points <= 1).all(axis=1)
    label = model.runtime.forward(clean[None]).argmax()
    return bool((model.runtime.forward(points[inside].astype(np.float32)).argmax(1) != label).any())


@pytest.mark.parametrize(
    ("method", "norm", "scale", "places"),
    [("lippa", "l2", 2.0, (5, 6, 8, 14)), ("lippa", "l1", 4.0, (6,)), ("pgd", "linf", 1.0, (12,))],
)
def test_against_every_category(tmp_path, method, norm, scale, places):
    """These were missed while categories moved by gradients alone."""
    model, x = table(tmp_path, 4, 16)
    sizes = np.r_[0.15, 0.15, np.full(7, scale)]
    x = x[list(places)]
    assert all(is_broken(model, clean, sizes, norm) for clean in x)
    results = onnx_lippa.attack(
        model, x, eps=1.0, scale=sizes, norm=norm, one_hot=["c", "d"], method=method, workers=1,
        data_options=onnx_lippa.DataOptions(features=NAMES),
    )  # fmt: skip
    for clean, result in zip(x, results, strict=True):
        assert result.verdict is Verdict.ADVERSARIAL
        assert result.witness is not None
        assert set(result.witness.x[2:].tolist()) <= {0.0, 1.0}
        assert result.witness.x[2:5].sum() == result.witness.x[5:].sum() == 1
        length = np.linalg.norm((result.witness.x.astype(float) - clean) / sizes, ORDERS[norm])
        assert length <= 1.0


def test_batches_do_not_change_results(tmp_path):
    """One input alone is attacked as it is beside others."""
    model, x = table(tmp_path, 4, 16)
    options = {
        "eps": 1.0, "scale": np.r_[0.15, 0.15, np.full(7, 2.0)], "norm": "l2", "workers": 1,
        "one_hot": ["c", "d"], "data_options": onnx_lippa.DataOptions(features=NAMES),
    }  # fmt: skip
    together = onnx_lippa.attack(model, x[4:7], **options)
    for place, result in enumerate(together):
        (alone,) = onnx_lippa.attack(model, x[4 + place : 5 + place], **options)
        assert alone.verdict is result.verdict
        assert alone.best_margin == result.best_margin


def test_minimal_distances_change_categories(tmp_path):
    """The nearest witness is no farther than the nearest point of categories and grid."""
    model, x = table(tmp_path, 4, 16)
    sizes = np.r_[0.15, 0.15, np.full(7, 2.0)]
    steps = np.linspace(-0.3, 0.3, 61)
    moves = np.array(list(itertools.product(steps, steps)))
    results = onnx_lippa.attack(
        model, x[5:7], eps=2.0, scale=sizes, norm="l2", one_hot=["c", "d"], minimize=True,
        workers=1, data_options=onnx_lippa.DataOptions(features=NAMES),
    )  # fmt: skip
    for clean, result in zip(x[5:7], results, strict=True):
        points = with_categories(clean[:2] + moves).clip(0, 1).astype(np.float32)
        label = model.runtime.forward(clean[None]).argmax()
        broken = points[model.runtime.forward(points).argmax(axis=1) != label]
        nearest = np.linalg.norm((broken - clean) / sizes, axis=1).min()
        assert result.witness is not None
        assert result.witness.distance <= nearest + 1e-6


def test_more_combinations_than_are_tried(tmp_path):
    """Eight groups of three: the least sum of categories is found by swaps."""
    path = mlp_file(tmp_path, (24, 6, 2), seed=3)
    model = onnx_lippa.load(path)
    x = np.tile(np.float32([1, 0, 0]), 8)[None]
    groups = [[3 * i, 3 * i + 1, 3 * i + 2] for i in range(8)]
    chosen = np.array(list(itertools.product(range(3), repeat=8)))
    points = np.eye(3, dtype=np.float32)[chosen].reshape(-1, 24)
    outputs = model.runtime.forward(points)
    margins = outputs[:, 0] - outputs[:, 1]
    x = points[[int(margins.argmax())]]
    assert margins.max() > 0 > margins.min()
    (result,) = onnx_lippa.attack(model, x, eps=1.0, one_hot=groups, workers=1)
    assert result.verdict is Verdict.ADVERSARIAL


def test_inputs_of_a_combination():
    """Categories are fixed, the radius is what they leave, and open groups keep those allowed."""
    center = np.float32([0.5, 0, 1, 0, 0, 1])
    specification = InputSpecification.build(
        6, names=("a", "c=1", "c=2", "c=3", "d=1", "d=2"), one_hot=["c", "d"], eps=2.5,
        fixed=["c=3"],
    )  # fmt: skip
    categories = Categories.of(specification.input_set(center, get_norm("l1")))
    assert categories is not None
    assert (categories.own, categories.choices) == ((2, 5), ((1, 2), (4, 5)))
    assert sorted(categories.swaps((2, 5))) == [(1, 5), (2, 4)]
    assert categories.restrict((1, 4)) is None  # it moves by 4
    part = categories.fix((1, 5))
    assert part is not None
    assert part.eps == pytest.approx(0.5)
    assert part.center.tolist() == [0.5, 1, 0, 0, 0, 1]
    assert part.norm.unit_radii(6).tolist() == [1, 0, 0, 0, 0, 0]
    assert part.grid is None
    assert part.contains(np.float32([0.75, 1, 0, 0, 0, 1]))
    open_group = categories.restrict((None, 5))
    assert open_group is not None
    assert open_group.upper.tolist() == [1, 1, 1, 0, 0, 1]
