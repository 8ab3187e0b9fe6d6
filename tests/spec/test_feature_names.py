"""Features by name, and directions: what is allowed, and that attacks and proofs keep to it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import onnx_lippa
from onnx_lippa.errors import InputError
from onnx_lippa.spec import InputSpecification, get_norm
from onnx_lippa.witness import Verdict
from tests.support.attacks import mlp_file

NAMES = ("age", "income", "pay_1", "pay_2", "city=Bonn", "city=Ulm")


def build(**options):
    return InputSpecification.build(6, names=NAMES, **options)


@given(st.dictionaries(st.sampled_from([*NAMES, "*"]), st.floats(0, 1), min_size=1))
def test_numbers_by_name_are_those_in_an_array(values):
    rest = {"eps": 0.0, "grid": 0.0, "scale": 1.0, "upper": 1.0}
    for option, default in rest.items():
        array = [values.get(name, values.get("*", default)) for name in NAMES]
        assert build(**{option: values}) == build(**{option: array})


def test_names_and_patterns():
    assert build(eps={"income": 0.1, "*": 0.02}).scale == (0.02, 0.1, 0.02, 0.02, 0.02, 0.02)
    assert build(grid={"pay_*": 1}).grid == (0, 0, 1, 1, 0, 0)
    assert build(fixed=["city", "age"]).fixed == (4, 5, 0)
    assert build(fixed="pay_*").fixed == (2, 3)
    assert build(fixed=["0", "income"]).fixed == (0, 1)
    assert build(only_up=["age"], only_down=[1]).only_down == (1,)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"eps": {"hair": 1}}, "eps names the feature 'hair', which is none of 'age', 'income'"),
        ({"fixed": ["hair"]}, "fixed names the feature 'hair'"),
        ({"grid": {"age": [1, 2]}}, "grid of age holds 2 numbers"),
        ({"only_up": ["age"], "only_down": [0]}, "feature 0 may neither rise nor fall"),
        ({"only_up": [6]}, "the directions name feature 6"),
        ({"eps": {"age": -1}}, "eps is -1.0 at feature 0"),
    ],
)
def test_refused(options, says):
    with pytest.raises(InputError, match=says):
        build(**options)
    with pytest.raises(InputError, match="the features have no names"):
        InputSpecification.build(6, fixed=["age"])


def test_directions_are_bounds_of_each_input():
    specification = build(eps=0.5, only_up=["age"], only_down=["income"], lower=-1)
    x = np.full(6, 0.25, np.float32)
    one = specification.input_set(x, get_norm("linf"))
    assert (one.lower[0], one.upper[0], one.lower[1], one.upper[1]) == (0.25, 1, -1, 0.25)
    assert one.lower[2] == -1
    assert (
        InputSpecification.parse(json.loads(json.dumps(specification.as_json()))) == specification
    )
    assert "only_up" not in build(eps=0.5).as_json()


@pytest.mark.parametrize("norm", ["linf", "l1", "l2"])
def test_attacks_and_proofs_keep_to_directions(tmp_path, norm):
    """As with a domain of its own for each input, in which no more is found or proven."""
    model = onnx_lippa.load(mlp_file(tmp_path, (4, 12, 3), seed=5), lower=0, upper=1)
    x = np.random.default_rng(2).random((12, 4), np.float32)
    options = {"eps": 0.1 if norm == "linf" else 0.4, "norm": norm, "workers": 1, "time_limit": 5.0}
    results = onnx_lippa.audit(model, x, only_up=[0, 1], only_down=[2], **options)
    assert 0 < results.figures.counts.adversarial < 12
    assert results.figures.counts.robust > 0
    for result in results:
        clean = x[result.index]
        if result.witness is not None:
            moved = result.witness.x - clean
            assert (moved[:2] >= 0).all()
            assert moved[2] <= 0
        lower, upper = np.zeros(4), np.ones(4)
        lower[:2], upper[2] = clean[:2], clean[2]
        (alone,) = onnx_lippa.audit(model, clean[None], lower=lower, upper=upper, **options)
        if Verdict.UNKNOWN not in (alone.verdict, result.verdict):
            assert alone.verdict is result.verdict
