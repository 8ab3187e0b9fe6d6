"""Proofs cover the inputs that are stated: missing bounds, narrow intervals, contradictions."""

from __future__ import annotations

import time
from fractions import Fraction

import numpy as np
import pytest

import onnx_lippa
from onnx_lippa import Answer, Property
from onnx_lippa.clock import OutOfTimeError
from onnx_lippa.proofs import make_proof
from onnx_lippa.runs.properties.falsify import problem_of
from onnx_lippa.spec import build_inputs
from onnx_lippa.spec.formula import And, Comparison, Or
from onnx_lippa.state import Budget
from onnx_lippa.witness import Verdict
from tests.support.graphs import graph_model, load_model, node, saved

METHODS = ("auto", "interval", "linear", "mip")
ONE = Fraction(1)


def relu(tmp_path):
    return saved(graph_model([node("Relu", "x", "y")], (1,)), tmp_path)


def y_at_least(number):
    return [([[-1.0]], [-float(number)])]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("lower", "upper"), [(0, np.inf), (-np.inf, np.inf)])
def test_an_invented_bound_proves_nothing(tmp_path, method, lower, upper):
    """y = relu(x) reaches every number, far beyond any box that a search looks at."""
    for threshold in (1000, 1e6, 1e30):
        wanted = Property.build([lower], [upper], y_at_least(threshold))
        found = onnx_lippa.verify(relu(tmp_path), wanted, timeout=4, method=method)
        assert found.answer is not Answer.UNSAT


@pytest.mark.parametrize("method", METHODS)
def test_an_interval_narrower_than_a_float_is_proven_as_a_whole(tmp_path, method):
    """y = 1e8 (x - 0.1) is 0.149 at the only float32 of the interval, and 0.2 at its end."""
    bias = np.float32(-1e8) * np.float32(0.1)
    nodes = [node("Mul", "x w", "h"), node("Add", "h b", "y")]
    model = load_model(graph_model(nodes, (1,), {"w": np.float32([1e8]), "b": np.float32([bias])}))
    wanted = Property.build([0.1], [0.100000002], y_at_least(10000000.1999 + float(bias)))
    inputs, claim = build_inputs(wanted, wanted.cases[0], np.dtype(np.float32))
    assert inputs.lower[0] == inputs.upper[0]
    assert (claim.stated.lower[0], claim.stated.upper[0]) == (0.1, 0.100000002)
    found = onnx_lippa.verify(model, wanted, timeout=4, method=method)
    assert found.answer is not Answer.UNSAT
    beyond = Property.build([0.1], [0.100000002], y_at_least(10000000.2001 + float(bias)))
    found = onnx_lippa.verify(model, beyond, timeout=4, method=method)
    assert found.answer is Answer.UNSAT


def test_a_float_that_stands_for_a_bound_is_covered_beside_the_bound():
    wanted = Property.build([0.3], [0.3], y_at_least(0))
    inputs, claim = build_inputs(wanted, wanted.cases[0], np.dtype(np.float32))
    assert inputs.lower[0] == inputs.upper[0] == float(np.float32(0.3)) > 0.3
    assert claim.exact_values == {0: Fraction(0.3)}
    assert (claim.stated.lower[0], claim.stated.upper[0]) == (0.3, float(np.float32(0.3)))


def test_all_of_a_box_is_in_its_ball():
    generator = np.random.default_rng(0)
    for _ in range(200):
        low, high = np.sort(generator.normal(size=(2, 3)) * 10.0 ** generator.integers(-6, 6), 0)
        wanted = Property.build(low, high, [([[1.0]], [0.0])])
        inputs, claim = build_inputs(wanted, wanted.cases[0], np.dtype(np.float32))
        for corner in (inputs.lower, inputs.upper):
            assert inputs.contains(corner)
            assert claim.stated.is_in_box(corner)


def test_contradictory_bounds_and_rows_are_unsat(tmp_path):
    path = relu(tmp_path)
    bounds = And((Comparison(((0, -ONE),), (), -ONE), Comparison(((0, ONE),), (), ONE, True)))
    rows = And((Comparison((), ((0, -ONE),), -ONE), Comparison((), ((0, ONE),), Fraction(0))))
    box = (Comparison(((0, -ONE),), (), ONE), Comparison(((0, ONE),), (), ONE))
    wanted = Property.from_formula(bounds, 1, 1)
    for found in (onnx_lippa.verify(path, wanted), onnx_lippa.falsify(path, wanted)):
        assert found.answer is Answer.UNSAT
        assert "X_0 must be at least 1.0 and less than 1.0" in found.note
    found = onnx_lippa.verify(path, Property.from_formula(And((*box, rows)), 1, 1))
    assert found.answer is Answer.UNSAT


def test_rows_cover_what_is_stated_in_spite_of_rounding():
    """The numbers of a row are never rounded such that an output stated is left out."""
    for number in ("0.1", "0.3", "-0.7", "1e-30", "3.991125645861615"):
        for sign in (1, -1):
            row = Comparison((), ((0, Fraction(sign)),), Fraction(number))
            wanted = Property.from_formula(row, 1, 1)
            (disjunct,) = wanted.cases[0].unsafe.disjuncts
            assert Fraction(disjunct.bound[0]) >= Fraction(number)
            assert disjunct.bound[0] <= np.nextafter(float(number), np.inf)


def test_decimal_coefficients_are_scaled_to_numbers_that_float64_has():
    terms = tuple((j, Fraction(c)) for j, c in enumerate(("0.1", "-0.3", "0.7")))
    wanted = Property.from_formula(Comparison((), terms, Fraction("0.2")), 1, 3)
    (disjunct,) = wanted.cases[0].unsafe.disjuncts
    scale = Fraction(disjunct.matrix[0, 0]) / Fraction("0.1")
    assert [Fraction(c) for c in disjunct.matrix[0]] == [scale * c for _, c in terms]
    assert Fraction(disjunct.bound[0]) >= scale * Fraction("0.2")
    assert disjunct.exact


def test_a_coefficient_that_float64_lacks_proves_nothing(tmp_path):
    nine = Fraction("0.1234567890123456789")
    box = (Comparison(((0, -ONE),), (), ONE), Comparison(((0, ONE),), (), ONE))
    row = Comparison((), ((0, nine), (1, -ONE)), Fraction(-5))
    model = load_model(graph_model([node("Concat", "x x", "y", axis=1)], (1,)))
    found = onnx_lippa.verify(model, Property.from_formula(And((*box, row)), 1, 2), timeout=2)
    assert found.answer is not Answer.UNSAT
    assert "more digits than float64 holds" in str(found.reason)


def sums_of_ors(count):
    """``y`` is at least k + 1/2 or at most -k - 1/2, for k to ``count``: 2^count disjuncts."""
    half = Fraction(1, 2)
    ors = [
        Or((Comparison((), ((0, -ONE),), -k - half), Comparison((), ((0, ONE),), -k - half)))
        for k in range(count)
    ]
    return And((Comparison(((0, -ONE),), (), ONE), Comparison(((0, ONE),), (), ONE), *ors))


@pytest.mark.parametrize("method", ["auto", "linear"])
def test_a_formula_multiplied_out_is_refuted_row_by_row(tmp_path, method):
    wanted = Property.from_formula(sums_of_ors(12), 1, 1)
    assert len(wanted.cases[0].unsafe.disjuncts) == 4096
    model = load_model(graph_model([node("Relu", "x", "y")], (1,)))
    problem = problem_of(model, wanted, 0)
    (outcome,) = make_proof(method).solve(model, [problem], Budget(60.0))
    assert outcome.verdict is Verdict.ROBUST
    assert outcome.effort.nodes == 0
    assert outcome.bound + 1e-9 >= 0.5


def test_reading_looks_at_the_deadline(tmp_path):
    with pytest.raises(OutOfTimeError):
        Property.from_formula(sums_of_ors(12), 1, 1, deadline=time.monotonic() - 1)
    path = tmp_path / "p.vnnlib"
    path.write_text("(declare-const X_0 Real)(declare-const Y_0 Real)(assert (>= Y_0 1))")
    with pytest.raises(OutOfTimeError):
        Property.from_vnnlib(path, time.monotonic() - 1)
    assert onnx_lippa.verify(relu(tmp_path), path, timeout=1e-9).answer is Answer.TIMEOUT
