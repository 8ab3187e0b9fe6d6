"""What assertions mean."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onnx_lippa.spec import And, Comparison, Formula, Or
from onnx_lippa.spec.formula import holds
from onnx_lippa.spec.vnnlib import parse
from tests.support.formulas import COEFFICIENTS, FORMULAS, INPUTS, NUMBERS, OUTPUTS, points, truth
from tests.support.vnnlib import declared, formula, query

EXACT = settings(derandomize=True, deadline=None, max_examples=40)
ONE = Fraction(1)


def x(i: int, coefficient: int | str = 1) -> tuple[tuple[int, Fraction]]:
    return ((i, Fraction(coefficient)),)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(<= X_0 0.5)", Comparison(x(0), (), Fraction("0.5"))),
        ("(< X_0 0.5)", Comparison(x(0), (), Fraction("0.5"), True)),
        ("(>= X_0 0.5)", Comparison(x(0, -1), (), Fraction("-0.5"))),
        ("(> X_0 0.5)", Comparison(x(0, -1), (), Fraction("-0.5"), True)),
        ("(<= 0.5 X_0)", Comparison(x(0, -1), (), Fraction("-0.5"))),
        ("(>= 0.5 X_0)", Comparison(x(0), (), Fraction("0.5"))),
        ("(<= Y_1 2)", Comparison((), x(1), Fraction(2))),
        ("(<= Y_0 Y_1)", Comparison((), (*x(0), *x(1, -1)), Fraction(0))),
        ("(>= Y_0 Y_1)", Comparison((), (*x(0, -1), *x(1)), Fraction(0))),
        ("(<= X_1 Y_0)", Comparison(x(1), x(0, -1), Fraction(0))),
        ("(<= (+ X_0 X_1 1) 3)", Comparison((*x(0), *x(1)), (), Fraction(2))),
        ("(<= (- X_0 X_1 1) 3)", Comparison((*x(0), *x(1, -1)), (), Fraction(4))),
        ("(<= (- X_0) 3)", Comparison(x(0, -1), (), Fraction(3))),
        ("(<= X_0 (- 1.5))", Comparison(x(0), (), Fraction("-1.5"))),
        ("(<= (* 2 X_0) 3)", Comparison(x(0, 2), (), Fraction(3))),
        ("(<= (* X_0 2 (- 0.5)) 3)", Comparison(x(0, -1), (), Fraction(3))),
        ("(<= (/ X_0 3) (/ 1 3))", Comparison(x(0, "1/3"), (), Fraction(1, 3))),
        ("(<= (+ X_0 X_0) 3)", Comparison(x(0, 2), (), Fraction(3))),
        ("(<= (- X_0 X_0) 3)", Comparison((), (), Fraction(3))),
        ("(<= X_0 X_0)", Comparison((), (), Fraction(0))),
        ("(<= 1 2)", Comparison((), (), Fraction(1))),
        ("(<= (* (- X_0 X_0) X_1) 3)", Comparison((), (), Fraction(3))),
        ("(<= (- (+ (* 2 X_0) Y_1) (* 3 (- Y_0 Y_1))) (+ 1 1))",
         Comparison(x(0, 2), (*x(0, -3), *x(1, 4)), Fraction(2))),
    ],
)  # fmt: skip
def test_comparisons(text, expected):
    assert formula(text) == expected


@pytest.mark.parametrize(
    ("number", "value"),
    [
        ("0.1", "0.1"), ("5.81e-05", "0.0000581"), ("1E3", "1000"), ("1e+3", "1000"),
        ("-2", "-2"), ("+2", "2"), ("-.5", "-0.5"), ("3.", "3"), ("007", "7"), ("-0.0", "0"),
        ("0.30000000000000001665", "0.30000000000000001665"), ("1e-1000", "1e-1000"),
        ("9" * 1000, "9" * 1000),
    ],
)  # fmt: skip
def test_numbers_are_exact(number, value):
    found = formula(f"(<= X_0 {number})")
    assert isinstance(found, Comparison)
    assert found.bound == Fraction(value)


def test_equality():
    both = (Comparison(x(0), (), ONE), Comparison(x(0, -1), (), -ONE))
    assert formula("(= X_0 1)") == formula("(== X_0 1)") == And(both)
    apart = (Comparison(x(0), (), ONE, True), Comparison(x(0, -1), (), -ONE, True))
    assert formula("(not (= X_0 1))") == Or(apart)
    assert formula("(!= X_0 1)") == formula("(distinct X_0 1)") == Or(apart)
    assert formula("(not (!= X_0 1))") == And(both)


def test_chains():
    low, high = formula("(<= 1 X_0)"), formula("(<= X_0 2)")
    assert formula("(<= 1 X_0 2)") == And((low, high))
    assert formula("(>= 2 X_0 1)") == And((high, low))
    assert formula("(not (<= 1 X_0 2))") == Or((formula("(< X_0 1)"), formula("(> X_0 2)")))


def test_connectives():
    a, b, c = formula("(<= X_0 1)"), formula("(<= X_1 2)"), formula("(<= Y_0 3)")
    texts = "(<= X_0 1) (<= X_1 2) (<= Y_0 3)"
    assert formula(f"(and {texts})") == And((a, b, c))
    assert formula(f"(or {texts})") == Or((a, b, c))
    assert formula("(and (<= X_0 1))") == And((a,))
    assert formula("(=> (> X_0 1) (<= X_1 2))") == Or((a, b))
    assert formula("(not (and (> X_0 1) (> X_1 2)))") == Or((a, b))
    assert formula("(not (or (> X_0 1) (not (<= X_1 2))))") == And((a, b))
    assert formula("(not (not (<= X_0 1)))") == a
    assert formula("(not (=> (<= X_0 1) (> X_1 2)))") == And((a, b))


def test_literals():
    assert formula("true") == formula("(not false)") == And(())
    assert formula("false") == formula("(not true)") == Or(())
    assert formula("(=> true (<= X_0 1))") == Or((Or(()), formula("(<= X_0 1)")))


def written(part: Formula, draw) -> str:
    """The formula as text, in one of the ways to write it."""
    if isinstance(part, Comparison):
        return written_comparison(part, draw)
    if not part.parts:
        return "true" if isinstance(part, And) else "false"
    inner = " ".join(written(other, draw) for other in part.parts)
    return f"({'and' if isinstance(part, And) else 'or'} {inner})"


def written_comparison(part: Comparison, draw) -> str:
    summands = [f"(* {number(c, draw)} X_{i})" for i, c in part.inputs]
    summands += [f"(* Y_{j} {number(c, draw)})" for j, c in part.outputs]
    left = f"(+ {' '.join(summands)} 0)"
    right = number(part.bound, draw)
    less, more = ("<", ">") if part.strict else ("<=", ">=")
    return draw(
        st.sampled_from(
            [
                f"({less} {left} {right})",
                f"({more} {right} {left})",
                f"(not ({more[0]}{'' if part.strict is False else '='} {left} {right}))",
                f"({less} (- {left} {right}) 0)",
                f"({more}\n\t0 ; a comment\n (- {left} {right}))",
            ]
        )
    )


def number(value: Fraction, draw) -> str:
    ways = [f"(/ {value.numerator} {value.denominator})"]
    ways.append(f"(- (/ {-value.numerator} {value.denominator}))")
    return draw(st.sampled_from(ways))


@EXACT
@given(data=st.data(), part=FORMULAS, x=points(INPUTS), y=points(OUTPUTS))
def test_formulas_mean_the_same_once_written_and_read(data, part, x, y):
    text = written(part, data.draw)
    for assertion, negated in ((text, False), (f"(not {text})", True)):
        read = query(assertion, inputs=INPUTS, outputs=OUTPUTS).formula
        assert holds(read, x, y) == (truth(part, x, y) != negated)


@EXACT
@given(
    coefficients=st.lists(COEFFICIENTS, min_size=2, max_size=2),
    factor=COEFFICIENTS,
    bound=NUMBERS,
    x=points(2),
)
def test_arithmetic(coefficients, factor, bound, x):
    a, b = coefficients
    text = (
        f"(<= (* (/ {factor.numerator} {factor.denominator}) (- (* X_0 (/ {a.numerator} "
        f"{a.denominator})) (/ (* X_1 {b.numerator}) {b.denominator}) 1)) "
        f"(/ {bound.numerator} {bound.denominator}))"
    )
    u, v = (Fraction(float(value)) for value in x)
    assert holds(formula(text), x, np.zeros(2)) == (factor * (a * u - b * v - 1) <= bound)


def test_all_assertions_hold_together():
    found = query("(<= X_0 1)", "(>= Y_0 2)")
    assert found.formula == And((formula("(<= X_0 1)"), formula("(>= Y_0 2)")))
    assert (found.inputs, found.outputs) == (2, 2)


def test_lines_are_kept():
    text = f"; first\n{declared(1, 1)}\n\n(assert (and\n (<= X_0 1)\n (>=\n X_0 0)))"
    found = parse(text, "p").formula
    assert isinstance(found, And)
    (both,) = found.parts
    assert isinstance(both, And)
    lines = [part.line for part in both.parts if isinstance(part, Comparison)]
    assert lines == [5, 6]


@pytest.mark.parametrize(
    "text",
    [
        "(declare-const X_0 Real)(declare-const Y_0 Real)(assert(<= X_0 1))",
        "(declare-fun X_0 () Real) (declare-fun Y_0 ( ) Real) (assert (<= X_0 1))",
        "(declare-const Y_0 Real)\r\n(declare-const X_0 Real)\r\n(assert\t(<=\r\nX_0\n\n1\n)\n)",
        ";(\n(declare-const X_0 Real);)\n(declare-const Y_0 Real)(assert(<= X_0 ; (\n 1));",
        '(set-logic QF_LRA)(set-info :source |a (\n b|)(set-info :status "x ) y")'
        "(set-option :produce-models true)(declare-const X_0 Real)(declare-const Y_0 Real)"
        "(assert (<= X_0 1))(check-sat)(get-model)(exit)(whatever follows",
        "(set-info :list (a (b c) ()))(declare-const X_0 Real)(declare-const Y_0 Real)"
        "(assert (<= X_0 1))",
        "(vnnlib-version <1.0>)(declare-const X_0 Real)(declare-const Y_0 Real)(assert (<= X_0 1))",
        "(vnnlib-version <2.1>)(declare-const X_0 Real)(declare-const Y_0 Real)(assert (<= X_0 1))",
        "; \u00e4\u6f22\x85\n(declare-const X_0 Real)(declare-const Y_0 Real)(assert (<= X_0 1))",
    ],
)
def test_layout(text):
    found = parse(text, "prop.vnnlib")
    assert found.formula == And((formula("(<= X_0 1)"),))
    assert (found.inputs, found.outputs) == (1, 1)
