"""Which search an input gets: over boxes or over signs, by what short ones of both find."""

from __future__ import annotations

import numpy as np
import pytest

from onnx_lippa.proofs import BranchAndBound
from onnx_lippa.spec import Conjunction, InputSpecification, Problem, UnsafeSet, get_norm
from onnx_lippa.state import Budget
from onnx_lippa.witness import ProvedBy, Verdict
from tests.support.graphs import dense_model

FEATURES, UNITS = 14, 32


def problem(seed, decay, eps):
    """A network whose i-th feature counts ``decay**i``, and a bound that it stays above."""
    generator = np.random.default_rng(seed)
    weights = decay ** np.arange(FEATURES)
    first = generator.normal(size=(FEATURES, UNITS)) * weights[:, None]
    first *= 3 / np.sqrt((weights**2).sum())
    second = generator.normal(size=(UNITS, UNITS)) / np.sqrt(UNITS)
    last = generator.normal(size=(UNITS, 1)) / np.sqrt(UNITS)
    biases = 0.3 * generator.normal(size=(2, UNITS))
    model = dense_model([(first, biases[0]), (second, biases[1]), (last, np.zeros(1))])
    center = generator.uniform(0.3, 0.7, FEATURES).astype(np.float32)
    corners = np.sign(generator.normal(size=(50_000, FEATURES)))
    inside = generator.uniform(-1, 1, (50_000, FEATURES))
    values = model.network.forward(center + eps * np.concatenate([corners, inside]))[:, 0]
    bound = values.min() - 0.15 * np.ptp(values)
    unsafe = UnsafeSet((Conjunction(np.ones((1, 1)), np.array([bound])),))
    features = InputSpecification.build(FEATURES, eps=eps, lower=-9, upper=9)
    inputs = features.input_set(center, get_norm("linf"))
    return model, Problem(0, inputs, unsafe, UnsafeSet(())), values.min() - bound


@pytest.mark.parametrize(
    ("seed", "decay", "eps"), [(1, 1.0, 0.2), (2, 1.0, 0.2), (3, 0.35, 0.6), (4, 0.35, 0.6)]
)
def test_both_kinds_of_networks_are_proven_soon(seed, decay, eps):
    """Boxes are open after 200,000 nodes where all features count, signs where few do."""
    model, asked, margin = problem(seed, decay, eps)
    (found,) = BranchAndBound().solve(model, [asked], Budget(60.0))
    assert found.verdict is Verdict.ROBUST
    assert found.proved_by in (ProvedBy.COMPLETE, ProvedBy.LINEAR)
    assert 0 < found.bound <= margin
    assert found.effort.nodes < 20_000


def test_a_limit_on_nodes_is_kept():
    model, asked, _ = problem(4, 0.35, 0.6)
    (found,) = BranchAndBound(node_limit=100).solve(model, [asked], Budget(60.0))
    assert found.effort.nodes < 300  # a batch more
