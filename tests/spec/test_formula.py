from __future__ import annotations

import pickle
import time
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings

from onnx_lippa.errors import InputError
from onnx_lippa.spec import And, Comparison, Or, Property
from onnx_lippa.spec.formula import MAX_ALTERNATIONS, Formula, flatten, holds
from tests.support.formulas import FORMULAS, INPUTS, OUTPUTS, points, truth

EXACT = settings(derandomize=True, deadline=None, max_examples=60)
NOTHING = np.zeros(0)


def above(bound: str | Fraction, strict: bool = False) -> Comparison:
    return Comparison(((0, Fraction(-1)),), (), -Fraction(bound), strict)


def below(bound: str | Fraction, strict: bool = False) -> Comparison:
    return Comparison(((0, Fraction(1)),), (), Fraction(bound), strict)


@EXACT
@given(formula=FORMULAS, x=points(INPUTS), y=points(OUTPUTS))
def test_holds_is_what_the_formula_says(formula, x, y):
    assert holds(formula, x, y) == truth(formula, x, y)


@EXACT
@given(formula=FORMULAS, x=points(INPUTS), y=points(OUTPUTS))
def test_flattening_changes_nothing(formula, x, y):
    flat = flatten(formula)
    assert truth(flat, x, y) == truth(formula, x, y)
    assert flatten(flat) == flat


@pytest.mark.parametrize("text", ["0.1", "0.3", "-0.7", "1e-46", "123456789.123456789", "0.5"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_last_bit_decides(text, dtype):
    bound, near = Fraction(text), dtype(text)
    for value in (near, np.nextafter(near, dtype(np.inf)), np.nextafter(near, dtype(-np.inf))):
        x, exact = np.array([value]), Fraction(float(value))
        assert holds(below(bound), x, NOTHING) == (exact <= bound)
        assert holds(below(bound, True), x, NOTHING) == (exact < bound)
        assert holds(above(bound), x, NOTHING) == (exact >= bound)
        assert holds(above(bound, True), x, NOTHING) == (exact > bound)


@pytest.mark.parametrize("text", ["0.1", "0.3", "-0.7", "1e-46", "1e400"])
def test_an_input_can_stand_for_a_number_that_is_no_float(text):
    number = Fraction(text)
    x, exact_values = np.array([0.25, 0.0], dtype=np.float32), {0: number}
    tiny = Fraction(1, 10**60)
    for holding in (below(number), above(number), below(number + tiny, True), above(number - tiny)):
        assert holds(holding, x, NOTHING, exact_values)
    for failing in (below(number, True), above(number, True), below(number - tiny)):
        assert not holds(failing, x, NOTHING, exact_values)
    both = Comparison(((0, Fraction(1)), (1, Fraction(1))), (), number)
    if abs(number) < 1:
        assert holds(both, x, NOTHING, exact_values)


def test_sums_are_not_rounded():
    tiny = Comparison(((0, Fraction(1)), (1, Fraction(1)), (2, Fraction(-1))), (), Fraction(0))
    one = np.array([1.0, 2.0**-80, 1.0])
    assert not holds(tiny, one, NOTHING)
    assert holds(tiny, -one, NOTHING)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_meets_no_comparison(value):
    x, y = np.array([value]), np.array([0.0])
    for strict in (False, True):
        assert not holds(below("1e400", strict), x, y)
        assert not holds(above("-1e400", strict), x, y)
        assert not holds(below("1", strict), x, y)
        assert not holds(above("1", strict), x, y)
        both = Comparison(((0, Fraction(1)),), ((0, Fraction(1)),), Fraction(1), strict)
        assert not holds(both, x, y)
    assert holds(Comparison((), ((0, Fraction(1)),), Fraction(1)), x, y)


def test_numbers_beyond_floats():
    x = np.array([np.finfo(np.float64).max])
    assert holds(below("1e400"), x, NOTHING)
    assert not holds(above("1e400"), x, NOTHING)
    assert holds(above("-1e400"), -x, NOTHING)
    assert not holds(below("1e-400"), np.array([5e-324]), NOTHING)
    assert holds(above("1e-400"), np.array([5e-324]), NOTHING)


def test_empty_connectives():
    assert holds(And(()), NOTHING, NOTHING)
    assert not holds(Or(()), NOTHING, NOTHING)
    assert not holds(And((And(()), Or((Or(()),)))), NOTHING, NOTHING)


def test_comparisons_without_variables():
    assert holds(Comparison((), (), Fraction(0)), NOTHING, NOTHING)
    assert not holds(Comparison((), (), Fraction(0), strict=True), NOTHING, NOTHING)
    assert not holds(Comparison((), (), Fraction(-1)), NOTHING, NOTHING)


def test_arrays_of_any_shape_are_read_in_row_major_order():
    x = np.arange(6, dtype=np.float32).reshape(1, 2, 3)
    third = Comparison(((3, Fraction(1)),), (), Fraction(3))
    assert holds(third, x, NOTHING)
    assert not holds(third, x + 1, NOTHING)


@pytest.mark.parametrize("kinds", [(And,), (Or,), (And, Or)])
def test_deep_nesting(kinds):
    formula = below("1")
    for depth in range(20_000):
        formula = kinds[depth % len(kinds)]((formula,))
    assert flatten(formula) == below("1")
    property_ = Property.from_formula(formula, 1, 1)
    assert property_.holds(np.array([1.0]), NOTHING)
    assert not property_.holds(np.array([2.0]), NOTHING)


def test_nesting_of_one_kind_is_flattened_in_order():
    parts = [below(str(number)) for number in range(2_000)]
    formula: Formula = parts[-1]
    for part in reversed(parts[:-1]):
        formula = And((part, formula))
    assert flatten(formula) == And(tuple(parts))


def alternating(depth: int):
    formula: Formula = below("1")
    for level in range(depth):
        formula = (And, Or)[level % 2]((below("2"), formula))
    return formula


def test_too_many_alternations_are_refused():
    with pytest.raises(InputError, match="take turns more than 50 times"):
        flatten(alternating(MAX_ALTERNATIONS + 2))


def test_what_is_flattened_can_be_sent_to_a_worker():
    formula = flatten(alternating(MAX_ALTERNATIONS))
    assert pickle.loads(pickle.dumps(formula)) == formula
    assert repr(formula)
    assert hash(formula) == hash(pickle.loads(pickle.dumps(formula)))


def test_ten_thousand_bounds_take_milliseconds():
    number = Fraction("0.123456789")
    formula = And(tuple(Comparison(((i, Fraction(1)),), (), number + i) for i in range(10_000)))
    x = np.arange(10_000, dtype=np.float32)
    started = time.process_time()
    assert holds(formula, x, NOTHING)
    assert time.process_time() - started < 0.2
