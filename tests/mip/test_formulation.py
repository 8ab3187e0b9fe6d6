"""The programs, against one linear program for every pattern."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onnx_lippa.bounds.reduced_network import ReducedNetwork
from onnx_lippa.ending import Ending
from onnx_lippa.ir.pattern import ACTIVE, INACTIVE, UNDECIDED, read_signs
from onnx_lippa.lp.solver import Solution
from onnx_lippa.lp.solvers.table import make_mip_solver
from onnx_lippa.mip.cuts import find_cuts
from onnx_lippa.mip.formulation import (
    BigM,
    Formulation,
    build_distance_program,
    build_margin_program,
)
from onnx_lippa.mip.variables import NoProgramError
from onnx_lippa.spec.norms.base import Norm
from onnx_lippa.spec.norms.l1 import L1
from onnx_lippa.spec.norms.l2 import L2
from onnx_lippa.spec.norms.linf import LInf
from onnx_lippa.spec.norms.weighted import WeightedNorm
from tests.support.mip import least_distance, least_margin, pieces, random_disjunct, random_system

NORMS = pytest.mark.parametrize(
    "norm",
    [
        LInf(),
        L1(),
        WeightedNorm(LInf(), np.array([0.5, 2.0])),
        WeightedNorm(L1(), np.array([0.5, 2.0])),
    ],
    ids=["linf", "l1", "scaled-linf", "scaled-l1"],
)


def solved(
    stated: Formulation, warm_start: np.ndarray | None = None, solver: str = "scip"
) -> Solution:
    return make_mip_solver(solver).open(stated.program).solve(warm_start=warm_start)


def assert_minimum(stated: Formulation, least: float, warm_start: np.ndarray | None = None) -> None:
    """The program's optimum is the least margin, and its point and pattern belong to it."""
    solution = solved(stated, warm_start)
    if least == np.inf:
        assert solution.ending is Ending.INFEASIBLE
        return
    assert solution.ending is Ending.OPTIMAL
    assert solution.objective + stated.constant == pytest.approx(least, abs=2e-5)
    assert stated.margin(stated.x(solution.values)) == pytest.approx(least, abs=1e-4)
    signs = stated.signs(solution.values)
    given_signs = stated.fixed != UNDECIDED
    np.testing.assert_array_equal(signs[given_signs], stated.fixed[given_signs])
    z_hat = stated.reduced.pre_activations(stated.x(solution.values)[None])[0]
    assert np.all(z_hat[signs == ACTIVE] >= -1e-4)
    assert np.all(z_hat[signs == INACTIVE] <= 1e-4)


@pytest.mark.parametrize(
    ("seed", "rows"),
    [(0, 1), (1, 2), (2, 1), (3, 2),
     *(pytest.param(*pair, marks=pytest.mark.slow) for pair in ((0, 2), (1, 1), (2, 2), (3, 1)))],
)  # fmt: skip
def test_every_way_to_state_it_has_the_optimum_over_all_patterns(seed: int, rows: int) -> None:
    generator = np.random.default_rng([seed, 50])
    reduced, inputs = random_system(generator, blocks=((3, 3), (5,), (2, 2, 2), (4, 1))[seed])
    disjunct = random_disjunct(generator, rows)
    least = least_margin(reduced, disjunct, inputs)
    for big_m in BigM:
        for cuts in (0, 3, 1000):
            assert_minimum(build_margin_program(reduced, disjunct, None, big_m, cuts), least)
    stated = build_margin_program(reduced, disjunct)
    for x in (reduced.lower, reduced.domain.middle, stated.x(solved(stated).values)):
        assert_minimum(stated, least, stated.start(x))
    assert solved(stated, solver="highs").objective + stated.constant == pytest.approx(
        least, abs=2e-5
    )


@NORMS
@pytest.mark.parametrize("rows", [1, 3])
def test_balls_of_other_norms(norm: Norm, rows: int) -> None:
    generator = np.random.default_rng([rows, 51])
    for _ in range(3):
        reduced, inputs = random_system(generator, blocks=(3, 1), norm=norm, eps=0.6)
        disjunct = random_disjunct(generator, rows)
        stated = build_margin_program(reduced, disjunct)
        solution = solved(stated)
        if isinstance(norm, WeightedNorm):
            points = inputs.sample(generator, 3000)
            sampled = disjunct.margins(reduced.forward(reduced.restrict(points))).min()
            assert solution.objective + stated.constant <= sampled + 1e-6
            x = stated.x(solution.values)
            assert inputs.distance(reduced.embed(x[None])[0]) <= inputs.eps + 1e-5
            assert stated.margin(x) == pytest.approx(solution.objective + stated.constant, abs=1e-4)
        else:
            assert_minimum(stated, least_margin(reduced, disjunct, inputs))


def test_a_round_ball_is_refused() -> None:
    generator = np.random.default_rng(52)
    reduced, inputs = random_system(generator, norm=L2())
    with pytest.raises(NoProgramError, match="round"):
        build_margin_program(reduced, random_disjunct(generator, 1))
    with pytest.raises(NoProgramError, match="round"):
        build_distance_program(reduced, random_disjunct(generator, 1), inputs)


@pytest.mark.parametrize("seed", range(6))
def test_partial_patterns(seed: int) -> None:
    """Of a point's pattern, as a neighbourhood search has it, and of any other."""
    generator = np.random.default_rng([seed, 53])
    reduced, inputs = random_system(generator, blocks=(3, 2, 1))
    disjunct = random_disjunct(generator, 1 + seed % 2)
    x = generator.uniform(reduced.lower, reduced.upper)
    of_point = read_signs(reduced.pre_activations(x[None])[0])
    for share in (0.0, 0.4, 1.0):
        fixed = np.where(generator.uniform(size=reduced.units) < share, UNDECIDED, of_point)
        stated = build_margin_program(reduced, disjunct, fixed, cuts=4)
        least = least_margin(reduced, disjunct, inputs, fixed)
        assert least <= stated.margin(x) + 1e-7
        assert_minimum(stated, least, stated.start(x))
        free = int(np.count_nonzero(fixed == UNDECIDED))
        assert np.count_nonzero(stated.program.integers) == free
    anything = generator.integers(-1, 2, reduced.units).astype(np.int8)
    assert_minimum(
        build_margin_program(reduced, disjunct, anything),
        least_margin(reduced, disjunct, inputs, anything),
    )


def test_a_pattern_that_is_given_in_full_is_a_linear_program() -> None:
    generator = np.random.default_rng(54)
    reduced, _ = random_system(generator)
    fixed = read_signs(reduced.pre_activations(reduced.domain.middle[None])[0])
    stated = build_margin_program(reduced, random_disjunct(generator, 1), fixed)
    assert stated.program.is_linear
    assert stated.program.variables == reduced.inputs


def test_the_start_is_feasible_and_has_the_margin_of_its_point() -> None:
    generator = np.random.default_rng(55)
    for norm in (LInf(), L1()):
        for rows in (1, 2):
            reduced, inputs = random_system(generator, norm=norm)
            x = reduced.restrict(inputs.sample(generator, 1))[0]
            stated = build_margin_program(reduced, random_disjunct(generator, rows), cuts=100)
            start = stated.start(x)
            assert_feasible(stated, start)
            value = stated.program.cost @ start + stated.constant
            assert value == pytest.approx(stated.margin(x), abs=1e-9)
            np.testing.assert_allclose(stated.x(start), x, atol=1e-12)
            expected = read_signs(reduced.pre_activations(x[None])[0])
            np.testing.assert_array_equal(stated.signs(start), expected)


def assert_feasible(stated: Formulation, values: np.ndarray) -> None:
    program = stated.program
    activity = program.rows.matrix @ values
    assert np.all(activity >= program.rows.lower - 1e-8)
    assert np.all(activity <= program.rows.upper + 1e-8)
    assert np.all(values >= program.lower - 1e-8)
    assert np.all(values <= program.upper + 1e-8)


@pytest.mark.parametrize("norm", [LInf(), L1()], ids=lambda norm: norm.name)
@pytest.mark.parametrize("seed", range(3))
def test_the_least_distance(norm: Norm, seed: int) -> None:
    generator = np.random.default_rng([seed, 56])
    reduced, inputs = random_system(generator, blocks=(3, 2), norm=norm)
    disjunct = random_disjunct(generator, 1 + seed % 2, shift=1.0)
    for big_m in BigM:
        stated = build_distance_program(reduced, disjunct, inputs, big_m=big_m, cuts=5)
        solution = solved(stated)
        least = least_distance(reduced, disjunct, inputs)
        if least > inputs.eps + 1e-6:
            assert solution.ending is Ending.INFEASIBLE
        else:
            assert solution.objective == pytest.approx(least, abs=1e-5)
            assert stated.margin(stated.x(solution.values)) <= 1e-4


def test_fewer_distances_are_cut_off_by_a_margin() -> None:
    generator = np.random.default_rng(57)
    reduced, inputs = random_system(generator, blocks=(3, 2))
    disjunct = random_disjunct(generator, 1)
    low = build_margin_program(reduced, disjunct)
    least = solved(low).objective + low.constant
    middle = low.margin(reduced.domain.middle)
    wanted = -(0.3 * least + 0.7 * middle)  # a margin strictly between
    below = replace(disjunct, bound=disjunct.bound - wanted)
    stated = build_distance_program(reduced, below, inputs)
    solution = solved(stated)
    assert low.margin(stated.x(solution.values)) <= -wanted + 1e-4
    assert solution.objective > 0
    beyond = replace(disjunct, bound=disjunct.bound + least - 0.01)
    too_much = build_distance_program(reduced, beyond, inputs)
    assert solved(too_much).ending is Ending.INFEASIBLE


def related_system(generator: np.random.Generator) -> ReducedNetwork:
    """A reduced network whose units are often parallel, as those of a convolution are."""
    reduced, _ = random_system(generator, blocks=(6, 4))
    for i in range(1, 6):
        if generator.uniform() < 0.7:
            factor = generator.choice([-1.0, 1.0, 0.5])
            reduced.on_input[i] = factor * reduced.on_input[0] + 0.1 * generator.normal(size=2)
            reduced.offset[i] = factor * reduced.offset[0] + generator.normal()
    z_hat = reduced.pre_activations(grid(reduced))
    spare = 0.1
    reduced.unit_lower[:] = z_hat.min(axis=0) - spare
    reduced.unit_upper[:] = z_hat.max(axis=0) + spare
    return reduced


def grid(reduced: ReducedNetwork, steps: int = 60) -> np.ndarray:
    axes = [np.linspace(lo, hi, steps) for lo, hi in zip(reduced.lower, reduced.upper, strict=True)]
    return np.stack([axis.ravel() for axis in np.meshgrid(*axes)], axis=1)


@given(st.integers(0, 10**6))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_no_pattern_that_occurs_violates_an_implication(seed: int) -> None:
    generator = np.random.default_rng([seed, 58])
    reduced = related_system(generator)
    cuts = find_cuts(reduced)
    patterns = reduced.pre_activations(grid(reduced)) >= 0
    rows = cuts.rows(reduced.units)
    assert np.all(patterns @ rows.matrix.T <= rows.upper + 1e-12)
    assert np.all(np.diff(cuts.strength) <= 0)
    assert np.all(cuts.strength > 0)


def test_in_the_first_block_they_are_all_that_parallel_units_allow() -> None:
    """ẑ = x + c for c in (-0.3, 0, 0.3), and its mirror image -x - 0.5."""
    generator = np.random.default_rng(59)
    reduced, _ = random_system(generator, d=1, blocks=(4,), eps=1.0)
    reduced.on_input[:] = [[1.0], [1.0], [1.0], [-1.0]]
    center = reduced.domain.middle[0]
    reduced.offset[:] = np.array([-0.3, 0.0, 0.3, -0.5]) - reduced.on_input[:, 0] * center
    cuts = find_cuts(reduced)
    stated = {
        (*pair.tolist(), *signs.tolist(), float(most))
        for pair, signs, most in zip(cuts.pairs, cuts.signs, cuts.most, strict=True)
    }
    assert stated == {
        (0, 1, 1.0, -1.0, 0.0),
        (0, 2, 1.0, -1.0, 0.0),
        (1, 2, 1.0, -1.0, 0.0),
        (0, 3, 1.0, 1.0, 1.0),
        (1, 3, 1.0, 1.0, 1.0),
        (2, 3, 1.0, 1.0, 1.0),
    }
    assert cuts.among(np.array([0, 1, 3]), 2).count == 2
    assert set(cuts.among(np.array([0, 1, 3]), 9).pairs[:, 1]) <= {1, 3}


def test_the_reference_covers_the_system() -> None:
    """The patterns' maps agree with the reduced network at the points that have the pattern."""
    generator = np.random.default_rng(60)
    reduced, _ = random_system(generator)
    points = generator.uniform(reduced.lower, reduced.upper, (50, reduced.inputs))
    z_hat, outputs = reduced.pre_activations(points), reduced.forward(points)
    for pattern, rows, offset, f_rows, f_offset in pieces(reduced):
        here = np.all((z_hat >= 0) == pattern, axis=1)
        np.testing.assert_allclose(points[here] @ rows.T + offset, z_hat[here], atol=1e-12)
        np.testing.assert_allclose(points[here] @ f_rows.T + f_offset, outputs[here], atol=1e-12)


def test_all_units_are_free_where_no_signs_are_given() -> None:
    generator = np.random.default_rng(61)
    reduced, _ = random_system(generator)
    assert set(build_margin_program(reduced, random_disjunct(generator, 1)).fixed) == {UNDECIDED}
