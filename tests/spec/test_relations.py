"""One-hot groups and linear equations: attacks keep to them, and proofs hold for them."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import onnx_lippa
from onnx_lippa.errors import InputError
from onnx_lippa.spec import InputSpecification, get_norm
from onnx_lippa.spec.relations import NO_RELATIONS, Equation, Relations
from onnx_lippa.witness import Verdict
from tests.support.attacks import mlp_file
from tests.support.commands import command

NAMES = ("a", "b", "total", "city=Bonn", "city=Ulm", "city=Trier")
GROUP = (3, 4, 5)


def build(**options):
    return InputSpecification.build(6, names=NAMES, **options)


def clean_inputs(count, seed=0):
    generator = np.random.default_rng(seed)
    x = np.zeros((count, 6), np.float32)
    x[:, :2] = generator.random((count, 2), np.float32) / 2
    x[:, 2] = x[:, 0] + x[:, 1]
    x[np.arange(count), generator.integers(3, 6, count)] = 1
    return x


def test_by_name():
    built = build(one_hot=["city"], relations=["total = a + 0.5*b - 2 * a"], eps=1)
    assert built.relations == Relations((GROUP,), (Equation(2, (0, 1), (-1.0, 0.5)),))
    assert build(one_hot=[["a", "b"], [3, 4]]).relations.one_hot == ((0, 1), (3, 4))
    assert InputSpecification.parse(json.loads(json.dumps(built.as_json()))) == built
    assert build(eps=1).relations == NO_RELATIONS
    assert not {"one_hot", "equations"} & set(build(eps=1).as_json())


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"one_hot": ["a"]}, "one feature alone"),
        ({"one_hot": ["city", [3, 0]]}, "share a feature"),
        ({"one_hot": [[3, 9]]}, "one_hot names feature 9"),
        ({"relations": ["total = a +"]}, "is not understood"),
        ({"relations": ["total"]}, "is not understood"),
        ({"relations": ["total = a b"]}, "names the feature 'a b'"),
        ({"relations": ["total = city + a"]}, "which are 3 features"),
        ({"relations": ["total = a + b", "b = a"]}, "total of one relation is part of another"),
    ],
)
def test_refused(options, says):
    with pytest.raises(InputError, match=says):
        build(**options)


@given(
    point=st.lists(st.floats(-3, 3), min_size=6, max_size=6),
    eps=st.sampled_from([0.05, 0.6, 1.0, 1.5]),
    norm=st.sampled_from(["linf", "l1", "l2"]),
    seed=st.integers(0, 20),
)
def test_every_point_is_moved_into_the_set(point, eps, norm, seed):
    """In which brute force, written apart, checks everything."""
    (x,) = clean_inputs(1, seed)
    specification = build(eps=eps, one_hot=["city"], relations=["total = a + b"])
    one = specification.input_set(x, get_norm(norm))
    assert one.contains(x)
    moved = one.to_model_type(np.array(point))
    assert one.contains(moved)
    assert sorted(moved[3:].tolist()) == [0, 0, 1]
    assert abs(float(moved[2]) - float(moved[0]) - float(moved[1])) < 3e-7
    order = {"linf": np.inf, "l1": 1, "l2": 2}[norm]
    assert np.linalg.norm(moved.astype(float) - x, order) <= eps
    assert moved.min() >= 0
    assert moved.max() <= 1


@pytest.mark.parametrize(("seed", "gain"), [(2, 2.0), (4, 1.0), (6, 1.0)])
def test_runs_against_brute_force(tmp_path, seed, gain):
    """Only a category may change, so that three points are all there are."""
    model = onnx_lippa.load(mlp_file(tmp_path, (6, 12, 3), seed=seed, gain=gain))
    x = clean_inputs(30, seed)
    labels = model.runtime.forward(x).argmax(axis=1)
    results = onnx_lippa.audit(
        model, x, eps={"city=*": 1}, one_hot=["city"], workers=1, time_limit=0.2,
        out=tmp_path / "run", data_options=onnx_lippa.DataOptions(features=NAMES),
    )  # fmt: skip
    for clean, label, result in zip(x, labels, results, strict=True):
        points = np.tile(clean, (3, 1))
        points[:, 3:] = np.eye(3)
        broken = bool((model.runtime.forward(points).argmax(axis=1) != label).any())
        assert (result.verdict is Verdict.ADVERSARIAL) == broken
        if result.witness is not None:
            assert any(np.array_equal(result.witness.x, point) for point in points)
    assert {Verdict.ADVERSARIAL} < {result.verdict for result in results}
    onnx_lippa.replay(tmp_path / "run")


def test_equations_in_runs(tmp_path):
    """Witnesses meet the equation, and what is proven has none on a fine grid of the plane."""
    model = onnx_lippa.load(mlp_file(tmp_path, (3, 12, 3), seed=4))
    x = clean_inputs(16)[:, :3]
    options = onnx_lippa.DataOptions(features=NAMES[:3])
    results = onnx_lippa.audit(
        model, x, eps=0.15, relations=["total = a + b"], workers=1, time_limit=2.0,
        data_options=options,
    )  # fmt: skip
    steps = np.linspace(-0.15, 0.15, 31)
    labels = model.runtime.forward(x).argmax(axis=1)
    for clean, label, result in zip(x, labels, results, strict=True):
        if result.witness is not None:
            a, b, total = result.witness.x.astype(float)
            assert abs(a + b - total) < 3e-7
        if result.verdict is Verdict.ROBUST:
            points = clean[:2] + np.array(list(itertools.product(steps, steps)))
            points = np.c_[points, points.sum(axis=1)]
            allowed = (np.abs(points - clean) <= 0.15).all(axis=1) & (points >= 0).all(axis=1)
            inside = points[allowed].astype(np.float32)
            assert (model.runtime.forward(inside).argmax(axis=1) == label).all()
    assert results.figures.counts.adversarial > 0
    assert results.figures.counts.robust > 0
    with pytest.raises(InputError, match="input 0 does not meet a relation: feature 2 is"):
        onnx_lippa.attack(
            model, x + np.float32([0, 0, 0.1]), eps=0.1, relations=["total = a + b"],
            data_options=options,
        )  # fmt: skip


def test_categories_of_a_table_move_where_they_are_one_hot(tmp_path):
    model = mlp_file(tmp_path, (3, 8, 2), seed=2)
    rows = [f"{i / 10},{city}" for i, city in enumerate(["Ulm", "Bonn"] * 5)]
    (tmp_path / "t.csv").write_text("\n".join(["age,city", *rows]) + "\n")
    words = (
        "attack",
        model,
        tmp_path / "t.csv",
        "--categorical",
        "city",
        "--eps",
        "city=1",
        "--json",
    )
    held = json.loads(command(*words, "--out", tmp_path / "held").out)
    moved = json.loads(
        command(*words, "--one-hot", "city", "--relations", "", "--out", tmp_path / "moved").out
    )
    assert (held["fixed"], held["counts"]["adversarial"]) == (2, 0)
    assert (moved["fixed"], moved["one_hot"]) == (0, 1)
    for name in ("held", "moved"):
        assert command("replay", tmp_path / name).code == 0
    with np.load(tmp_path / "moved" / "adversarials.npz") as stored:
        assert (stored["inputs"][:, 1:].sum(axis=1) == 1).all()
        assert len(stored["index"]) == moved["counts"]["adversarial"] > 0


@pytest.mark.parametrize("coefficients", [[1.0], [1.0, 2.0, 3.0]])
def test_an_equation_in_a_damaged_file(coefficients):
    one = {"total": 0, "features": [1, 2], "coefficients": coefficients}
    with pytest.raises(ValueError, match="more features than coefficients, or fewer"):
        Relations.parse({"equations": [one]})
