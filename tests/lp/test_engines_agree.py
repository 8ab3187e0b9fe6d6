"""The key test: rows on demand and the paper's stacked program find the same optimum.

They share nothing but the solver: one works in the inputs alone with faces pulled back through
the network, the other with all pre-activations as variables.
"""

from __future__ import annotations

import numpy as np
import pytest

from onnx_lippa.ending import Ending
from onnx_lippa.ir.network import Network
from onnx_lippa.ir.pattern import ActivationPattern
from onnx_lippa.lp.engine import Optimum
from onnx_lippa.lp.engines import make_engine
from onnx_lippa.lp.region import LinearRegion
from onnx_lippa.lp.solvers.table import make_solver
from tests.lp.cases import Asked, asked, margin_at, random_inputs
from tests.networks import conv_net, family, mlp, residual_net

KINDS = tuple(family(0))
EACH_KIND = pytest.mark.parametrize("kind", KINDS)
SOLVER = {"linf": "glop", "l1": "glop", "l2": "clarabel"}
AGREEMENT = 1e-6
NEAR_ZERO = 4e-6
"""Agreement of ℓ2 distances that are about zero: the root of twice an objective's 1e-12."""


def demanded(generator: np.random.Generator, case: Asked, network: Network) -> float:
    """A margin that some of the region's points reach and others do not."""
    margin = margin_at(case.disjunct, network, case.point)
    return -margin + 0.02 * abs(margin) * float(generator.choice([-1.0, 1.0]))


class Comparison:
    """Puts the same questions to both engines and holds their answers together."""

    def __init__(self, network: Network, norm: str, mode: str, rows: int = 1, solver: str = ""):
        self.network, self.norm, self.mode, self.rows = network, norm, mode, rows
        name = solver or SOLVER[norm]
        self.solvers = [make_solver(name) for _ in range(2)]
        self.engines = [
            make_engine(engine, network, solver)
            for engine, solver in zip(("rows", "stacked"), self.solvers, strict=True)
        ]
        self.compared = 0
        self.found = 0

    def run(self, seed: list[int], questions: int, regions: int) -> None:
        generator = np.random.default_rng(seed)
        for question in range(questions):
            inputs = random_inputs(
                generator, self.norm, self.network.input_size, grid=question % 2 == 1
            )
            sessions = [engine.begin(inputs) for engine in self.engines]
            for case in asked(generator, self.network, inputs, regions, self.rows):
                if self.mode == "margin":
                    optima = [s.least_margin(case.region, case.disjunct) for s in sessions]
                    # The point that the region was taken from is in it, so there is an optimum.
                    assert all(optimum.found for optimum in optima)
                else:
                    margin = demanded(generator, case, self.network)
                    optima = [
                        s.least_distance(case.region, case.disjunct, margin) for s in sessions
                    ]
                self.compare(case, *optima)
        for solver in self.solvers:
            assert solver.counts.failures == 0

    def compare(self, case: Asked, rows: Optimum, stacked: Optimum) -> None:
        self.compared += 1
        assert rows.ending is stacked.ending
        if not rows.found:
            assert rows.ending is Ending.INFEASIBLE
            return
        self.found += 1
        if self.mode == "margin":
            scale = max(1.0, abs(stacked.margin))
            assert abs(rows.margin - stacked.margin) <= AGREEMENT * scale
        else:
            tolerance = NEAR_ZERO if self.norm == "l2" and rows.distance < 1e-3 else AGREEMENT
            assert abs(rows.distance - stacked.distance) <= tolerance
        for optimum in (rows, stacked):
            self.check_point(case, optimum)

    def check_point(self, case: Asked, optimum: Optimum) -> None:
        """The optimum is what it says it is."""
        inputs, x = case.inputs, optimum.x
        assert np.all(x >= inputs.lower - 1e-7)
        assert np.all(x <= inputs.upper + 1e-7)
        assert optimum.distance == inputs.length(x)
        if self.mode == "margin":
            assert optimum.distance <= inputs.eps * (1 + 1e-6) + 1e-7
        slacks = case.region.evaluate(x[None]).slacks
        assert np.all(slacks >= -1e-6 * np.maximum(1.0, np.abs(slacks).max(initial=1.0)))
        own = margin_at(case.disjunct, self.network, x)
        assert own == pytest.approx(optimum.margin, abs=AGREEMENT * max(1.0, abs(own)))


@EACH_KIND
@pytest.mark.parametrize("seed", range(7))
def test_linf_margin(kind: str, seed: int) -> None:
    """11 networks x 7 seeds x 2 questions x 13 regions: two thousand regions."""
    comparison = Comparison(family(seed)[kind], "linf", "margin")
    comparison.run([seed, 60], questions=2, regions=13)
    assert comparison.found == 26


@EACH_KIND
@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_other_norms_margin(kind: str, norm: str) -> None:
    comparison = Comparison(family(10)[kind], norm, "margin")
    comparison.run([61], questions=2, regions=8)
    assert comparison.found == 16


@EACH_KIND
@pytest.mark.parametrize("norm", ["linf", "l1", "l2"])
def test_several_rows_margin(kind: str, norm: str) -> None:
    for rows in (2, 3):
        comparison = Comparison(family(rows)[kind], norm, "margin", rows)
        comparison.run([rows, 62], questions=2, regions=2)
        assert comparison.found == 4


@EACH_KIND
@pytest.mark.parametrize("norm", ["linf", "l1", "l2"])
@pytest.mark.parametrize("rows", [1, 2])
def test_distance(kind: str, norm: str, rows: int) -> None:
    comparison = Comparison(family(rows)[kind], norm, "distance", rows)
    comparison.run([rows, 63], questions=2, regions=2)
    assert comparison.compared == 4
    assert comparison.found > 0


@pytest.mark.parametrize("solver", ["highs", "clarabel", "pdlp"])
@pytest.mark.parametrize("mode", ["margin", "distance"])
@pytest.mark.parametrize("kind", ["mlp 4", "residual 5"])
def test_other_solvers(solver: str, mode: str, kind: str) -> None:
    comparison = Comparison(family(5)[kind], "linf", mode, solver=solver)
    comparison.run([5, 64], questions=1, regions=6)
    assert comparison.found > 0


@pytest.mark.parametrize("norm", ["linf", "l1", "l2"])
@pytest.mark.parametrize("kind", ["mlp 2", "leaky 3", "conv 9", "residual 5"])
def test_patterns_that_no_input_has_are_infeasible(norm: str, kind: str) -> None:
    network = family(6)[kind]
    generator = np.random.default_rng(65)
    engines = [make_engine(e, network, make_solver(SOLVER[norm])) for e in ("rows", "stacked")]
    for case in asked(
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
        (case,) = asked(generator, network, inputs, 1)
        assert session.least_margin(region, case.disjunct).ending is Ending.INFEASIBLE


@pytest.mark.parametrize("norm", ["linf", "l1", "l2"])
@pytest.mark.parametrize("kind", ["mlp 2", "degenerate 5", "conv 9"])
@pytest.mark.parametrize("rows", [1, 2])
def test_radius_zero_leaves_the_centre(norm: str, kind: str, rows: int) -> None:
    network = family(8)[kind]
    generator = np.random.default_rng(67)
    inputs = random_inputs(generator, norm, network.input_size, False).with_eps(0.0)
    (case,) = asked(generator, network, inputs, 1, rows)
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
            comparison.run([seed, 68], questions=2, regions=6)
            assert comparison.found > 0
