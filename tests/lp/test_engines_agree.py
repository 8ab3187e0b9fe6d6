"""The key test: rows on demand and the paper's stacked program find the same optimum.

They share nothing but the solver: one works in the inputs alone with faces pulled back through
the network, the other with all pre-activations as variables.
"""

from __future__ import annotations

import numpy as np
import pytest

from onnx_lippa.ending import Ending
from onnx_lippa.ir.pattern import ActivationPattern
from onnx_lippa.lp import make_engine
from onnx_lippa.lp.region import LinearRegion
from onnx_lippa.lp.solvers.table import make_solver
from tests.support.engines import SOLVER, Comparison
from tests.support.networks import conv_net, family, mlp, residual_net
from tests.support.regions import margin_at, random_inputs, region_queries

KINDS = tuple(family(0))
EACH_KIND = pytest.mark.parametrize("kind", KINDS)


@EACH_KIND
@pytest.mark.parametrize("seed", range(7))
def test_linf_margin(kind: str, seed: int) -> None:
    """11 networks x 7 seeds x 2 input sets x 13 regions: two thousand regions."""
    comparison = Comparison(family(seed)[kind], "linf", "margin")
    comparison.run([seed, 60], sets=2, regions=13)
    assert comparison.found == 26


@EACH_KIND
@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_other_norms_margin(kind: str, norm: str) -> None:
    comparison = Comparison(family(10)[kind], norm, "margin")
    comparison.run([61], sets=2, regions=8)
    assert comparison.found == 16


@EACH_KIND
@pytest.mark.parametrize("norm", ["linf", "l1", "l2"])
def test_several_rows_margin(kind: str, norm: str) -> None:
    for rows in (2, 3):
        comparison = Comparison(family(rows)[kind], norm, "margin", rows)
        comparison.run([rows, 62], sets=2, regions=2)
        assert comparison.found == 4


@EACH_KIND
@pytest.mark.parametrize("norm", ["linf", "l1", "l2"])
@pytest.mark.parametrize("rows", [1, 2])
def test_distance(kind: str, norm: str, rows: int) -> None:
    comparison = Comparison(family(rows)[kind], norm, "distance", rows)
    comparison.run([rows, 63], sets=2, regions=2)
    assert comparison.compared == 4
    assert comparison.found > 0


@pytest.mark.parametrize("solver", ["highs", "clarabel", "pdlp"])
@pytest.mark.parametrize("mode", ["margin", "distance"])
@pytest.mark.parametrize("kind", ["mlp 4", "residual 5"])
def test_other_solvers(solver: str, mode: str, kind: str) -> None:
    comparison = Comparison(family(5)[kind], "linf", mode, solver=solver)
    comparison.run([5, 64], sets=1, regions=6)
    assert comparison.found > 0


@pytest.mark.parametrize("norm", ["linf", "l1", "l2"])
@pytest.mark.parametrize("kind", ["mlp 2", "leaky 3", "conv 9", "residual 5"])
def test_patterns_that_no_input_has_are_infeasible(norm: str, kind: str) -> None:
    network = family(6)[kind]
    generator = np.random.default_rng(65)
    engines = [make_engine(e, network, make_solver(SOLVER[norm])) for e in ("rows", "stacked")]
    for case in region_queries(
        generator, network, random_inputs(generator, norm, network.input_size, False), 3
    ):
        states = [
            generator.integers(0, 2, state.shape).astype(np.int8)
            for state in case.region.pattern.states
        ]
        region = LinearRegion(network, ActivationPattern(tuple(states)))
        for engine in engines:
            session = engine.begin(case.inputs)
            for optimum in (
                session.least_margin(region, case.disjunct),
                session.least_distance(region, case.disjunct, -1e6),
            ):
                assert optimum.ending is Ending.INFEASIBLE
                assert optimum.x.size == 0


@pytest.mark.parametrize("norm", ["linf", "l1", "l2"])
def test_a_region_out_of_the_balls_reach_is_infeasible(norm: str) -> None:
    network = family(7)["mlp 4"]
    generator = np.random.default_rng(66)
    inputs = random_inputs(generator, norm, 4, False).with_eps(1e-3)
    far = np.where(inputs.center > 0.5, 0.0, 1.0)
    region = LinearRegion.of(network, far)
    assert not region.contains(inputs.center, tolerance=0.1)
    for name in ("rows", "stacked"):
        session = make_engine(name, network, make_solver(SOLVER[norm])).begin(inputs)
        (case,) = region_queries(generator, network, inputs, 1)
        assert session.least_margin(region, case.disjunct).ending is Ending.INFEASIBLE


@pytest.mark.parametrize("norm", ["linf", "l1", "l2"])
@pytest.mark.parametrize("kind", ["mlp 2", "degenerate 5", "conv 9"])
@pytest.mark.parametrize("rows", [1, 2])
def test_radius_zero_leaves_the_centre(norm: str, kind: str, rows: int) -> None:
    network = family(8)[kind]
    generator = np.random.default_rng(67)
    inputs = random_inputs(generator, norm, network.input_size, False).with_eps(0.0)
    (case,) = region_queries(generator, network, inputs, 1, rows)
    margin = margin_at(case.disjunct, network, inputs.center)
    for name in ("rows", "stacked"):
        session = make_engine(name, network, make_solver(SOLVER[norm])).begin(inputs)
        optimum = session.least_margin(case.region, case.disjunct)
        assert optimum.found
        assert optimum.margin == pytest.approx(margin, abs=1e-5)
        np.testing.assert_allclose(optimum.x, inputs.center, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("norm", ["linf", "l1", "l2"])
@pytest.mark.parametrize("mode", ["margin", "distance"])
@pytest.mark.parametrize("rows", [1, 3])
def test_larger_networks(norm: str, mode: str, rows: int) -> None:
    for seed in range(3):
        for network in (
            mlp(seed, (30, 60, 60, 5)),
            conv_net(seed, side=6, maps=6, classes=4),
            residual_net(seed, inputs=20, width=40),
        ):
            comparison = Comparison(network, norm, mode, rows)
            comparison.run([seed, 68], sets=2, regions=6)
            assert comparison.found > 0
