"""Two runs, input by input."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from onnx_lippa import Change, InputError
from onnx_lippa.gates.comparison import compare
from onnx_lippa.gates.gates import Gates
from onnx_lippa.onnx_io import Preprocess
from onnx_lippa.spec import InputSpecification
from tests.support.runs import made_record, made_run

OTHER = "b" * 64


def change(old: str, new: str, model: str = OTHER) -> Change:
    (found,) = compare([made_run(old)], [made_run(new, model=model)])
    return found.change


@pytest.mark.parametrize("letters", ["RU", "RA", "RM", "UA", "UM", "AM"])
def test_the_order_of_verdicts(letters):
    better, worse = letters
    assert change(better, worse) is Change.WORSE
    assert change(worse, better) is Change.BETTER
    assert change(better, better) is Change.SAME


def test_what_was_known_of_the_same_model_holds():
    """A proof or a witness is not lost when time runs out in the next run."""
    assert change("R", "U", "a" * 64) is Change.SAME
    assert change("A", "U", "a" * 64) is Change.SAME
    assert change("U", "A", "a" * 64) is Change.WORSE
    assert change("U", "R", "a" * 64) is Change.BETTER
    for pair in ("RA", "AR"):
        (found,) = compare([made_run(pair[0])], [made_run(pair[1])])
        assert found.change is Change.WORSE
        assert "replay both" in found.sentence


def test_another_preprocessing_is_another_model():
    old, new = made_run("R"), made_run("U")
    other = replace(new.identity, preprocess=Preprocess(mean=(0.5,)))
    (found,) = compare([old], [replace(new, identity=other)])
    assert found.change is Change.WORSE
    other = replace(new.identity, output="another")
    assert not compare([old], [replace(new, identity=other)]).same_model


@pytest.mark.parametrize(
    ("old", "new", "model", "expected"),
    [
        (0.05, 0.04, OTHER, Change.WORSE),
        (0.05, 0.04, "a" * 64, Change.WORSE),
        (0.05, 0.0496, OTHER, Change.SAME),
        (0.05, 0.06, OTHER, Change.BETTER),
        (0.05, 0.06, "a" * 64, Change.SAME),
    ],
)
def test_distances_count_where_both_runs_minimise_them(old, new, model, expected):
    for minimize in (True, False):
        a = made_run("", records=[made_record(0, "A", old)], minimize=minimize)
        b = made_run("", records=[made_record(0, "A", new)], minimize=minimize, model=model)
        (found,) = compare([a], [b])
        assert found.change is (expected if minimize else Change.SAME)


def test_less_is_proven():
    def run(bound, model):
        record = made_record(0, "A", 0.05, distance_bound=bound)
        return made_run("", records=[record], minimize=True, model=model)

    (found,) = compare([run(0.04, OTHER)], [run(0.03, "a" * 64)])
    assert found.change is Change.WORSE
    assert "distance of at least 0.04, now of at least 0.03" in found.sentence
    (found,) = compare([run(0.04, OTHER)], [run(0.03, OTHER)])
    assert found.change is Change.SAME, "the old proof is one of the same model"
    (found,) = compare([run(None, OTHER)], [run(0.03, "a" * 64)])
    assert found.change is Change.WORSE


def test_inputs_are_the_same_by_place_or_by_value():
    old = made_run("RRR")
    new = made_run("ARR", model=OTHER)
    assert [one.index for one in compare([old], [new]).worse] == [0]
    moved = replace(new, identity=replace(new.identity, inputs_sha256="another"))
    assert new.clean is not None
    moved = replace(moved, clean=new.clean[::-1])  # the last one comes first
    (found,) = compare([old], [moved]).worse
    assert found.old is not None
    assert (found.old.index, found.index) == (2, 0)
    lost = replace(moved, clean=None)
    with pytest.raises(InputError, match="is not found"):
        compare([old], [lost])
    others = replace(moved, clean=new.clean + np.float32(9))
    with pytest.raises(InputError, match="no input in common"):
        compare([old], [others])


def test_an_input_that_is_gone_is_worse_and_one_that_is_new_is_not():
    old, new = made_run("RRR", name="old"), made_run("RR", model=OTHER)
    new = replace(new, identity=replace(new.identity, inputs_sha256="fewer"))
    found = compare([old], [new])
    assert [one.change for one in found] == [Change.SAME, Change.SAME, Change.REMOVED]
    assert [one.index for one in found.worse] == [2]
    assert found.worse[0].sentence == "input 2 of old at eps 0.05: robust, now no result"
    back = compare([new], [old])
    assert [one.change for one in back] == [Change.SAME, Change.SAME, Change.ADDED]
    assert back.worse == ()
    interrupted = replace(made_run("RRR"), records=made_run("RR").records)
    assert [one.index for one in compare([old], [interrupted]).worse] == [2]


@pytest.mark.parametrize(
    ("word", "new"),
    [
        ("eps", made_run("R", 0.1)),
        ("lower", made_run("R", features=InputSpecification(eps=0.05, lower=-1.0))),
        ("minimize", made_run("R", minimize=True)),
    ],
)
def test_runs_that_ask_something_else(word, new):
    with pytest.raises(InputError, match=f"the runs differ in {word}"):
        compare([made_run("R")], [new])


def test_curves_are_compared_at_each_radius():
    old = [made_run("RR", 0.01), made_run("RA", 0.02)]
    new = [made_run("RA", 0.01, model=OTHER), made_run("RR", 0.02, model=OTHER)]
    found = compare(old, new)
    assert found.headline == "4 inputs and radii, another model: 1 worse, 1 better, 2 same"
    assert [(one.index, one.eps, one.place) for one in found.worse] == [(1, 0.01, 0)]
    check = Gates.build(against=old).check(new)
    assert [one.passed for one in check.outcomes] == [False, True]


def test_a_radius_that_only_the_old_curve_has_is_worse():
    old = [made_run("RR", 0.01, name="last-week"), made_run("RA", 0.02)]
    found = compare(old, old[:1])
    assert found.headline == "4 inputs and radii, the same model: 2 same, 2 removed"
    assert [one.sentence for one in found.worse] == [
        "input 0 of results in memory at eps 0.02: robust, now no run at this radius",
        "input 1 of results in memory at eps 0.02: adversarial, now no run at this radius",
    ]
    same, gone = Gates.build(against=old).check(old[:1]).outcomes
    assert (same.passed, same.sentence) == (True, "none of 2 inputs is worse than in last-week")
    assert (gone.passed, gone.inputs) == (False, frozenset())
    assert gone.sentence == "there is no run at eps 0.02, where last-week has 2 results"
    assert Gates.build(against=old[:1]).check(old[:1]).passed


def test_classes_have_their_names():
    new = replace(made_run("A", model=OTHER), classes=("cat", "dog"))
    (found,) = compare([made_run("R")], [new])
    assert found.sentence.endswith("(class cat becomes dog)")


def test_what_is_said():
    old = made_run("RRUM" + "R" * 30, name="last-week")
    new = made_run("RARA" + "A" * 30, model=OTHER)
    found = compare([old], [new])
    lines = found.summary().splitlines()
    assert lines[0] == "34 inputs, another model: 31 worse, 2 better, 1 same"
    assert lines[1] == (
        "worse: input 1 at eps 0.05: robust, now adversarial at distance 0.05 (class 1 becomes 2)"
    )
    assert lines[-1] == "... and 13 more"
    assert repr(found) == f"Comparison({lines[0]})"
    assert found.as_json()["worse"] == 31
    assert len(found.as_json()["changes"]) == 33
    (outcome,) = Gates.build(against=[old]).check([new]).outcomes
    assert outcome.sentence.startswith("31 of 34 inputs are worse than in last-week: input 1 at")
    assert outcome.inputs == {1, *range(4, 34)}
    assert "\n" not in outcome.sentence
    (outcome,) = Gates.build(against=[old]).check([old]).outcomes
    assert outcome.sentence == "none of 34 inputs is worse than in last-week"
