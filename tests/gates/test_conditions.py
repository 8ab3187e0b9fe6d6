"""Conditions: what is parsed, which bound is held against a limit, and what is said."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onnx_lippa import GateError, InputError
from onnx_lippa.gates.conditions import Condition, Side
from onnx_lippa.gates.gates import Gates
from onnx_lippa.gates.quantities import QUANTITIES, get_quantity
from tests.support.paths import ROOT
from tests.support.runs import made_record, made_run

RUN = made_run("MAARRRRRUU")  # robust error 30% to 50%, clean error 10%


def checked(run=RUN, **options):
    (outcome,) = Gates.build(**options).check([run]).outcomes
    return outcome


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("robust_error=0.4", "is at most 50.00%, over 40.00% by 10.00 percentage points (and at "
         "least 30.00%; 2 unknown)"),
        ("robust_error.upper=0.4", "is at most 50.00%, over 40.00% by 10.00 percentage points"),
        ("robust_error=1/4", "is at most 50.00%, over 25.00% by 25.00 percentage points"),
        ("robust_error.lower=0.2", "is at least 30.00%, over 20.00% by 10.00 percentage points"),
        ("clean_error=5%", "is 10.00%, over 5.00% by 5.00 percentage points"),
        ("unknown_share=0.1", "is 20.00%, over 10.00% by 10.00 percentage points"),
        ("adversarial=1", "is 2, over 1 by 1"),
        ("distance.max=0.04", "is at most inf, over 0.04 by no finite amount"),
        ("distance.q20.upper=0.01", "is at most 0.05, over 0.01 by 0.04"),
    ],
)  # fmt: skip
def test_over(condition, said):
    outcome = checked(fail_over=condition)
    assert not outcome.passed
    name = condition.split("=")[0].removesuffix(".lower").removesuffix(".upper")
    assert outcome.sentence == f"{name} {said}"


@pytest.mark.parametrize(
    "condition",
    [
        "robust_error=0.5", "robust_error=50%", "robust_error.lower=0.3", "clean_error=0.1",
        "unknown=2", "misclassified=1", "robust=5", "inputs=10", "robust_share=1/2",
        " robust_error = 0.5 ", "0.05:robust_error=0.5", "distance.q30=0.05",
    ],
)  # fmt: skip
def test_a_limit_itself_is_allowed(condition):
    for side in ("fail_over", "fail_under"):
        if side == "fail_under" and ("error" in condition or "distance" in condition):
            continue
        outcome = checked(**{side: condition})
        assert outcome.passed, outcome
        assert outcome.inputs == frozenset()


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("robust=8", "robust is 5, under 8 by 3"),
        ("robust_share=60%", "robust_share is 50.00%, under 60.00% by 10.00 percentage points"),
        ("robust_error=0.4", "robust_error is at least 30.00%, under 40.00% by 10.00 percentage "
         "points (and at most 50.00%; 2 unknown)"),
        ("distance.median=0.04", "distance.median is at least 0, under 0.04 by 0.04 (and at most "
         "0.05)"),
        ("distance.min.upper=0.04", "distance.min is 0, under 0.04 by 0.04"),
    ],
)  # fmt: skip
def test_under(condition, said):
    run = made_run("MAARR") if condition.startswith("distance.median") else RUN
    outcome = checked(run, fail_under=condition)
    assert not outcome.passed
    assert outcome.sentence == said


@pytest.mark.parametrize("limit", ["1/", "/", "/4", "1/0", "1//4", "1/%", "", "nan", "inf"])
def test_a_limit_that_is_no_number_is_refused(limit):
    with pytest.raises(InputError, match="is not understood"):
        Condition.parse(f"robust_error={limit}", Side.OVER)


def test_an_attack_proves_nothing():
    outcome = checked(made_run("AUUU"), fail_over="robust_error=0.5")
    assert outcome.sentence == (
        "robust_error is at most 100.00%, over 50.00% by 50.00 percentage points (and at least "
        "25.00%; 3 unknown; nothing was proven: audit, or limit robust_error.lower)"
    )


def test_distances_lie_between_what_is_proven_and_what_is_found():
    """A robust input is proven up to the radius, and a bound of the method counts."""
    records = [
        made_record(0, "M"),
        made_record(1, "A", 0.02, distance_bound=0.015),
        made_record(2, "R"),
        made_record(3, "U", distance_bound=0.04),
        made_record(4, "R", distance_bound=None),  # the domain holds no adversarial input
    ]
    run = made_run("", records=records)
    for condition in ("distance.q40=0.015", "distance.q60=0.04", "distance.q80=0.05"):
        assert checked(run, fail_under=condition).passed
    for condition in ("distance.q40=0.016", "distance.q60=0.041", "distance.q80=0.051"):
        outcome = checked(run, fail_under=condition)
        assert not outcome.passed
        assert outcome.inputs
    assert checked(run, fail_over="distance.q40=0.02").passed
    assert not checked(run, fail_over="distance.q60=1e9").passed, "nothing was found"
    assert checked(run, fail_under="distance.max=1e9").passed, "infinite"


@pytest.mark.parametrize("name", QUANTITIES)
def test_quantities_count_what_the_summary_counts(name):
    known = {
        "robust_error": 0.3, "clean_error": 0.1, "adversarial_share": 0.2, "robust_share": 0.5,
        "unknown_share": 0.2, "inputs": 10, "misclassified": 1, "adversarial": 2, "robust": 5,
        "unknown": 2,
    }  # fmt: skip
    limit = known[name]
    assert checked(fail_over=f"{name}.lower={limit}").passed
    assert checked(fail_under=f"{name}={limit}").passed
    less = 0.999 * limit
    assert not checked(fail_over=f"{name}.lower={less}").passed


@pytest.mark.parametrize(
    ("condition", "blamed"),
    [
        ("robust_error=0.4", {0, 1, 2, 8, 9}),
        ("robust_error.lower=0.2", {0, 1, 2}),
        ("clean_error=0", {0}),
        ("unknown=0", {8, 9}),
        ("distance.q20.upper=0.01", {1, 2, *range(3, 10)}),
    ],
)
def test_inputs_that_fail(condition, blamed):
    assert checked(fail_over=condition).inputs == blamed


def test_what_makes_too_little_is_blamed_the_other_way():
    assert checked(fail_under="robust=8").inputs == {0, 1, 2, 8, 9}


def test_unknown_inputs():
    outcome = checked(fail_on_unknown=True)
    assert not outcome.passed
    assert outcome.sentence == "2 of 10 inputs are unknown: input 8, input 9"
    assert outcome.inputs == {8, 9}
    assert checked(made_run("ARM"), fail_on_unknown=True).passed
    one = checked(made_run("", records=[made_record(7, "U", reason="its time was used up")]),
                  fail_on_unknown=True)  # fmt: skip
    assert one.sentence == "1 of 1 inputs is unknown: input 7 (its time was used up)"


def test_groups():
    groups = ["w", "w", "m", "m", "m", "m", "w", "w", "m", "w"]
    run = made_run("MAARRRRRUU", groups=groups)
    women = checked(run, fail_over="robust_error.lower@w=0.3")
    assert women.sentence == (
        "robust_error of w is at least 40.00%, over 30.00% by 10.00 percentage points"
    )
    assert women.inputs == {0, 1}
    assert checked(run, fail_over="robust_error.lower@m=0.3").passed
    each = Gates.build(fail_over="robust_error.lower@*=0.3").check([run])
    assert [one.passed for one in each.outcomes] == [True, False], "m, w"
    with pytest.raises(InputError, match="no group 'x': give one of 'm', 'w'"):
        checked(run, fail_over="robust_error@x=0.3")
    with pytest.raises(InputError, match="the inputs have none"):
        checked(fail_over="robust_error@w=0.3")


def test_curves():
    curve = [made_run("ARRR", 0.01), made_run("AARU", 0.02)]
    check = Gates.build(fail_over=["robust_error=0.5", "0.01:robust_error=0.1"]).check(curve)
    assert [one.passed for one in check.outcomes] == [True, False, False]
    assert [one.place for one in check.failures] == [0, 1]
    assert check.failures[1].sentence.startswith("at eps 0.02: robust_error is at most 75.00%")
    with pytest.raises(InputError, match="no run at eps 0"):
        Gates.build(fail_over="0.03:robust_error=0.1").check(curve)


def test_a_run_that_was_interrupted_passes_no_gate():
    run = made_run("RRR", requested=5)
    check = Gates.build(fail_over="robust_error=0.5").check([run])
    assert not check.passed
    assert check.failures[0].sentence == "2 of 5 inputs have no result"
    assert Gates.build().check([run]).passed, "nothing was wanted"


def test_what_a_check_says():
    check = Gates.build(fail_over=["clean_error=0", "robust_error=1"], fail_under="robust=7").check(
        [RUN]
    )
    assert check.summary().splitlines() == [
        "failed: clean_error <= 0.00%: clean_error is 10.00%, over 0.00% by 10.00 percentage "
        "points",
        "passed: robust_error <= 100.00%: robust_error is at most 50.00%, not over 100.00%",
        "failed: robust >= 7: robust is 5, under 7 by 2",
    ]
    with pytest.raises(GateError) as caught:
        check.require()
    assert len(str(caught.value).splitlines()) == 2
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value)
    assert again.exit_code == 4
    Gates.build(fail_over="robust_error=1").check([RUN]).require()


@pytest.mark.parametrize(
    "text",
    [
        "", "robust_error", "robust_error=", "=0.1", "robust_error=many", "robust_error=1/0",
        "robust_error=nan", "robust_error=inf", "robust_error@=0.1", "x:robust_error=0.1",
        "robust_error=1.5", "robust_error=-0.1", "roboust_error=0.1", "distance=0.1",
        "distance.q=0.1", "distance.q100=0.1", "robust_error.middle=0.1",
    ],
)  # fmt: skip
def test_refused(text):
    with pytest.raises(InputError) as caught:
        Gates.build(fail_over=text)
    assert len(str(caught.value).splitlines()) == 1
    assert "give" in str(caught.value)


@given(st.text(alphabet="robust_e:.@=%/019 lowerdistancq*\n", max_size=30))
def test_any_text_is_a_condition_or_refused(text):
    try:
        condition = Condition.parse(text, Side.OVER)
    except InputError:
        return
    shown = str(condition)
    assert condition.quantity.name in shown
    assert shown.isprintable()


def test_without_a_radius_there_is_no_robust_error():
    run = made_run("AA", None, minimize=True)
    with pytest.raises(InputError, match="needs a radius"):
        checked(run, fail_over="robust_error=0.1")
    assert checked(run, fail_over="distance.median=0.05").passed


def test_without_results_there_is_nothing_to_check():
    with pytest.raises(InputError, match="no result"):
        checked(made_run(""), fail_over="robust_error=0.1")


def test_names():
    assert get_quantity("distance.q2.5").name == "distance.q2.5"
    with pytest.raises(InputError, match="robust_error, clean_error"):
        get_quantity("nothing")


def test_the_documentation_lists_every_quantity():
    page = (ROOT / "docs" / "gates.md").read_text(encoding="utf-8")
    for name in (*QUANTITIES, "distance.median"):
        assert f"`{name}`" in page
