"""All searches against brute force over all patterns."""

from __future__ import annotations

import time

import numpy as np
import pytest

from onnx_lippa.arrays import Float64
from onnx_lippa.bounds.dual.ascent import Ascent, Multipliers
from onnx_lippa.bounds.dual.back_substitution import ReluRelaxation
from onnx_lippa.bounds.dual.objectives import Units
from onnx_lippa.bounds.dual.weighted import WeightedRows
from onnx_lippa.bounds.reduced.reduction import decide_signs, relax_units
from onnx_lippa.ending import Ending
from onnx_lippa.ir.pattern import ACTIVE, INACTIVE
from onnx_lippa.search.base import Limits, express_margins
from onnx_lippa.search.boxes import BoxSearch
from onnx_lippa.search.branching import Branching
from onnx_lippa.search.frontier import Nodes
from onnx_lippa.search.leaves import Leaves
from onnx_lippa.search.programs import ProgramSearch
from onnx_lippa.search.signs import SignSearch
from tests.support.search import disjuncts_of, least_margin, random_system

SEARCHES = (SignSearch, BoxSearch, ProgramSearch)
SHAPES = ((3,), (2, 3), (3, 2, 2), (0, 4), (5,))


def limits(seconds: float = 20.0) -> Limits:
    return Limits(time.monotonic() + seconds, np.inf, 1e8)


def searched(search, reduced, disjuncts):
    offered: list[Float64] = []

    def offer(x: Float64) -> bool:
        outputs = reduced.forward(reduced.restrict(x[None]))[0]
        offered.append(x)
        return any(disjunct.contains(outputs) for disjunct in disjuncts)

    return search(reduced, disjuncts, offer).run(limits()), offered


@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.parametrize("seed", range(25))
def test_verdict_is_that_of_brute_force(search, seed):
    generator = np.random.default_rng(seed)
    shape = SHAPES[seed % len(SHAPES)]
    reduced = random_system(generator, int(generator.integers(1, 4)), shape)
    rows = ((1,), (1, 1), (2,), (1, 3))[seed % 4]
    disjuncts = disjuncts_of(generator, 3, rows, float(generator.uniform(0, 8)))
    least = min(least_margin(reduced, disjunct) for disjunct in disjuncts)
    found, offered = searched(search, reduced, disjuncts)
    if abs(least) < 1e-6:
        pytest.skip("brute force itself cannot tell")
    assert found.ending is (Ending.PROVEN if least > 0 else Ending.UNSAFE)
    assert found.effort.nodes > 0
    for x in offered:
        assert np.all(x >= reduced.lower) and np.all(x <= reduced.upper)
    if least > 0:
        assert 0 < found.bound <= least + 1e-9


@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.parametrize("side", (-1, 1))
def test_pairs_just_inside_and_just_outside(search, side):
    """A bound moved by a millionth of its size decides the verdict."""
    tried = 0
    for seed in range(12):
        generator = np.random.default_rng(1000 + seed)
        reduced = random_system(generator, 2, (3, 2))
        (disjunct,) = disjuncts_of(generator, 3, (1,), 0.0)
        least = least_margin(reduced, disjunct)
        moved = type(disjunct)(disjunct.matrix, disjunct.bound + least - side * 1e-6)
        found, _ = searched(search, reduced, [moved])
        tried += 1
        assert found.ending is (Ending.PROVEN if side > 0 else Ending.UNSAFE), seed
    assert tried == 12


@pytest.mark.parametrize("search", SEARCHES)
def test_limits_leave_it_open(search):
    generator = np.random.default_rng(5)
    reduced = random_system(generator, 4, (6, 6, 4))
    (disjunct,) = disjuncts_of(generator, 3, (1,), 0.0)
    least = search(reduced, [disjunct], lambda x: False)
    found = least.run(Limits(time.monotonic() - 1.0, np.inf, 1e8))
    assert found.is_open
    assert "time" in str(found.reason)
    found = search(reduced, [disjunct], lambda x: False).run(Limits(np.inf, 1, 1e8))
    assert found.is_open
    assert "nodes" in str(found.reason)
    assert found.bound <= 0


def test_memory_is_a_limit():
    generator = np.random.default_rng(11)
    reduced = random_system(generator, 6, (14, 14))
    (disjunct,) = disjuncts_of(generator, 3, (1,), -2.0)
    found = SignSearch(reduced, [disjunct], lambda x: False).run(
        Limits(time.monotonic() + 60, 4000, 1)
    )
    assert found.is_open


@pytest.mark.parametrize("seed", range(30))
def test_dual_bounds_hold_at_every_step_of_the_ascent(seed):
    """Bounds are below sampled values, rise with ascent, and reach the linear program's."""
    generator = np.random.default_rng(seed)
    reduced = random_system(generator, 3, (4, 3, 2))
    disjuncts = disjuncts_of(generator, 3, (1, 1, 1), 0.0)
    rows, ascent = express_margins(reduced, disjuncts), Ascent(Units.of(reduced))
    x = generator.uniform(reduced.lower, reduced.upper, (3000, 3))
    outputs = reduced.forward(x)
    values = np.array([disjunct.margins(outputs).min() for disjunct in disjuncts])
    bounds = [ascent.run(rows, relax_units(reduced), steps).bounds for steps in (0, 5, 60)]
    assert np.all(bounds[0] <= values + 1e-9)
    assert np.all(bounds[2] <= values + 1e-9)
    assert np.all(bounds[1] >= bounds[0] - 1e-4)
    assert np.all(bounds[2] >= bounds[1] - 1e-4)
    signs = decide_signs(reduced.unit_lower, reduced.unit_upper)
    for disjunct, bound in zip(disjuncts, bounds[2], strict=True):
        answer = Leaves(reduced).decide(disjunct, reduced.unit_lower, reduced.unit_upper, signs)
        assert bound <= answer.proven.value + 1e-6
        assert bound >= answer.proven.value - 0.3 * (1 + abs(answer.proven.value))


@pytest.mark.parametrize("seed", range(20))
def test_split_bounds_hold_where_the_signs_do(seed):
    generator = np.random.default_rng(seed)
    reduced = random_system(generator, 3, (4, 3))
    disjuncts = disjuncts_of(generator, 3, (1,), 0.0)
    x = generator.uniform(reduced.lower, reduced.upper, (4000, 3))
    z_hat = reduced.pre_activations(x)
    base = decide_signs(reduced.unit_lower, reduced.unit_upper)
    unit = int(generator.integers(reduced.units))
    for sign in (ACTIVE, INACTIVE):
        signs = base.copy()
        if signs[unit] not in (0, sign):
            continue
        signs[unit] = sign
        relaxed = ReluRelaxation.of(reduced.unit_lower[None], reduced.unit_upper[None], signs[None])
        found = Ascent(Units.of(reduced)).run(express_margins(reduced, disjuncts), relaxed, 40)
        inside = sign * z_hat[:, unit] >= 0
        margins = disjuncts[0].margins(reduced.forward(x[inside]))
        assert found.bounds[0] <= margins.min(initial=np.inf) + 1e-9


def test_a_leaf_that_is_empty_is_proven_to_be():
    generator = np.random.default_rng(0)
    reduced = random_system(generator, 2, (3,))
    x = generator.uniform(reduced.lower, reduced.upper, (20000, 2))
    met = {tuple(row) for row in (reduced.pre_activations(x) >= 0).tolist()}
    (disjunct,) = disjuncts_of(generator, 3, (1,), 0.0)
    empty = 0
    for pattern in np.ndindex(2, 2, 2):
        signs = np.where(np.array(pattern) == 1, 1, -1).astype(np.int8)
        answer = Leaves(reduced).decide(disjunct, reduced.unit_lower, reduced.unit_upper, signs)
        if tuple(bool(p) for p in pattern) in met:
            assert np.isfinite(answer.proven.value)
        elif answer.proven.value == np.inf:
            empty += 1
    assert empty > 0


@pytest.mark.parametrize("seed", range(30))
def test_a_child_begins_no_worse_than_its_parent(seed):
    """Whatever unit is split: with β = 0, one on its lower line would lose what it kept."""
    generator = np.random.default_rng(seed)
    reduced = random_system(generator, 3, (5,) if seed % 2 else (4, 4))
    disjuncts = disjuncts_of(generator, 3, (1,), 0.0)
    units, rows = Units.of(reduced), express_margins(reduced, disjuncts)
    lower, upper = reduced.unit_lower[None], reduced.unit_upper[None]
    signs = decide_signs(lower, upper)
    root = Ascent(units).run(rows, ReluRelaxation.of(lower, upper, signs), 20)
    alpha = generator.uniform(0, 1, root.multipliers.alpha.shape).astype(np.float32)
    start = Multipliers(alpha, root.multipliers.beta)
    root = Ascent(units).run(rows, ReluRelaxation.of(lower, upper, signs), 0, start)
    parent = Nodes(np.zeros(1, np.int64), root.proven, lower, upper, signs, root.multipliers)
    weighed = WeightedRows.of(rows, np.ones(1, np.int64), np.ones(1))
    choice = Branching(units, weighed).choose(parent)
    lower_line = 0
    for unit in np.flatnonzero(signs[0] == 0):
        for sign in (ACTIVE, INACTIVE):
            child = parent.take(np.zeros(1, np.int64))
            child.signs[0, unit] = sign
            beta = choice.choose_beta(parent, child, np.zeros(1, np.int64))
            lower_line += int(beta[0, unit] > 0)
            relaxed = ReluRelaxation.of(lower, upper, child.signs)
            begun = Multipliers(child.multipliers.alpha, beta)
            found = Ascent(units).run(rows, relaxed, 0, begun)
            # From an upper line, the units before may come to be relaxed otherwise.
            if len(reduced.starts) == 2 or choice.kept[0, unit] + choice.lost[0, unit] > 0:
                room = 1e-5 * (1 + abs(float(root.bounds[0])))
                assert found.bounds[0] >= root.bounds[0] - room
    assert lower_line > 0 or seed not in (0, 1, 2, 3)


def test_leaves_are_closed_without_programs():
    """A safe problem whose tree goes down to leaves: an ascent closes them."""
    generator = np.random.default_rng(3)
    solved = nodes = 0
    for _ in range(10):
        reduced = random_system(generator, 3, (4, 3))
        (disjunct,) = disjuncts_of(generator, 3, (1,), 0.0)
        least = least_margin(reduced, disjunct)
        moved = type(disjunct)(disjunct.matrix, disjunct.bound + least - 1e-3)
        found, _ = searched(SignSearch, reduced, [moved])
        assert found.ending is Ending.PROVEN
        solved, nodes = solved + found.effort.lps, nodes + found.effort.nodes
    assert nodes > 100
    assert solved < nodes / 10
