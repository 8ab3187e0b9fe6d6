from __future__ import annotations

import pickle
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from onnx_lippa import Property
from onnx_lippa.errors import InputError
from onnx_lippa.spec import And, Comparison, Or
from onnx_lippa.spec import dnf as branches
from tests.support.formulas import (
    DECIMAL,
    DYADIC,
    INPUTS,
    OUTPUTS,
    bounds,
    covered,
    in_box,
    joint_rows,
    nested,
    points,
    rows,
    truth,
)

EXACT = settings(derandomize=True, deadline=None, max_examples=50)
ONE = Fraction(1)


def x_below(index: int, bound, strict: bool = False, line: int | None = None) -> Comparison:
    return Comparison(((index, ONE),), (), Fraction(bound), strict, line)


def x_above(index: int, bound, strict: bool = False, line: int | None = None) -> Comparison:
    return Comparison(((index, -ONE),), (), -Fraction(bound), strict, line)


def y_below(index: int, bound, strict: bool = False) -> Comparison:
    return Comparison((), ((index, ONE),), Fraction(bound), strict)


def between(low, high, index: int = 0) -> And:
    return And((x_above(index, low), x_below(index, high)))


def asked(*parts, inputs: int = 1, outputs: int = 1) -> Property:
    return Property.from_formula(And(parts), inputs, outputs)


def cases_or_nothing(formula) -> Property | None:
    found = Property.from_formula(formula, INPUTS, OUTPUTS)
    assert bool(found.cases) != bool(found.contradiction)
    return found if found.cases else None


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("kind", [rows, joint_rows])
@EXACT
@given(data=st.data(), x=points(INPUTS), y=points(OUTPUTS))
def test_cases_are_the_formula_where_floats_hold_its_numbers(strict, kind, data, x, y):
    formula = data.draw(nested(st.one_of(bounds(DYADIC), kind(DYADIC, strict))))
    found = cases_or_nothing(formula)
    if found is None:
        assert not truth(formula, x, y)
        return
    # A box pinned to a point only approximates what lies strictly between two floats.
    assume(all(np.all(case.lower < case.upper) for case in found.cases))
    # One input's coefficient may be -3: its bound is then no float, and rounds inwards.
    assert covered(found, x, y) == found.holds(x, y) == truth(formula, x, y)


@EXACT
@given(
    formula=nested(
        st.one_of(bounds(st.one_of(DYADIC, DECIMAL)), rows(DYADIC, True), rows(DYADIC, False))
    ),
    x=points(INPUTS),
    y=points(OUTPUTS),
)
def test_cases_lack_nothing_whatever_the_numbers(formula, x, y):
    found = cases_or_nothing(formula)
    if found is None:
        assert not truth(formula, x, y)
    elif truth(formula, x, y):
        assert found.holds(x, y)
        assert any(in_box(case, x) for case in found.cases)
        assert covered(found, x, y) or any(  # rows that are strict beside rows that are not
            not disjunct.strict for case in found.cases for disjunct in case.unsafe.disjuncts
        )


@pytest.mark.parametrize("text", ["0.1", "0.3", "-0.7", "1e-46", "0.5", "840000.123456789"])
@pytest.mark.parametrize("strict", [False, True])
def test_bounds_are_rounded_inwards(text, strict):
    bound = Fraction(text)
    (case,) = asked(x_above(0, bound, strict), x_below(0, bound + 1, strict)).cases
    lower, upper = Fraction(case.lower[0]), Fraction(case.upper[0])
    outside = Fraction(np.nextafter(case.lower[0], -np.inf))
    assert lower > bound if strict else lower >= bound
    assert outside <= bound if strict else outside < bound
    outside = Fraction(np.nextafter(case.upper[0], np.inf))
    assert upper < bound + 1 if strict else upper <= bound + 1
    assert outside >= bound + 1 if strict else outside > bound + 1


@pytest.mark.parametrize("text", ["0.1", "0.5", "-0.16341", "1e-400"])
def test_equal_bounds_become_the_nearest_float(text):
    (case,) = asked(between(text, text)).cases
    assert case.lower[0] == case.upper[0] == float(text)


def test_bounds_without_a_float_between_become_the_nearest_one():
    (case,) = asked(between("0.1", Fraction("0.1") + Fraction(1, 10**30))).cases
    assert case.lower[0] == case.upper[0] == 0.1
    tenth = Fraction(0.1)
    (case,) = asked(x_above(0, tenth, True), x_below(0, tenth + Fraction(1, 10**30))).cases
    assert case.lower[0] == case.upper[0] == 0.1


def test_missing_bounds_are_infinite():
    (case,) = asked(x_above(1, 2), inputs=3).cases
    np.testing.assert_array_equal(case.lower, [-np.inf, 2, -np.inf])
    np.testing.assert_array_equal(case.upper, [np.inf] * 3)


def test_the_tightest_of_several_bounds_counts():
    (case,) = asked(between(0, 9), x_below(0, 5), x_below(0, 7), x_above(0, -1)).cases
    assert (case.lower[0], case.upper[0]) == (0, 5)
    (case,) = asked(between(0, 5), x_below(0, 5, strict=True)).cases
    assert case.upper[0] == np.nextafter(5.0, 0)


def test_bounds_beyond_floats():
    (case,) = asked(between("-1e400", "1e400")).cases
    assert (case.lower[0], case.upper[0]) == (-np.finfo(float).max, np.finfo(float).max)
    with pytest.raises(InputError, match="X_0 must be at least a number beyond float64"):
        asked(x_above(0, "1e400"))


def test_what_is_stated_is_never_rounded_inward():
    (case,) = asked(between("0.1", "0.3")).cases
    assert Fraction(case.stated_lower[0]) <= Fraction("0.1") <= Fraction(case.lower[0])
    assert Fraction(case.upper[0]) <= Fraction("0.3") <= Fraction(case.stated_upper[0])
    (case,) = asked(between("0.25", "0.5")).cases
    assert (case.stated_lower[0], case.stated_upper[0]) == (0.25, 0.5)
    (case,) = asked(x_above(0, "0.25", strict=True)).cases
    assert (case.stated_lower[0], case.stated_upper[0]) == (0.25, np.inf)
    (case,) = asked(between("-1e400", "1e400")).cases
    assert (case.stated_lower[0], case.stated_upper[0]) == (-np.inf, np.inf)


def test_a_contradiction_between_numbers_that_no_float_tells_apart():
    assert not asked(x_above(0, "0.1000000000000000000001"), x_below(0, "0.1")).cases
    assert not asked(between("1e401", "1e400")).cases


def test_a_classifier_is_one_case():
    box = [between(0, 1, index) for index in range(784)]
    wrong = Or(
        tuple(Comparison((), ((0, ONE), (other, -ONE)), Fraction(0)) for other in range(1, 10))
    )
    found = asked(*box, wrong, inputs=784, outputs=10)
    (case,) = found.cases
    assert not found.joint
    assert len(case.unsafe.disjuncts) == 9
    for other, disjunct in enumerate(case.unsafe.disjuncts, start=1):
        expected = np.zeros((1, 10))
        expected[0, 0], expected[0, other] = 1, -1
        np.testing.assert_array_equal(disjunct.matrix, expected)
        np.testing.assert_array_equal(disjunct.bound, [0])
        assert not disjunct.strict


def test_boxes_and_outputs_are_multiplied_out_and_grouped():
    boxes = Or((between(0, 1), between(3, 4)))
    outputs = Or(tuple(y_below(j, j) for j in range(4)))
    found = asked(boxes, outputs, outputs=4)
    assert [(case.lower[0], case.upper[0]) for case in found.cases] == [(0, 1), (3, 4)]
    assert [len(case.unsafe.disjuncts) for case in found.cases] == [4, 4]
    assert [d.matrix.argmax() for d in found.cases[1].unsafe.disjuncts] == [0, 1, 2, 3]


def test_branches_with_their_own_boxes_and_outputs():
    parts = [And((between(i, i + 1), y_below(0, i))) for i in range(5)]
    found = asked(Or(tuple(parts)))
    assert [case.lower[0] for case in found.cases] == [0, 1, 2, 3, 4]
    assert [case.unsafe.disjuncts[0].bound[0] for case in found.cases] == [0, 1, 2, 3, 4]


def test_branches_with_equal_boxes_share_a_case():
    parts = [And((between(0, 1), y_below(0, i))) for i in range(3)]
    (case,) = asked(Or(tuple(parts))).cases
    assert [d.bound[0] for d in case.unsafe.disjuncts] == [0, 1, 2]


def test_contradictory_branches_are_left_out():
    found = asked(between(0, 1), Or((x_above(0, 2), y_below(0, 3), x_below(0, -1))))
    (case,) = found.cases
    assert [d.bound[0] for d in case.unsafe.disjuncts] == [3]


def test_contradictions_prune_before_they_multiply():
    """2^40 branches on paper, two in fact: all inputs on the left or all on the right."""
    sides = [
        Or((And((x_below(0, 0), x_below(i, 0))), And((x_above(0, 1), x_above(i, 1)))))
        for i in range(1, 41)
    ]
    assert len(asked(*sides, inputs=41).cases) == 2


def test_no_branch_left_names_variable_bounds_and_lines():
    found = asked(x_above(0, "0.5", line=12), y_below(0, 1), x_below(0, "0.4", line=40))
    assert found.cases == ()
    assert found.contradiction == ("X_0 must be at least 0.5 (line 12) and at most 0.4 (line 40)")
    found = asked(x_above(0, "0.5", strict=True), x_below(0, "0.5"))
    assert found.contradiction == "X_0 must be more than 0.5 and at most 0.5"
    found = asked(Or((x_above(0, 2), x_above(0, 3))), x_below(0, 1))
    assert found.contradiction == "X_0 must be at least 3.0 and at most 1.0"


def test_formulas_that_are_false_in_themselves():
    assert asked(Or(())).contradiction == "it is false whatever the input"
    false = Comparison((), (), Fraction(-1), line=3)
    assert asked(false).contradiction == "a comparison of numbers (line 3) never holds"


def test_a_property_of_inputs_alone_holds_in_all_of_the_box():
    found = asked(between(0, 1))
    (case,) = found.cases
    (disjunct,) = case.unsafe.disjuncts
    assert disjunct.matrix.shape == (0, 1)
    assert case.unsafe.contains(np.array([123.0]))
    assert found.holds(np.array([0.5]), np.array([123.0]))
    assert not found.holds(np.array([1.5]), np.array([123.0]))


def test_comparisons_of_several_inputs_are_joint_rows():
    mixed = Comparison(((1, Fraction(3)),), ((0, Fraction(2)),), Fraction(7))
    found = asked(between(0, 1), mixed, y_below(1, 5, strict=True), inputs=2, outputs=2)
    (case,) = found.cases
    (disjunct,) = case.unsafe.disjuncts
    assert found.joint
    np.testing.assert_array_equal(disjunct.matrix, [[2, 0, 0, 3], [0, 1, 0, 0]])
    np.testing.assert_array_equal(disjunct.bound, [7, 5])
    assert not disjunct.strict


def test_conjunctions_are_strict_where_all_rows_are():
    found = asked(y_below(0, 1, True), Or((y_below(0, 2, True), y_below(0, 3))))
    assert [d.strict for d in found.cases[0].unsafe.disjuncts] == [True, False]


def test_too_many_branches_are_refused(monkeypatch):
    monkeypatch.setattr(branches, "MAX_BRANCHES", 1_000)
    choice = [Or((y_below(0, i), y_below(0, -i))) for i in range(1, 40)]
    with pytest.raises(InputError, match="more than 1000 branches"):
        asked(*choice)


def test_too_many_numbers_are_refused():
    choice = Or(tuple(y_below(0, i) for i in range(4_000)))
    with pytest.raises(InputError, match="take more than 30000000 numbers"):
        asked(choice, outputs=10_000)


@pytest.mark.parametrize(
    ("comparison", "said"),
    [
        (x_below(1, 0), "X_1 does not exist, since there are 1: use X_0 to X_0"),
        (x_below(-1, 0), "X_-1 does not exist"),
        (y_below(2, 0), "Y_2 does not exist, since there are 1"),
        (Comparison(((0, Fraction(0)),), (), ONE), "X_0 has the coefficient 0"),
        (Comparison(((0, ONE), (0, ONE)), (), ONE), "two terms of one X"),
        (Comparison((), ((0, Fraction("1e400")),), ONE), "a number beyond float64"),
        (y_below(0, "1e400"), "a number beyond float64"),
    ],
)
def test_faulty_comparisons_are_refused(comparison, said):
    with pytest.raises(InputError) as refused:
        Property.from_formula(comparison, 1, 1, "somewhere")
    assert said in str(refused.value)
    assert str(refused.value).startswith("somewhere: ")


def test_build():
    found = Property.build(
        [0, -np.inf, 2], [1, 5, np.inf], [([[1, -1], [0, 2]], [0, 3]), ([[0, 1]], [-4])]
    )
    assert (found.inputs, found.outputs, found.joint) == (3, 2, False)
    (case,) = found.cases
    np.testing.assert_array_equal(case.lower, [0, -np.inf, 2])
    np.testing.assert_array_equal(case.upper, [1, 5, np.inf])
    first, second = case.unsafe.disjuncts
    np.testing.assert_array_equal(first.matrix, [[1, -1], [0, 2]])
    np.testing.assert_array_equal(first.bound, [0, 3])
    np.testing.assert_array_equal(second.matrix, [[0, 1]])
    assert found.holds(np.array([1, 5, 2]), np.array([1.5, 1.5]))
    assert found.holds(np.array([1, 5, 2]), np.array([9, -4], dtype=np.float32))
    assert not found.holds(np.array([1, 5, 2]), np.array([1.5, 1.25]))
    assert not found.holds(np.array([1, 5.5, 2]), np.array([1.5, 1.5]))
    assert found.source == "built in Python"


@EXACT
@given(data=st.data())
def test_build_keeps_its_numbers(data):
    numbers = st.floats(-1e6, 1e6, width=32)
    lower = np.array(data.draw(st.lists(numbers, min_size=2, max_size=2)))
    upper = lower + np.array(data.draw(st.lists(st.floats(0, 10), min_size=2, max_size=2)))
    matrix = np.array(data.draw(st.lists(numbers, min_size=6, max_size=6))).reshape(2, 3)
    matrix[:, 0] += matrix[:, 0] == 0  # a row of zeros is no row
    bound = np.array(data.draw(st.lists(numbers, min_size=2, max_size=2)))
    (case,) = Property.build(lower, upper, [(matrix, bound)]).cases
    (disjunct,) = case.unsafe.disjuncts
    np.testing.assert_array_equal(case.lower, lower)
    np.testing.assert_array_equal(case.upper, upper)
    np.testing.assert_array_equal(disjunct.matrix, matrix)
    np.testing.assert_array_equal(disjunct.bound, bound)


ROW = ([[1.0, 0.0]], [0.0])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (([0], [1, 2], [ROW]), "lower has 1 values and upper has 2"),
        (([[0]], [1], [ROW]), "lower must be a vector"),
        (([np.nan], [1], [ROW]), "a nan"),
        ((["a"], [1], [ROW]), "lower must be an array of numbers"),
        (([np.inf], [np.inf], [ROW]), "the lower bound of X_0 is inf"),
        (([-np.inf], [-np.inf], [ROW]), "the upper bound of X_0 is -inf"),
        (([0], [1], []), "but have none"),
        (([0], [1], [ROW, ([[1.0]], [0.0])]), "but have [1, 2]"),
        (([0], [1], [([1.0], [0.0])]), "do not make A @ y <= b"),
        (([0], [1], [([[1.0]], [0.0, 1.0])]), "do not make A @ y <= b"),
        (([0], [1], [([[np.inf]], [0.0])]), "must hold finite numbers"),
        (([0], [1], [([[1.0]], [np.nan])]), "must hold finite numbers"),
        (([0], [1], [([[1.0], [1.0, 2.0]], [0.0])]), "A must be an array of numbers"),
    ],
)
def test_faulty_arguments_of_build_are_refused(arguments, said):
    with pytest.raises(InputError) as refused:
        Property.build(*arguments)
    assert said in str(refused.value)


def test_what_a_pinned_input_stands_for():
    found = asked(between("0.1", "0.1"), between(0, 1, 1), y_below(0, 1), inputs=2)
    (case,) = found.cases
    x, y = np.array([0.1, 0.5], dtype=np.float32), np.zeros(1)
    assert not found.holds(x, y)
    exact_values = found.exact_values_of(case, [0])
    assert exact_values == {0: Fraction("0.1")}
    assert found.holds(x, y, exact_values)
    assert not found.holds(x, y + 2, exact_values)


def test_a_property_can_be_sent_to_a_worker():
    found = Property.build(np.zeros(3), np.ones(3), [ROW])
    again = pickle.loads(pickle.dumps(found))
    assert again.formula == found.formula
    assert again.holds(np.zeros(3), np.zeros(2))
