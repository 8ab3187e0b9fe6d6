"""Every refusal is one sentence with the file, the line, what is wrong and what to do."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onnx_lippa.errors import InputError
from onnx_lippa.spec.vnnlib import declarations as declared
from onnx_lippa.spec.vnnlib import expressions as assertions
from onnx_lippa.spec.vnnlib import expressions as terms
from onnx_lippa.spec.vnnlib import parse, parser
from tests.support import vnnlib as texts

FUZZ = settings(derandomize=True, deadline=None, max_examples=150)


def refusal(text: str) -> str:
    with pytest.raises(InputError) as refused:
        parse(text, "prop.vnnlib")
    said = str(refused.value)
    assert "\n" not in said
    assert re.fullmatch(r"prop\.vnnlib[:,a-z]* .*: .*|prop\.vnnlib asserts nothing: .*", said), said
    return said


@pytest.mark.parametrize(
    ("assertion", "said"),
    [
        ("(<= (* X_0 X_1) 1)", "a product of two variables is not linear"),
        ("(<= (* X_0 X_0) 1)", "a product of two variables is not linear"),
        ("(<= (/ 1 X_0) 1)", "a division by a variable is not linear"),
        ("(<= (/ X_0 0) 1)", "a division by 0 has no value"),
        ("(<= (/ X_0 (- 1 1)) 1)", "a division by 0 has no value"),
        ("(<= (/ X_0) 1)", "/ has 1 arguments: give it 2 at least"),
        ("(<= (+) 1)", "+ has 0 arguments: give it 1 at least"),
        ("(<= (-) 1)", "- has 0 arguments"),
        ("(let ((a 1)) (<= X_0 a))", "'let' is not supported as an operator"),
        ("(forall ((a Real)) (<= X_0 a))", "'forall' is not supported"),
        ("(exists ((a Real)) (<= X_0 a))", "'exists' is not supported"),
        ("(<= (ite (<= X_0 1) 1 2) 1)", "'ite' is not supported"),
        ("(xor (<= X_0 1) (<= X_0 2))", "'xor' is not supported"),
        ("(max X_0 1)", "'max' is not supported"),
        ("(<= X_5 1)", "X_5 is not declared: write (declare-const X_5 Real) before it is used"),
        ("(<= Y_2 X_0)", "Y_2 is not declared"),
        ("(<= Z 1)", "'Z' is neither a number nor a variable"),
        ("(<= X_0 1.2.3)", "'1.2.3' is neither a number nor a variable"),
        ("(<= X_0 -)", "'-' is neither a number nor a variable"),
        ("(<= X_0 0x10)", "'0x10' is neither a number nor a variable"),
        ("(<= X_0 NaN)", "'NaN' is neither a number nor a variable"),
        ("(<= X_0 inf)", "'inf' is neither a number nor a variable"),
        ("(<= X_0 1_000)", "'1_000' is neither a number nor a variable"),
        ("(<= X_00 1)", "'X_00' is neither a number nor a variable"),
        ('(<= X_0 "1")', "is neither a number nor a variable"),
        ("(<= X_0 \u0663)", "is neither a number nor a variable"),
        ("(<= X_0 1e999999999)", "'1e999999999' has an exponent beyond 1000: correct it"),
        ("(<= X_0 1e-1001)", "has an exponent beyond 1000"),
        (f"(<= X_0 {'1' * 1001})", "has more than 1000 characters"),
        (f"(<= X_0 (* {' '.join(['1e999'] * 30)}))", "arithmetic makes a number of more than"),
        ("(<= X_0)", "<= compares at least two values but has 1"),
        ("(<=)", "<= compares at least two values but has 0"),
        ("(!= X_0 1 2)", "!= is supported for two values"),
        ("(<= (<= X_0 1) 2)", "<= takes numbers and variables but has a formula in it"),
        ("(= (<= X_0 1) (<= X_0 2))", "= takes numbers and variables but has a formula in it"),
        ("(+ X_0 1)", "assert takes formulas but has a number in it"),
        ("X_0", "assert takes formulas but has 'X_0' in it"),
        ("(and X_0 (<= X_0 1))", "and takes formulas but has 'X_0' in it"),
        ("(or (+ 1 2) (<= X_0 1))", "or takes formulas but has a number in it"),
        ("(and)", "the number of formulas in and is 0: give it 1"),
        ("(not (<= X_0 1) (<= X_0 2))", "the number of formulas in not is 2: give it 1"),
        ("(=> (<= X_0 1))", "the number of formulas in => is 1: give it 2"),
        ("()", "a () holds nothing"),
        ("(and ())", "a () holds nothing"),
        ("((<= X_0 1))", "a ( follows directly on another ("),
        ("(<= X_0 1) (<= X_0 2)", "assert takes one formula but has 2: join them with and"),
        ("", "assert takes one formula but has 0"),
        ("(<= X_0 |1)", "a quotation that begins here never ends"),
        ("(assert (<= X_0 1))", "'assert' is not supported as an operator"),
        ("(<= X[0] 1)", "'X[0]' is neither a number nor a variable"),
    ],
)  # fmt: skip
def test_assertions(assertion, said):
    text = f"{texts.declared()}\n\n(assert {assertion})\n(assert (<= X_0 3))"
    refused = refusal(text)
    assert said in refused
    assert refused.startswith("prop.vnnlib, line 3: ")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("(declare-const X_0 Real)", "X_0 is declared a second time"),
        ("(declare-const X_2 Int)", "X_2 has the sort 'Int': declare it as Real"),
        ("(declare-const Z Real)", "the name 'Z' is neither an input X_0, X_1, ... nor an output"),
        ("(declare-const X_01 Real)", "the name 'X_01' is neither"),
        ("(declare-const X_9999999999 Real)", "the name 'X_9999999999' is neither"),
        ("(declare-const X_2)", "a declaration takes a name and a sort"),
        ("(declare-const X_2 Real Real)", "a declaration takes a name and a sort"),
        ("(declare-fun X_2 (Real) Real)", "a function with arguments is not supported"),
        ("(declare-fun X_2 Int)", "X_2 has the sort 'Int'"),
        ("(declare-const X_2 (Array Real))", "'Array' is not supported"),
        ("(define-fun f () Real 1)", "the command 'define-fun' is not supported"),
        ("(push 1)", "the command 'push' is not supported"),
        ("()", "a () holds nothing"),
        ("(", "the file ends inside the parenthesis opened on line 2, so it is incomplete"),
        ("(assert (and (<= X_0 1)", "the file ends inside the parenthesis opened on line 2"),
        (")", "a ) closes nothing"),
        ("(assert (<= X_0 1)))", "a ) closes nothing"),
        ("X_0", "'X_0' is outside all parentheses"),
        ("(<= X_0 1)", "the command '<=' is not supported"),
        ('(set-info :source "never closed)', "a quotation that begins here never ends"),
        ("\x01\x02", "is outside all parentheses"),
        ("\x89PNG", "is outside all parentheses"),
        ("(\u6f22\u5b57 x)", "the command '\u6f22\u5b57' is not supported"),
        ("(" + "y" * 100 + ")", "the command '" + "y" * 40 + "…' is not supported"),
        ("(vnnlib-version <3.0>)", "this version of VNN-LIB is not known"),
    ],
)  # fmt: skip
def test_commands(command, said):
    text = f"{texts.declared()}\n{command}".encode().decode("latin-1")
    refused = refusal(text)
    assert said in refused
    assert refused.startswith("prop.vnnlib, line 2: ")


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["X_0", "X_2", "Y_0"], "prop.vnnlib: X_2 is declared but X_1 is not"),
        (["X_0", "Y_1"], "prop.vnnlib: Y_1 is declared but Y_0 is not"),
        (["Y_0"], "prop.vnnlib: no input is declared: write (declare-const X_0 Real)"),
        (["X_0"], "prop.vnnlib: no output is declared: write (declare-const Y_0 Real)"),
    ],
)
def test_declarations_as_a_whole(names, said):
    lines = [f"(declare-const {name} Real)" for name in names]
    assert said in refusal("\n".join([*lines, f"(assert (<= {names[0]} 1))"]))


def test_nothing_asserted():
    assert refusal(texts.declared()).startswith("prop.vnnlib asserts nothing: add (assert ...)")
    assert "no input is declared" in refusal("")


def test_lines_of_what_spans_several():
    text = f"{texts.declared()}\n(assert (or\n  (<= X_0 1)\n  (<= (* X_0\n X_1) 2)))"
    assert "line 4: a product" in refusal(text)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 1_000_000,
        texts.declared() + "(assert " + "(and " * 1_000_000,
        texts.declared() + "(assert " + "(not " * 1_000_000 + "true" + ")" * 1_000_000 + ")",
        texts.declared() + "(assert (<= " + "(- " * 1_000_000,
        "(set-info " + "(" * 1_000_000,
    ],
)
def test_nesting_without_end_is_refused(text):
    assert re.search("more than 10000 deep|follows directly on another", refusal(text))


@pytest.mark.parametrize("operator", ["and", "or", "not"])
def test_deep_nesting_within_the_limit(operator):
    depth = parser.MAX_DEPTH - 2
    text = f"(assert {f'({operator} ' * depth}(<= X_0 1){')' * depth})"
    assert parse(texts.declared() + text, "p").formula


@pytest.mark.parametrize("operator", ["+ X_0", "- X_0", "* 1", "- "])
def test_deep_arithmetic_within_the_limit(operator):
    depth = parser.MAX_DEPTH - 3
    text = f"(assert (<= {f'({operator} ' * depth} X_1 {')' * depth} 0))"
    assert parse(texts.declared() + text, "p").formula


@pytest.mark.parametrize(
    ("module", "limit", "repeated", "said"),
    [
        (assertions, "MAX_COMPARISONS", "(assert (<= X_0 {}))", "more than 50 different"),
        (terms, "MAX_WORK", "(assert (<= (+ X_0 1) 2))", "takes more than 50 steps"),
        (parser, "MAX_WORDS", "(set-info a b c d e f g h i j k l m n o p q r s t u v w x y z"
         " a b c d e f g h i j k l m n o p q r s t u v w x y z)", "has more than 50 words"),
        (declared, "MAX_VARIABLES", "(declare-const X_{} Real)", "more than 50 variables"),
    ],
)  # fmt: skip
def test_limits_are_named(monkeypatch, module, limit, repeated, said):
    monkeypatch.setattr(module, limit, 50)
    text = texts.declared() + "".join(repeated.format(number) for number in range(2, 100))
    assert said in refusal(text)


@pytest.mark.parametrize(
    "unit",
    [" ", "x", "1", "[", "[ ", "[1,", "X[", '"', "|", ";", "; (\n", "\n", "(<= ", "(<= X_0 1) ",
     "(<= X_0 ", "()", ")", "\x85", "-", ".", "e", "1e", "(assert (<= X_0 1"],
)  # fmt: skip
def test_no_text_takes_more_than_linear_time(unit):
    for before in ("", "(assert (<= X_0 ", "(set-info "):
        text = texts.declared() + before + unit * (100_000 // len(unit))
        started = time.process_time()
        refusal(text)
        assert time.process_time() - started < 2.0


WORDS = st.sampled_from(
    ["(", ")", "(", ")", "assert", "and", "or", "not", "=>", "<=", ">", "=", "+", "-", "*", "/",
     "X_0", "Y_0", "X_7", "1", "-0.5", "1e400", "true", "declare-const", "declare-fun", "Real",
     "declare-network", "declare-input", "X[0]", "[1]", "float32", "set-info", "exit", '"', "|",
     ";", "\n", "(<= X_0 1)", "(assert (<= X_0 1))", "(vnnlib-version <2.0>)", "\x00", "é"],
)  # fmt: skip


@FUZZ
@given(words=st.lists(WORDS, max_size=30), declare=st.booleans())
def test_garbage_is_read_or_refused(words, declare):
    text = (texts.declared(1, 1) if declare else "") + " ".join(words)
    try:
        parse(text, "prop.vnnlib")
    except InputError:
        refusal(text)


@FUZZ
@given(text=st.text(alphabet=st.characters(max_codepoint=255), max_size=60))
def test_noise_is_refused(text):
    assert refusal(text)
