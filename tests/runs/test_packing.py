"""What goes to the machines of a cluster, and what a caller may choose."""

from __future__ import annotations

import numpy as np
import pytest

import onnx_lippa
from onnx_lippa.errors import InputError
from onnx_lippa.runs import pools
from onnx_lippa.runs.cluster import packing
from onnx_lippa.runs.cluster.packing import MissingPartsError, Packed, Store, pack, unpack
from onnx_lippa.runs.cluster.versions import describe_difference, read_versions
from onnx_lippa.spec import InputSpecification, ProblemSet, Specification, Targets, get_norm
from tests.support.attacks import DIGITS, digits
from tests.support.commands import assert_refused, command


def some_problems(d: int, count: int = 3, **features) -> ProblemSet:
    asked = Specification(get_norm("linf"), InputSpecification(eps=0.1, **features), Targets())
    x = np.random.default_rng(0).random((count, d), np.float32)
    return ProblemSet(asked, np.arange(count), x, np.zeros(count, int), np.eye(count, 3))


def rows(problems) -> np.ndarray:
    return np.array([problem.inputs.center for problem in problems])


def test_large_inputs_are_named_by_their_digests():
    """Each is a part of its own, which is sent once, whatever it is together with."""
    d, store = packing._LARGE // 4, Store()
    problems = some_problems(d)
    whole, one = pack(problems), pack(problems[1:2])
    assert len(whole.parts) == 3
    assert one.parts.keys() < whole.parts.keys()
    assert len(whole.content) < 4000
    np.testing.assert_array_equal(rows(unpack(whole, store)), rows(problems))
    again = unpack(Packed(one.content), store)
    np.testing.assert_array_equal(rows(again), rows(problems[1:2]))


def test_small_inputs_travel_with_their_job():
    problems = some_problems(packing._LARGE // 4 - 1)
    packed = pack(problems)
    assert packed.parts == {}
    np.testing.assert_array_equal(rows(unpack(packed, Store())), rows(problems))


def test_a_large_specification_is_sent_once():
    scale = tuple(np.random.default_rng(1).random(packing._LARGE).tolist())
    first = pack(some_problems(4, scale=scale))
    assert len(first.parts) == 1
    store = Store()
    assert unpack(first, store)
    again = unpack(Packed(pack(some_problems(4, scale=scale)[:2]).content), store)
    assert isinstance(again, ProblemSet)
    assert again._specification.features.scale == scale


def test_what_is_kept_no_longer_is_missed(monkeypatch):
    """The oldest parts make room; those that came with a job are there in any case."""
    d = packing._LARGE // 4
    monkeypatch.setattr(packing, "_MOST_BYTES", 2 * 4 * d)
    problems, store = some_problems(d), Store()
    packed = pack(problems)
    np.testing.assert_array_equal(rows(unpack(packed, store)), rows(problems))
    with pytest.raises(MissingPartsError) as missed:
        unpack(Packed(packed.content), store)
    assert len(missed.value.args[0]) == 1
    kept = pack(problems[1:])
    np.testing.assert_array_equal(rows(unpack(Packed(kept.content), store)), rows(problems[1:]))


def test_versions():
    here = read_versions()
    assert here["onnx-lippa"] == onnx_lippa.__version__
    assert here["onnxruntime"] != "none"
    assert describe_difference(here, dict(here)) == ""
    there = here | {"numpy": "1.0", "Python": "2.7"}
    said = describe_difference(here, there)
    assert said == f"Python 2.7, not {here['Python']}, numpy 1.0, not {here['numpy']}"
    assert "scipy none" in describe_difference(here, {})


def test_what_cannot_be_chosen(monkeypatch):
    words = ("attack", DIGITS, "--eps", 0.05, "--first", 2)
    assert_refused(
        command(*words, "--cluster", "tcp://h:1", "--workers", 2), 2, "exclude each other"
    )
    assert_refused(command(*words, "--cluster", " "), 2, "give the address of a Dask scheduler")
    with pytest.raises(InputError, match="exclude each other"):
        onnx_lippa.minimal_distortion(DIGITS, digits()[1][:1], workers=1, cluster="tcp://h:1")
    monkeypatch.setattr(pools, "find_spec", lambda name: None)
    said = r"install it with pip install 'onnx-lippa\[cluster\]'"
    with pytest.raises(InputError, match=said):
        onnx_lippa.certify(DIGITS, digits()[1][:1], eps=0.01, cluster="tcp://h:1")
    assert_refused(command(*words, "--cluster", "tcp://h:1"), 2, "onnx-lippa[cluster]")
