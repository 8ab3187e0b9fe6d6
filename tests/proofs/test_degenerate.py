"""Problems with nothing left to branch on: no undecided unit, no feature that varies, ties."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from onnx_lippa.onnx_io import Model
from onnx_lippa.proofs import BranchAndBound
from onnx_lippa.spec import Conjunction, InputSpecification, Problem, UnsafeSet, get_norm
from onnx_lippa.state import Budget
from onnx_lippa.witness import Result, Verdict
from tests.support.graphs import dense_model, graph_model, label_of, load_model, node

NORMS = ("linf", "l1", "l2")


def proven(model: Model, x: np.ndarray, label: int, norm: str, **features: Any) -> Result:
    inputs = InputSpecification.build(x.size, **features).input_set(x, get_norm(norm))
    unsafe = UnsafeSet.misclassification(label, model.network.output_size)
    problem = Problem(0, inputs, unsafe, unsafe)
    (outcome,) = BranchAndBound().solve(model, [problem], Budget(10.0))
    return outcome


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("hidden", [0, 1, 3])
@pytest.mark.parametrize("kind", ["ball", "point", "fixed", "one feature"])
def test_every_input_ends_with_an_answer_or_a_reason(kind, hidden, norm):
    for seed in range(4):
        generator = np.random.default_rng(seed)
        d, sizes = 4, [4, *([hidden] if hidden else []), 3]
        model = dense_model(
            [(generator.normal(size=(a, b)), generator.normal(size=b)) for a, b in pairwise(sizes)]
        )
        x = generator.uniform(0, 1, d).astype(np.float32)
        features = {
            "ball": {"eps": 0.3},
            "point": {"eps": 0.0},
            "fixed": {"eps": 0.3, "fixed": range(d)},
            "one feature": {"eps": 0.3, "fixed": range(1, d)},
        }[kind]
        outcome = proven(model, x, label_of(model, x), norm, **features)
        assert outcome.verdict is not Verdict.UNKNOWN or outcome.reason
        if kind in ("point", "fixed"):
            assert outcome.verdict is Verdict.ROBUST


@pytest.mark.parametrize("norm", NORMS)
def test_two_equal_outputs_are_a_tie_that_does_not_count(norm):
    for seed in range(4):
        generator = np.random.default_rng(seed)
        first = generator.normal(size=(6, 12)), generator.normal(size=12)
        weight, bias = generator.normal(size=(12, 4)), generator.normal(size=4)
        weight[:, 1], bias[1] = weight[:, 0], bias[0]
        # Both are far above the others.
        bias[:2] += 20.0
        model = dense_model([first, (weight, bias)])
        x = generator.uniform(0, 1, 6).astype(np.float32)
        outcome = proven(model, x, label_of(model, x), norm, eps=0.2)
        assert outcome.verdict is Verdict.ROBUST
        assert outcome.bound == 0.0
        bias[1] += 0.5
        raised = dense_model([first, (weight, bias)])
        assert proven(raised, x, 1, norm, eps=0.2).bound == pytest.approx(0.5, abs=1e-9)
        assert proven(raised, x, 0, norm, eps=0.2).verdict is Verdict.MISCLASSIFIED


@pytest.mark.parametrize("norm", NORMS)
def test_a_single_input_is_decided_without_rounding(norm):
    """Margins far below what float64 sums can tell from 0, and exactly 0."""
    x = np.array([0.5, 0.25, 0.75], np.float32)
    tiny = 2.0**-80
    for gap, verdict in ((tiny, Verdict.ROBUST), (0.0, Verdict.ROBUST), (-tiny, Verdict.UNKNOWN)):
        # Two outputs of 2^20 that differ by the gap.
        weight = np.array([[2.0**21, 2.0**21], [gap * 4, 0.0], [1.0, 1.0]])
        model = dense_model([(weight, np.zeros(2))])
        outcome = proven(model, x, 0, norm, eps=0.0)
        assert outcome.verdict is verdict
        assert outcome.bound == gap if gap >= 0 else "without rounding" in str(outcome.reason)


def test_ties_at_the_exact_distance_are_decided_without_rounding():
    """ℓ∞, and numbers that floats hold: the least margin of the box is exactly 0."""
    x = np.array([0.25, 0.5], np.float32)
    # The margin is 2 x_0 + 3 x_1 - 3 / 4: 5 / 4 at x, and less by 5 eps.
    model = dense_model([(np.array([[3.0, 1.0], [1.0, -2.0]]), np.array([-0.5, 0.25]))])
    for eps, verdict in (
        (0.25, Verdict.ROBUST), (0.3, Verdict.ADVERSARIAL), (0.2, Verdict.ROBUST)
    ):  # fmt: skip
        outcome = proven(model, x, 0, "linf", eps=eps)
        assert outcome.verdict is verdict, (eps, outcome)


@pytest.mark.parametrize("norm", NORMS)
def test_a_least_value_of_exactly_0_ends_at_once(norm):
    """A ReLU at the end: its output is 0 in a part of the ball, and never below."""
    generator = np.random.default_rng(0)
    for d, hidden in ((3, 4), (8, 10)):
        constants = {
            "w": generator.normal(size=(d, hidden)).astype(np.float32),
            "b": generator.normal(size=hidden).astype(np.float32),
            "v": np.abs(generator.normal(size=(hidden, 1))).astype(np.float32),
            "c": np.array([-hidden / 2], np.float32),
        }
        nodes = [
            node("Gemm", "x w b", "h"), node("Relu", "h", "z"), node("Gemm", "z v c", "k"),
            node("Relu", "k", "y"),
        ]  # fmt: skip
        model = load_model(graph_model(nodes, (d,), constants))
        x = generator.uniform(0, 1, d).astype(np.float32)
        inputs = InputSpecification.build(d, eps=5.0).input_set(x, get_norm(norm))
        for strict, verdict in ((True, Verdict.ROBUST), (False, Verdict.ADVERSARIAL)):
            unsafe = UnsafeSet((Conjunction(np.eye(1), np.zeros(1), strict),))
            problem = Problem(0, inputs, unsafe, UnsafeSet(()))
            (found,) = BranchAndBound().solve(model, [problem], Budget(10.0))
            assert found.verdict is verdict, (d, strict, found)
            assert found.effort.nodes < 500
