"""Searches, leaves and weighted rows of networks whose sums cancel, against rational arithmetic."""

from __future__ import annotations

import time
from fractions import Fraction

import numpy as np
import pytest

from onnx_lippa.bounds.domain import InputDomain
from onnx_lippa.bounds.dual.ascent import Multipliers
from onnx_lippa.bounds.dual.back_substitution import ReluRelaxation
from onnx_lippa.bounds.dual.certificate import prove
from onnx_lippa.bounds.dual.objectives import Objectives, Units
from onnx_lippa.bounds.dual.weighted import WeightedRows
from onnx_lippa.bounds.reduced.reduction import decide_signs
from onnx_lippa.ir.pattern import UNDECIDED
from onnx_lippa.search.base import Limits
from onnx_lippa.search.boxes import BoxSearch
from onnx_lippa.search.leaves import Leaves
from onnx_lippa.search.signs import SignSearch
from onnx_lippa.spec import Conjunction
from tests.support.rationals import ExactNetwork, dot, fractions, inside
from tests.support.reduced import NETWORKS, systems
from tests.support.search import disjuncts_of, random_system


@pytest.mark.parametrize("search", [SignSearch, BoxSearch])
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_no_search_proves_more_than_there_is(name, seed, search):
    """Whatever ended it: margins are not below its bound, at points without rounding."""
    net, reduced, generator = systems(name, seed)
    if search is BoxSearch and reduced.inputs == 0:
        return
    exact = ExactNetwork(net)
    rows = [Conjunction(generator.normal(size=(r, 3)), generator.normal(size=r)) for r in (1, 2)]
    offered: list[np.ndarray] = []
    limits = Limits(time.monotonic() + 1, 300, 1e8)  # one of them uses all of it

    def refuse(x: np.ndarray) -> bool:
        offered.append(x)
        return False

    found = search(reduced, rows, refuse).run(limits)
    points = [inside(reduced.domain, generator) for _ in range(5)]
    points += [fractions(x) for x in offered[:8]]
    for x in points:
        outputs = exact.forward(x)
        for disjunct in rows:
            margin = max(
                dot(fractions(row), outputs) - Fraction(float(bound))
                for row, bound in zip(disjunct.matrix, disjunct.bound, strict=True)
            )
            assert found.bound == -np.inf or margin >= Fraction(found.bound)


@pytest.mark.parametrize("seed", range(15))
def test_any_duals_of_a_leaf_prove_no_more_than_there_is(seed):
    generator = np.random.default_rng(seed)
    reduced = random_system(generator, 3, (4, 3))
    (disjunct,) = disjuncts_of(generator, 3, ((1,), (3,))[seed % 2], 0.0)
    leaves, x = Leaves(reduced), generator.uniform(reduced.lower, reduced.upper, (4000, 3))
    z_hat, margins = reduced.pre_activations(x), disjunct.margins(reduced.forward(x))
    signs = decide_signs(reduced.unit_lower, reduced.unit_upper)
    free = np.flatnonzero(signs == UNDECIDED)
    signs[free[::2]] = generator.choice([-1, 1], free[::2].size)
    there = np.all((signs == UNDECIDED) | (signs * z_hat >= 0), axis=1)
    count = leaves.build_program(disjunct, reduced.unit_lower, reduced.unit_upper, signs).rows.count
    for _ in range(30):
        duals = generator.normal(size=count) * 10.0 ** generator.integers(-6, 7, count)
        for empty in (False, True):
            proven = leaves._prove(
                disjunct, reduced.unit_lower, reduced.unit_upper, signs, duals, empty
            )
            if np.any(there):
                most = 0.0 if empty else margins[there].min()
                assert proven.value <= most + 1e-9 * (1 + abs(most))


@pytest.mark.parametrize("seed", range(40))
def test_any_weights_prove_no_more_than_the_largest_row(seed):
    """Rows that are constants of many sizes, and weights of any size and sign."""
    generator = np.random.default_rng(seed)
    r, domain = 4, InputDomain(np.zeros(1), np.arange(1), -np.ones(1), np.ones(1))
    units = Units(
        domain, np.zeros((1, 1)), np.zeros((1, 1)), np.zeros(1), (0, 1), np.ones(1), np.zeros(1)
    )
    values = generator.normal(size=r) * 10.0 ** generator.integers(-6, 7, r)
    rows = Objectives.within(units, np.zeros((r, 1)), np.zeros((r, 1)), values)
    spans = 10.0 ** generator.uniform(-6, 6, r)
    weighted = WeightedRows.of(rows, np.array([r]), spans)
    line = ReluRelaxation.of(-np.ones((1, 1)), np.ones((1, 1)), np.zeros((1, 1), np.int8))
    for _ in range(20):
        weights = generator.normal(size=(1, r)) * 10.0 ** generator.integers(-8, 9, (1, r))
        start = Multipliers(np.ones((1, 1)), np.zeros((1, 1)), weights.astype(np.float32))
        for given in (weights, np.abs(weights), start.weights):
            sums = weighted.below(given)
            proven, _ = prove(units, sums, line, start.alpha, start.beta)
            margin = weighted.margins(given, proven)
            assert margin.value == -np.inf or Fraction(margin.value) <= Fraction(values.max())
