"""Answers about inputs without bounds, against the truth found pattern by pattern."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

import onnx_lippa
from onnx_lippa import Answer, Property
from onnx_lippa.proofs import (
    PROOF_METHODS,
    BranchAndBound,
    Intervals,
    LinearBounds,
    Mip,
    ProofMethod,
)
from onnx_lippa.runs.properties.falsify import problem_of
from onnx_lippa.spec import FARTHEST
from onnx_lippa.spec.formula import And, Comparison
from onnx_lippa.state import Budget
from onnx_lippa.witness import Verdict
from tests.support.graphs import graph_model, load_model, node
from tests.support.tiny_networks import CLEAR, RandomProperty, least_margin, random_property, tiny

ONE = Fraction(1)


def drawn(seed: int, missing: float):
    generator = np.random.default_rng(seed)
    network = tiny(generator)
    return network, random_property(generator, network, missing)


def proven(model, wanted, method: ProofMethod):
    wanted = wanted.property()
    model = model.joint() if wanted.joint else model
    problem = problem_of(model, wanted, 0, FARTHEST)
    (outcome,) = method.solve(model, [problem], Budget(20))
    return outcome


def check(seeds, missing: float, method: ProofMethod) -> Counter[str]:
    counted: Counter[str] = Counter()
    for seed in seeds:
        network, wanted = drawn(seed, missing)
        outcome, least = proven(network.model(), wanted, method), least_margin(network, wanted)
        truth = "tie" if abs(least) <= CLEAR else "sat" if least < 0 else "unsat"
        answer = {Verdict.ROBUST: "unsat", Verdict.ADVERSARIAL: "sat"}.get(outcome.verdict, "open")
        counted[f"{truth} {answer}"] += 1
        if truth != "tie":
            assert answer in {truth, "open"}, seed
        elif answer == "unsat":
            assert wanted.strict, seed
    return counted


@pytest.mark.parametrize("missing", [pytest.param(0.5, marks=pytest.mark.slow), 1.0])
def test_random_properties_without_bounds_are_decided(missing):
    counted = check(range(60), missing, BranchAndBound())
    assert counted["sat open"] + counted["unsat open"] <= 2, counted
    assert counted["sat sat"] >= 15
    assert counted["unsat unsat"] >= 8


@pytest.mark.parametrize("method", [Intervals(), LinearBounds(), Mip()])
def test_no_method_proves_what_is_false(method):
    check(range(40), 0.5, method)


def test_the_whole_way(tmp_path):
    for seed in (1, 2, 3, 4):
        network, wanted = drawn(seed, 0.6)
        least = least_margin(network, wanted)
        found = onnx_lippa.verify(network.model(), wanted.property(), timeout=10)
        if abs(least) > CLEAR:
            assert found.answer is (Answer.SAT if least < 0 else Answer.UNSAT), seed


def test_random_properties_over_boxes_are_decided_by_every_method():
    for method in set(PROOF_METHODS.values()):
        counted = check(range(8), 0.0, method)
        if method == BranchAndBound():
            assert counted["sat open"] + counted["unsat open"] == 0


@pytest.mark.parametrize(("strict", "answer"), [(False, Answer.SAT), (True, Answer.UNSAT)])
def test_ties_have_exact_answers(strict, answer):
    """The least of ``|x + y| + |x - y|`` over [-1, 1]² is 0, at one point alone."""
    nodes = [node("MatMul", "x w", "h"), node("Abs", "h", "a"), node("MatMul", "a s", "y")]
    constants = {"w": np.float32([[1, 1], [1, -1]]), "s": np.float32([[1], [1]])}
    model = load_model(graph_model(nodes, (2,), constants))
    wanted = RandomProperty(-np.ones(2), np.ones(2), np.array([[1.0]]), np.zeros(1), strict)
    started = time.monotonic()
    found = onnx_lippa.verify(model, wanted.property(), timeout=60)
    assert found.answer is answer
    assert found.bound <= 0 and (answer is Answer.SAT or found.bound == 0)
    assert time.monotonic() - started < 30


def test_a_tie_of_rationals_that_no_float_is():
    """``max(3x - 1, 2 - 6x)`` has its least value 1/3 - 1/3 = 0 at 1/3, which is no float."""
    nodes = [node("MatMul", "x w", "h"), node("Add", "h b", "g"), node("ReduceMax", "g", "y",
             axes=[1], keepdims=1)]  # fmt: skip
    constants = {"w": np.float32([[3, -6]]), "b": np.float32([-1, 2])}
    model = load_model(graph_model(nodes, (1,), constants))
    wanted = RandomProperty(np.zeros(1), np.ones(1), np.array([[1.0]]), np.zeros(1), True)
    assert proven(model, wanted, BranchAndBound()).verdict is Verdict.ROBUST
    assert (
        proven(model, replace(wanted, strict=False), BranchAndBound()).verdict is not Verdict.ROBUST
    )


def relu_of(d: int):
    return load_model(graph_model([node("Relu", "x", "y")], (d,)))


@pytest.mark.parametrize("strict", [False, True])
def test_a_bound_that_is_not_reached_decides_a_tie(strict):
    """``X_0 < 1`` and ``Y_0 >= 1`` for y = relu(x)."""
    bound = Comparison(((0, ONE),), (), ONE, strict)
    parts = (Comparison(((0, -ONE),), (), ONE), bound, Comparison((), ((0, -ONE),), -ONE))
    found = onnx_lippa.verify(relu_of(1), Property.from_formula(And(parts), 1, 1), timeout=20)
    assert found.answer is (Answer.UNSAT if strict else Answer.SAT)


@pytest.mark.parametrize("strict", [False, True])
def test_strict_rows_beside_others(strict):
    """``X_0 >= X_1`` and ``Y_1 > Y_0``, without any bounds."""
    rows = (
        Comparison(((0, -ONE), (1, ONE)), (), Fraction(0)),
        Comparison((), ((0, ONE), (1, -ONE)), Fraction(0), strict),
    )
    wanted = Property.from_formula(And(rows), 2, 2)
    found = onnx_lippa.verify(relu_of(2), wanted, timeout=20)
    assert found.answer is (Answer.UNSAT if strict else Answer.SAT)


def test_input_rows_that_contradict_each_other():
    rows = (
        Comparison(((0, ONE), (1, -ONE)), (), -ONE),
        Comparison(((0, -ONE), (1, ONE)), (), Fraction(0)),
    )
    wanted = Property.from_formula(And(rows), 2, 2)
    assert onnx_lippa.verify(relu_of(2), wanted, timeout=20).answer is Answer.UNSAT


def test_a_candidate_near_a_bound_is_not_moved_by_what_lies_far_away():
    """A bound that no float32 equals, beside an input that is searched to the end of its type."""
    lower, upper = np.array([0.1, -np.inf]), np.array([0.3, np.inf])
    wanted = Property.build(lower, upper, [([[1.0, -1.0], [1.0, 0.0]], [-0.5, 0.1 + 1e-7])])
    model = relu_of(2)
    problem = problem_of(model, wanted, 0, FARTHEST)
    x = problem.inputs.to_model_type(np.array([0.1, 0.75]))
    assert problem.inputs.contains(x)
    np.testing.assert_allclose(x, [0.1, 0.75], rtol=1e-6)
    less = RandomProperty(lower, upper, np.array([[1.0, -1.0]]), np.array([-0.5]), False)
    assert proven(model, less, BranchAndBound()).verdict is Verdict.ADVERSARIAL
