"""VNN-LIB 2.0: one network, whose input and output are tensors."""

from __future__ import annotations

from fractions import Fraction

import pytest

from onnx_lippa.errors import InputError
from onnx_lippa.spec import And, Comparison, Or
from onnx_lippa.spec.vnnlib import parse

NETWORK = """(vnnlib-version <2.0>)
(declare-network acc (declare-input X float32 [1,2,3]) (declare-output Y float32 [1,2]))
"""
ONE = Fraction(1)


def read(*assertions: str, network: str = NETWORK):
    lines = [f"(assert {assertion})" for assertion in assertions]
    return parse(network + "\n".join(lines), "prop.vnnlib")


def refusal(*assertions: str, network: str = NETWORK) -> str:
    with pytest.raises(InputError) as refused:
        read(*assertions, network=network)
    return str(refused.value)


def test_elements_are_counted_in_row_major_order():
    found = read("(<= X[0,1,2] 0.5)", "(>= X[0,0,1] -1.5)", "(or (<= Y[0,0] Y[0,1]))")
    assert (found.inputs, found.outputs) == (6, 2)
    assert found.formula == And(
        (
            Comparison(((5, ONE),), (), Fraction("0.5")),
            Comparison(((1, -ONE),), (), Fraction("1.5")),
            Or((Comparison((), ((0, ONE), (1, -ONE)), Fraction(0)),)),
        )
    )


@pytest.mark.parametrize("written", ["X[0,1,2]", "X[0, 1, 2]", "X [0,1,2]", "X [ 0 , 1\n,2 ]"])
@pytest.mark.parametrize("form", ["(<= {} 0.5)", "(>= 0.5 {})", "(<= (+ {} 0.0) 0.5)"])
def test_ways_to_write_an_element(written, form):
    (part,) = read(form.format(written)).formula.parts
    assert part == Comparison(((5, ONE),), (), Fraction("0.5"))


@pytest.mark.parametrize("operator", ["==", "!="])
def test_equality(operator):
    (part,) = read(f"({operator} X[0,0,0] 1.0)").formula.parts
    assert isinstance(part, And if operator == "==" else Or)


@pytest.mark.parametrize("sort", ["Real", "real", "float32", "float64"])
def test_types_names_and_scalars(sort):
    network = (
        f'(declare-network f (declare-input image_1 {sort} [4] "in:0")\n'
        f'(declare-output score {sort} [] "out"))'
    )
    found = read("(<= image_1[3] score)", "(<= score[] 2)", network=network)
    assert (found.inputs, found.outputs) == (4, 1)
    assert found.formula.parts[1] == Comparison((), ((0, ONE),), Fraction(2))


@pytest.mark.parametrize(
    ("assertion", "said"),
    [
        ("(<= X[0,1] 1)", "'X[0,1]' is not an element of X, whose shape is [1,2,3]"),
        ("(<= X[0,2,0] 1)", "'X[0,2,0]' is not an element of X"),
        ("(<= X 1)", "'X' is not an element of X"),
        ("(<= Z[0] 1)", "'Z[0]' is neither a number nor an element of a declared tensor"),
        ("(<= X_0 1)", "'X_0' is neither a number nor an element"),
        ("(<= X[-1,0,0] 1)", "'X[-1,0,0]' is neither a number nor an element"),
        ("(<= X[0,,0] 1)", "'[0,,0]' is not a list like [1,5]"),
        ("(<= X[0,0,0 1)", "is neither a number nor an element"),
        ("(<= X[0,0,99999999999] 1)", "is not a list like [1,5]"),
    ],
)
def test_elements_that_are_not_there(assertion, said):
    refused = refusal(assertion)
    assert said in refused
    assert refused.startswith("prop.vnnlib, line 3: ")


@pytest.mark.parametrize(
    ("network", "said"),
    [
        ("(declare-network f (declare-input X Real [2]) (declare-input Z Real [2])"
         "(declare-output Y Real [2]))", "Z is declared after X: only networks with one input"),
        ("(declare-network f (declare-input X Real [2]) (declare-output X Real [2]))",
         "X is declared after X"),
        ("(declare-network f (declare-input X Real [2]))", "the network has no output"),
        ("(declare-network f (declare-output Y Real [2]))", "the network has no input"),
        ("(declare-network f (declare-input X Real [2]) (declare-hidden Z Real [2] \"h\")"
         "(declare-output Y Real [2]))", "a hidden tensor is declared"),
        ("(declare-network f (declare-input X int8 [2]) (declare-output Y Real [2]))",
         "X has the type 'int8': use Real, float32 or float64"),
        ("(declare-network f (declare-input 1X Real [2]) (declare-output Y Real [2]))",
         "'1X' is not a name"),
        ("(declare-network f (declare-input X Real [N]) (declare-output Y Real [2]))",
         "'[N]' is not a list like [1,5]"),
        ("(declare-network f (declare-input X Real [1,0]) (declare-output Y Real [2]))",
         "X has 0 elements"),
        ("(declare-network f (declare-input X Real [9999999,9999999])"
         "(declare-output Y Real [2]))", "from 1 to 2000000 are supported"),
        ("(declare-network f (declare-input X Real) (declare-output Y Real [2]))",
         "a declaration takes a name, a type and a shape"),
        ("(declare-network f (equal-to g) (declare-input X Real [2]))",
         "'equal-to' is not supported in declare-network"),
        ("(declare-network (declare-input X Real [2]) (declare-output Y Real [2]))",
         "a network has no name"),
        ("(declare-network f (declare-input X Real [2]) (declare-output Y Real [2]))"
         "(declare-network g (declare-input U Real [2]) (declare-output V Real [2]))",
         "only networks with one input and one output"),
        ("(declare-network f (declare-input X Real [2]) (declare-output Y Real [2]))"
         "(declare-network g)", "a second network is declared"),
        ("(declare-const X_0 Real)"
         "(declare-network f (declare-input X Real [2]) (declare-output Y Real [2]))",
         "declare-const and declare-network are both used"),
        ("(vnnlib-version 2)", "this version of VNN-LIB is not known"),
        ("(vnnlib-version)", "this version of VNN-LIB is not known"),
        ("(declare-input X Real [2])", "the command 'declare-input' is not supported"),
    ],
)  # fmt: skip
def test_networks_that_are_refused(network, said):
    refused = refusal("(<= X[0] 1)", network=network)
    assert said in refused
    assert refused.startswith("prop.vnnlib, line 1: ")
