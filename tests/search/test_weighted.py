"""Conjunctions refuted by weighing their rows, and relations between two runs of a network."""

from __future__ import annotations

import time
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from onnx_lippa.bounds.domain import InputDomain
from onnx_lippa.bounds.dual.ascent import Ascent
from onnx_lippa.bounds.dual.objectives import Objectives, Units
from onnx_lippa.bounds.dual.weighted import WeightedRows
from onnx_lippa.bounds.reduced.reduction import decide_signs, relax_units
from onnx_lippa.bounds.reduced_network import ReducedNetwork
from onnx_lippa.ending import Ending
from onnx_lippa.search.base import Limits, express_margins, relates_inputs
from onnx_lippa.search.differences import Differences
from onnx_lippa.search.leaves import Leaves
from onnx_lippa.search.programs import ProgramSearch
from onnx_lippa.search.signs import SignSearch
from onnx_lippa.spec import Conjunction
from tests.support.search import disjuncts_of, least_margin, random_system


def related(generator: np.random.Generator, d: int, units: int) -> tuple[ReducedNetwork, int]:
    """Two runs of one network, side by side, whose outputs are followed by the inputs."""
    on_input, offset = generator.normal(size=(units, d)), 0.3 * generator.normal(size=units)
    out, nothing = generator.normal(size=(1, units)), np.zeros((units, d))
    both = np.block([[on_input, nothing], [nothing, on_input]])
    domain = InputDomain(np.full(2 * d, 0.5), np.arange(2 * d), np.zeros(2 * d), np.ones(2 * d))
    offset = np.tile(offset - on_input.sum(axis=1) / 2, 2)
    spread, middle = np.abs(both).sum(axis=1) / 2, both.sum(axis=1) / 2 + offset
    none = np.zeros((1, units))
    outputs = np.block([[out, none], [none, out], [np.zeros((2 * d, 2 * units))]])
    reduced = ReducedNetwork(
        domain, both, np.zeros((2 * units,) * 2), offset, (0, 2 * units), middle - spread,
        middle + spread, np.vstack([np.zeros((2, 2 * d)), np.eye(2 * d)]), outputs,
        np.zeros(2 + 2 * d), np.arange(2 * units),
    )  # fmt: skip
    return reduced, d


def lipschitz(d: int, delta: float, gap: float) -> Conjunction:
    """Inputs whose first feature differs by at most delta, the others not at all: outputs that
    differ by at least gap."""
    rows, bound = [np.zeros(2 + 2 * d)], [-gap]
    rows[0][:2] = -1.0, 1.0
    for feature in range(d):
        for sign in (1.0, -1.0):
            row = np.zeros(2 + 2 * d)
            row[2 + feature], row[2 + d + feature] = sign, -sign
            rows.append(row)
            bound.append(delta if feature == 0 else 0.0)
    return Conjunction(np.array(rows), np.array(bound), strict=False)


def search(reduced, disjuncts, kind=SignSearch):
    offered = []

    def offer(x):
        margins = [one.margins(reduced.forward(x[None]))[0] for one in disjuncts]
        offered.append(x)
        return min(margins) <= 1e-9

    limits = Limits(time.monotonic() + 20, 20_000, 1e8)
    return kind(reduced, disjuncts, offer).run(limits)


def largest_gap(reduced: ReducedNetwork, d: int, delta: float) -> float:
    """The largest difference of outputs, by a linear program for each pattern."""
    disjunct = lipschitz(d, delta, 0.0)
    low, high = 0.0, 3.0
    for _ in range(10):
        middle = (low + high) / 2
        bound = disjunct.bound.copy()
        bound[0] = -middle
        there = least_margin(reduced, replace(disjunct, bound=bound)) <= 1e-9
        low, high = (middle, high) if there else (low, middle)
    return low


@pytest.mark.parametrize("kind", (SignSearch, ProgramSearch))
@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("delta", (0.1, 0.3))
def test_relations_between_two_runs_are_decided_on_both_sides(seed, delta, kind):
    generator = np.random.default_rng(seed)
    reduced, d = related(generator, 2, 3)
    gap = largest_gap(reduced, d, delta)
    if gap < 0.05:
        return
    for factor, status in ((0.9, Ending.UNSAFE), (1.1, Ending.PROVEN)):
        disjunct = lipschitz(d, delta, factor * gap)
        assert relates_inputs(reduced, [disjunct])
        found = search(reduced, [disjunct], kind)
        assert found.ending is status
        if status is Ending.PROVEN:
            assert 0 < found.bound <= least_margin(reduced, disjunct) + 1e-9


@pytest.mark.parametrize("seed", range(40))
def test_weighted_sums_bound_the_margin_as_the_linear_program_does(seed):
    generator = np.random.default_rng(seed)
    reduced = random_system(generator, 3, (4, 3))
    disjuncts = disjuncts_of(generator, 3, (3, 1, 2), 0.0)
    rows = express_margins(reduced, disjuncts)
    counts = np.array([3, 1, 2])
    weighted = WeightedRows.of(rows, counts, np.ones(6))
    ascent, relaxed = Ascent(Units.of(reduced)), relax_units(reduced)
    found = ascent.weigh(weighted, relaxed, 60, None)
    margins = found.bounds
    signs = decide_signs(reduced.unit_lower, reduced.unit_upper)
    for number, disjunct in enumerate(disjuncts):
        leaves = Leaves(reduced)
        answer = leaves.decide(disjunct, reduced.unit_lower, reduced.unit_upper, signs)
        exact = answer.proven.value
        assert margins[number] <= exact + 1e-6
        assert margins[number] >= exact - 0.6 * (1 + abs(exact))
    x = generator.uniform(reduced.lower, reduced.upper, (3000, 3))
    for number, disjunct in enumerate(disjuncts):
        assert margins[number] <= disjunct.margins(reduced.forward(x)).min() + 1e-9


def test_two_rows_that_no_input_meets_together_are_refuted_without_splitting():
    """Each row alone is met; their sum is 0.2 everywhere."""
    generator = np.random.default_rng(0)
    reduced = random_system(generator, 4, (6, 6), k=2)
    out = reduced.outputs_on_input[0], reduced.outputs_on_units[0]
    reduced = replace(
        reduced, outputs_on_input=np.array([out[0], -out[0]]),
        outputs_on_units=np.array([out[1], -out[1]]), outputs_offset=np.array([0.1, 0.1]),
    )  # fmt: skip
    found = search(reduced, [Conjunction(np.eye(2), np.zeros(2))])
    assert found.ending is Ending.PROVEN
    assert found.effort.nodes == 2
    assert 0 < found.bound <= 0.1


def objectives(
    on_input: np.ndarray, on_units: np.ndarray, offset: np.ndarray, most: np.ndarray
) -> Objectives:
    """Functions of e and of units between 0 and bounds."""
    d, count = on_input.shape[1], most.size
    domain = InputDomain(np.zeros(d), np.arange(d), -np.ones(d), np.ones(d))
    nothing = np.zeros((count, d)), np.zeros((count, count)), np.zeros(count)
    units = Units(domain, *nothing, (0, count), most, np.zeros(count))
    return Objectives.within(units, on_input, on_units, offset)


@pytest.mark.parametrize("seed", range(20))
def test_sums_of_rows_are_never_above_the_exact_ones(seed):
    generator = np.random.default_rng(seed)
    n, d, units = 3, 4, 5
    size = 10.0 ** generator.uniform(-6, 6, (n, 1))
    upper = generator.uniform(0, 10, units)
    rows = objectives(
        size * generator.normal(size=(n, d)), size * generator.normal(size=(n, units)),
        size[:, 0] * generator.normal(size=n), upper,
    )  # fmt: skip
    weighted = WeightedRows.of(rows, np.array([n]), generator.uniform(1e-6, 1e6, n))
    weights = generator.uniform(0, 10, (1, n)).astype(np.float32)
    below = weighted.below(weights)
    for _ in range(20):
        e, z = generator.choice([-1.0, 1.0], d), upper * generator.integers(0, 2, units)
        point = [Fraction(v) for v in (*e, *z, 1.0)]

        def value(one: Objectives, row: int, point: list[Fraction] = point) -> Fraction:
            terms = (*one.on_input[row], *one.on_units[row], one.offset[row])
            return sum((Fraction(t) * p for t, p in zip(terms, point, strict=True)), Fraction(0))

        exact = sum(
            Fraction(float(weights[0, i])) / Fraction(weighted.scale[i]) * value(rows, i)
            for i in range(n)
        )
        assert value(below, 0) - Fraction(below.error[0]) <= exact


def test_weights_of_the_objective_sum_to_one_and_constraints_are_free():
    generator = np.random.default_rng(0)
    matrix = generator.normal(size=(5, 3))
    matrix[3:, 1:], matrix[4] = 0.0, -matrix[3]
    on_units = np.where(np.arange(5)[:, None] < 3, matrix[:, 1:], 0)
    rows = objectives(matrix[:, :1], on_units, np.ones(5), np.ones(2))
    rows.on_input[4] = -rows.on_input[3]
    weighted = WeightedRows.of(rows, np.array([5]), np.ones(5))
    assert weighted.objective.tolist() == [[True, True, True, False, False]]
    for _ in range(50):
        w = weighted.project(generator.normal(size=(1, 5)).astype(np.float32) * 3)
        assert np.all(w >= 0)
        assert abs(w[0, :3].sum() - 1) < 1e-6
    assert weighted.project(np.array([[0.2, 0.3, 0.5, 7.0, -1.0]])) == pytest.approx(
        np.array([[0.2, 0.3, 0.5, 7.0, 0.0]])
    )


@pytest.mark.parametrize("seed", range(10))
def test_bounds_of_differences_hold_wherever_the_relations_hold(seed):
    generator = np.random.default_rng(seed)
    reduced, d = related(generator, 2, 5)
    delta = float(generator.choice([0.02, 0.3]))
    rows = express_margins(reduced, [lipschitz(d, delta, 0.1)])
    differences = Differences.of(reduced, rows.take(np.arange(1, 5)), Ascent(Units.of(reduced)))
    assert differences.rows.count == 2 * len(differences.pairs) >= 4
    x = generator.uniform(0, 1, (4000, d))
    moved = x.copy()
    moved[:, 0] = np.clip(x[:, 0] + generator.choice([-delta, delta, 0.0], 4000), 0, 1)
    both = np.concatenate([x, moved], axis=1)
    e, z_hat = 2 * both - 1, reduced.pre_activations(both)
    z, rows = np.maximum(z_hat, 0), differences.rows
    values = e @ rows.on_input.T + z @ rows.on_units.T + rows.offset
    assert values.max() <= 1e-9
    one, other = differences.pairs.T
    apart = z_hat[:, one] - z_hat[:, other]
    assert np.all(apart >= differences.low - 1e-9)
    assert np.all(apart <= differences.high + 1e-9)
    lower, upper = z_hat.copy(), z_hat.copy()
    unknown = generator.random(z_hat.shape) < 0.5
    lower[unknown], upper[unknown] = -9.0, 9.0
    signs = np.zeros(z_hat.shape, np.int8)
    differences.refine(lower, upper, signs)
    assert np.all((lower <= z_hat + 1e-9) & (z_hat <= upper + 1e-9))
    assert (upper[unknown] < 9.0).mean() > 0.3


def test_equations_of_outputs_and_of_inputs_are_refuted():
    """Outputs that are equal for two inputs a distance apart: a monotone network has none."""
    generator = np.random.default_rng(3)
    reduced, _ = related(generator, 1, 4)
    reduced = replace(
        reduced,
        on_input=np.abs(reduced.on_input),
        outputs_on_units=np.abs(reduced.outputs_on_units),
        offset=np.abs(reduced.offset),
        unit_upper=reduced.unit_upper + 2 * np.abs(reduced.offset) + 2,
    )
    rows = np.array([[1.0, -1, 0, 0], [-1.0, 1, 0, 0], [0, 0, 1.0, -1]])
    disjunct = Conjunction(rows, np.array([0.0, 0.0, -0.1]), strict=False)
    for kind in (SignSearch, ProgramSearch):
        assert search(reduced, [disjunct], kind).ending is Ending.PROVEN


def test_two_runs_of_a_monotone_network_take_few_programs():
    """Differences of one sign are paired too, however large they are."""
    reduced, _ = related(np.random.default_rng(1), 2, 4)
    reduced = replace(
        reduced,
        on_input=np.abs(reduced.on_input),
        offset=reduced.offset + (reduced.on_input - np.abs(reduced.on_input)).sum(axis=1) / 2,
        outputs_on_units=np.abs(reduced.outputs_on_units),
    )
    rows = np.zeros((3, 6))
    rows[0, :2] = -1.0, 1.0
    rows[1, [2, 4]] = rows[2, [3, 5]] = 1.0, -1.0
    disjunct = Conjunction(rows, np.array([-0.001, 0.0, 0.0]), strict=False)
    found = search(reduced, [disjunct], ProgramSearch)
    assert found.ending is Ending.PROVEN
    assert found.effort.nodes <= 20
