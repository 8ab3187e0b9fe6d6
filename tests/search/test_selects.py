"""Selects that jump are told apart: verdicts and bounds against one LP for each combination."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
import pytest
from scipy.optimize import linprog

from onnx_lippa.arrays import Float64
from onnx_lippa.bounds.domain import Ball, InputDomain
from onnx_lippa.bounds.reduced.build import find_shared_conditions, reduce_network
from onnx_lippa.bounds.reduced.reduction import Tightening
from onnx_lippa.clock import NEVER
from onnx_lippa.ending import OUT_OF_NODES, OUT_OF_TIME, Ending
from onnx_lippa.ir.layers import Layer
from onnx_lippa.ir.layers.activation import Relu
from onnx_lippa.ir.layers.concat import Stack
from onnx_lippa.ir.layers.elementwise import WeightedSum
from onnx_lippa.ir.layers.linear_map import LinearMap
from onnx_lippa.ir.layers.select import Select
from onnx_lippa.ir.network import Network
from onnx_lippa.search.base import Limits, SearchResult
from onnx_lippa.search.selects import SelectSearch
from onnx_lippa.spec import Conjunction
from onnx_lippa.spec.norms import L1, L2
from tests.support.networks import dense, network


@dataclass(frozen=True)
class Piece:
    """``z = a where d >= 0, b elsewhere``, each of d, a and b a (matrix, offset) of the value."""

    d: tuple[Float64, Float64]
    a: tuple[Float64, Float64]
    b: tuple[Float64, Float64]


def affine(generator: np.random.Generator, inputs: int, outputs: int, slope: float, gap: float):
    return slope * generator.normal(size=(outputs, inputs)), gap * generator.normal(size=outputs)


def random_pieces(seed: int, d: int, widths: tuple[int, ...], slope: float) -> list[Piece]:
    """Random ones; with a slope of 0 they are steps."""
    generator, pieces = np.random.default_rng(seed), []
    for inputs, outputs in zip((d, *widths), widths, strict=False):
        constraints = affine(generator, inputs, outputs, 1.0, 0.3)
        a, b = (affine(generator, inputs, outputs, slope, 1.0) for _ in range(2))
        if (seed + outputs) % 3 == 0:  # a ReLU among the jumps
            a, b = constraints, (0 * b[0], 0 * b[1])
        pieces.append(Piece(constraints, a, b))
    return pieces


def network_of(d: int, pieces: list[Piece]) -> Network:
    value = 0
    steps: list[tuple[Layer, tuple[int, ...]]] = []
    for piece in pieces:
        inputs, outputs = piece.d[0].shape[1], len(piece.d[0])
        first = len(steps) + 1
        for matrix, offset in (piece.d, piece.a, piece.b):
            steps.append((LinearMap((inputs,), matrix.T, offset), (value,)))
        parts = [(0, 1.0), (1, 1.0), (2, 1.0)]
        stack = Stack([(outputs,)] * 3, parts, (outputs,))
        steps += [(stack, (first, first + 1, first + 2)), (Select((outputs,)), (first + 3,))]
        value = first + 4
    return network((d,), *steps)


def least_margin(pieces: list[Piece], disjunct: Conjunction, low: Float64, high: Float64) -> float:
    """The infimum over a box: each combination of branches that some input has is one LP."""
    d = low.size
    combinations = [((np.eye(d), np.zeros(d)), np.zeros((0, d)), np.zeros(0))]
    for piece in pieces:
        further = []
        for (on_x, constant), faces, right in combinations:
            parts = [
                (matrix @ on_x, matrix @ constant + offset)
                for matrix, offset in (piece.d, piece.a, piece.b)
            ]
            for signs in product((1, -1), repeat=len(piece.d[0])):
                first = np.array(signs)[:, None] > 0
                rows = np.vstack([faces, -np.array(signs)[:, None] * parts[0][0]])
                bound = np.append(right, np.array(signs) * parts[0][1])
                slack = linprog(
                    np.append(np.zeros(d), -1.0), np.hstack([rows, np.ones((len(rows), 1))]), bound,
                    bounds=[*zip(low, high, strict=True), (None, 1.0)],
                )  # fmt: skip
                if slack.status == 0 and slack.x[-1] > 1e-9:
                    value = (
                        np.where(first, parts[1][0], parts[2][0]),
                        np.where(first[:, 0], parts[1][1], parts[2][1]),
                    )
                    further.append((value, rows, bound))
        combinations = further
    best = np.inf
    for (on_x, constant), rows, right in combinations:
        margin, offset = disjunct.matrix @ on_x, disjunct.matrix @ constant - disjunct.bound
        solved = linprog(
            np.append(np.zeros(d), 1.0),
            np.vstack([
                np.hstack([rows, np.zeros((len(rows), 1))]),
                np.hstack([margin, -np.ones((len(margin), 1))]),
            ]),
            np.append(right, -offset),
            bounds=[*zip(low, high, strict=True), (None, None)],
        )  # fmt: skip
        assert solved.status == 0
        best = min(best, float(solved.fun))
    return best


def searched(
    net: Network, disjuncts: list[Conjunction], domain: InputDomain, nodes: float = 5000.0
) -> SearchResult:
    """The search; a witness is an input of ball and box that the network itself says is unsafe."""

    def offer(x: Float64) -> bool:
        assert np.all((x[domain.free] >= domain.lower) & (x[domain.free] <= domain.upper))
        margins = [one.margins(net.forward(x[None]))[0] for one in disjuncts]
        return bool(min(margins) <= 0)

    search = SelectSearch(net, domain, Tightening(), disjuncts, offer)
    return search.run(Limits(NEVER, nodes, 1e9))


def box(low: Float64, high: Float64) -> InputDomain:
    return InputDomain((low + high) / 2, np.arange(low.size), low, high)


SHAPES = [(2, (4,), 0.4), (3, (5,), 0.0), (3, (6,), 1.0), (2, (3, 3), 0.5), (4, (4, 2), 0.3),
          (1, (6,), 0.7), (6, (5,), 0.5)]  # fmt: skip


@pytest.mark.parametrize(
    "seed", [0, 1, 2, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(3, 8))]
)
@pytest.mark.parametrize(("d", "widths", "slope"), SHAPES)
def test_decided_as_enumeration_says(d, widths, slope, seed):
    generator = np.random.default_rng([seed, d, *widths])
    pieces = random_pieces(seed, d, widths, slope)
    net = network_of(d, pieces)
    low = generator.uniform(-1, 0, d)
    high = low + generator.uniform(0.2, 1.2, d)
    row = generator.normal(size=(1 + seed % 2, widths[-1]))
    at_zero = Conjunction(row, np.zeros(len(row)))
    least = least_margin(pieces, at_zero, low, high)
    for shift in (0.05, 1e-3, -1e-3, -0.05):
        # Its least margin is the shift.
        disjunct = Conjunction(row, np.full(len(row), least - shift))
        found = searched(net, [disjunct], box(low, high))
        wanted = Ending.PROVEN if shift > 0 else Ending.UNSAFE
        assert found.ending is wanted, found.reason
        if shift > 0:
            assert 0 < found.bound <= shift + 1e-9


@pytest.mark.parametrize("seed", range(6))
def test_several_disjuncts(seed):
    generator = np.random.default_rng([seed, 77])
    pieces = random_pieces(seed, 3, (5,), 0.5)
    low, high = -0.5 * np.ones(3), 0.5 * np.ones(3)
    rows = [generator.normal(size=(1, 5)) for _ in range(4)]
    least = [least_margin(pieces, Conjunction(row, np.zeros(1)), low, high) for row in rows]
    for shift in (0.02, -0.02):
        shifts = [0.5, 0.3, 0.1, shift]
        disjuncts = [
            Conjunction(row, np.array([value - by]))
            for row, value, by in zip(rows, least, shifts, strict=True)
        ]
        found = searched(network_of(3, pieces), disjuncts, box(low, high))
        assert found.ending is (Ending.PROVEN if shift > 0 else Ending.UNSAFE)
        assert found.ending is Ending.UNSAFE or 0 < found.bound <= shift + 1e-9


@pytest.mark.parametrize("norm", [L1(), L2()], ids=["l1", "l2"])
@pytest.mark.parametrize("seed", range(6))
def test_balls(norm, seed):
    """A proof leaves no sample out, and what is below all of them by far is proven."""
    generator = np.random.default_rng([seed, 5])
    pieces, eps = random_pieces(seed, 3, (5,), 0.5), 0.6
    net, center = network_of(3, pieces), generator.uniform(-0.3, 0.3, 3)
    domain = InputDomain(center, np.arange(3), center - eps, center + eps, Ball(norm, center, eps))
    points = center + eps * norm.samples(generator, 20_000, 3)
    row = generator.normal(size=(1, 5))
    least = float((net.forward(points) @ row.T).min())
    above = Conjunction(row, np.array([least + 1e-3]))
    assert searched(net, [above], domain).ending is Ending.UNSAFE
    below = Conjunction(row, np.array([least - 0.5]))
    assert searched(net, [below], domain).ending is Ending.PROVEN


def one_step(at: float, first: float, second: float) -> Network:
    """``first where x >= at, second elsewhere``, of one number."""
    stack = Stack([(1,)], [(0, 1.0), np.array([first]), np.array([second])], (1,))
    return network((1,), (dense(1, [[1.0]], [-at]), (0,)), (stack, (1,)), (Select((1,)), (2,)))


@pytest.mark.parametrize("at", (0.0, 0.3, -0.7))
def test_the_first_branch_at_zero_counts(at):
    """Unsafe at a single point, the end of the box, where d = 0."""
    net, safe = one_step(at, -1.0, 1.0), Conjunction(np.ones((1, 1)), np.zeros(1))
    domain = box(np.array([at - 1]), np.array([at]))
    assert searched(net, [safe], domain).ending is not Ending.PROVEN
    beside = box(np.array([at - 1]), np.array([at - 1e-6]))
    assert searched(net, [safe], beside).ending is Ending.PROVEN


def test_the_second_branch_beside_zero_is_found():
    """No minimum: the margin is -1 for all d < 0, and at d = 0 it is 1."""
    net, safe = one_step(0.3, 1.0, -1.0), Conjunction(np.ones((1, 1)), np.zeros(1))
    found = searched(net, [safe], box(np.array([0.3 - 1e-2]), np.array([1.0])))
    assert found.ending is Ending.UNSAFE
    found = searched(net, [safe], box(np.array([0.3]), np.array([1.0])))
    assert found.ending is not Ending.UNSAFE


def both(factor: float) -> Network:
    """Two selects of one condition, ``step(d) * x0`` and ``factor * step(d) * x0``, summed."""
    shape = (2,)
    once = Stack([(1,), shape], [(0, 1.0), (1, 1.0), np.zeros(2)], shape)
    again = Stack([(1,), shape], [(0, 1.0), (1, factor), np.zeros(2)], shape)
    return network(
        shape,
        (dense(2, [[1.0, -0.7]], [0.123]), (0,)),
        (once, (1, 0)),
        (Select(shape), (2,)),
        (again, (1, 0)),
        (Select(shape), (4,)),
        (WeightedSum([shape, shape], (1.0, 1.0)), (3, 5)),
    )


def test_selects_of_one_condition_are_one():
    net = both(-1.0)
    assert find_shared_conditions(net).tolist() == [0, 0, 0, 0]
    # Their sum is 0; told apart they would differ wherever d = 0.
    disjunct = Conjunction(np.ones((1, 2)), np.array([-0.01]))
    domain = box(-np.ones(2), np.ones(2))
    found = searched(net, [disjunct], domain)
    assert found.ending is Ending.PROVEN and found.effort.nodes <= 8
    unsafe = Conjunction(np.ones((1, 2)), np.array([0.01]))
    assert searched(net, [unsafe], domain).ending is Ending.UNSAFE


def test_equal_formulas_are_not_one_condition():
    """``x >= 0`` and ``-x >= 0`` are both true at 0; so may be those that rounding makes equal."""
    stack = Stack([(1,), (1,)], [(0, 1.0), np.ones(1), np.zeros(1)], (1,))
    other = Stack([(1,), (1,)], [(1, 1.0), np.ones(1), np.zeros(1)], (1,))
    net = network(
        (1,),
        (dense(1, [[1.0]], [0.0]), (0,)),
        (dense(1, [[-1.0]], [0.0]), (0,)),
        (stack, (1, 2)),
        (Select((1,)), (3,)),
        (other, (1, 2)),
        (Select((1,)), (5,)),
        (WeightedSum([(1,), (1,)], (1.0, 1.0)), (4, 6)),
    )
    assert len(set(find_shared_conditions(net).tolist())) == 2
    # The sum is 1 but at 0, where it is 2: unsafe from 1.5 on.
    disjunct = Conjunction(-np.ones((1, 1)), np.array([-1.5]))
    found = searched(net, [disjunct], box(-np.ones(1), np.ones(1)))
    assert found.ending is not Ending.PROVEN


def test_limits():
    pieces = random_pieces(2, 3, (6,), 1.0)
    low, high = -np.ones(3), np.ones(3)
    row = np.ones((1, 6))
    least = least_margin(pieces, Conjunction(row, np.zeros(1)), low, high)
    disjunct, net = Conjunction(row, np.array([least - 1e-3])), network_of(3, pieces)
    found = searched(net, [disjunct], box(low, high), nodes=3)
    assert found.is_open and found.reason == OUT_OF_NODES
    assert np.isfinite(found.bound) and found.bound <= 1e-3
    late = SelectSearch(net, box(low, high), Tightening(), [disjunct], lambda x: False)
    found = late.run(Limits(0.0, 100, 1e9))
    assert found.is_open and found.reason == OUT_OF_TIME
    assert found.bound == -np.inf


def test_given_signs_are_units_of_known_sign():
    net = network_of(3, random_pieces(2, 3, (5,), 0.5))
    domain = box(-np.ones(3), np.ones(3))
    whole = reduce_network(net, domain, Tightening())
    assert whole.jumps is not None and not whole.exact
    signs = np.zeros(net.units, np.int8)
    signs[whole.jumps[0]], signs[whole.jumps[1]] = 1, -1
    some = reduce_network(net, domain, Tightening(), signs)
    kept = np.array([] if some.jumps is None else some.jumps)
    assert set(kept.tolist()) == set(whole.jumps.tolist()) - set(whole.jumps[:2].tolist())
    assert some.units == whole.units + 2 and not some.exact
    assert np.count_nonzero(some.unit_lower == 0) == np.count_nonzero(some.unit_upper == 0) == 1


def test_units_beside_jumps_are_split_too():
    """ReLUs before and behind the jump."""
    generator = np.random.default_rng(4)
    pieces = random_pieces(4, 4, (4,), 0.5)
    inner = network_of(4, pieces)
    first = dense(3, generator.normal(size=(4, 3)), generator.normal(size=4))
    steps: list[tuple[Layer, tuple[int, ...]]] = [(first, (0,)), (Relu((4,)), (1,))]
    steps += [(s.layer, tuple(i + 2 for i in s.inputs)) for s in inner.steps]
    steps += [(Relu((4,)), (len(steps),))]
    net = network((3,), *steps)
    points = generator.uniform(-1, 1, (50_000, 3))
    row = generator.normal(size=(1, 4))
    least = float((net.forward(points) @ row.T).min())
    domain = box(-np.ones(3), np.ones(3))
    above = Conjunction(row, np.array([least + 1e-3]))
    assert searched(net, [above], domain).ending is Ending.UNSAFE
    below = Conjunction(row, np.array([least - 0.3]))
    found = searched(net, [below], domain)
    assert found.ending is Ending.PROVEN and found.bound <= 0.3 + 1e-9
