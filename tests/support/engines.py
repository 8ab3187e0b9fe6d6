"""Both LP engines on the same regions, and their optima compared."""

from __future__ import annotations

import numpy as np
import pytest

from onnx_lippa.ending import Ending
from onnx_lippa.ir.network import Network
from onnx_lippa.lp import make_engine
from onnx_lippa.lp.engine import Optimum
from onnx_lippa.lp.solvers.table import make_solver
from tests.support.regions import RegionQuery, margin_at, random_inputs, region_queries

SOLVER = {"linf": "glop", "l1": "glop", "l2": "clarabel"}


AGREEMENT = 1e-6


NEAR_ZERO = 4e-6
"""Agreement of ℓ2 distances that are about zero: the root of twice an objective's 1e-12."""


def demanded(generator: np.random.Generator, case: RegionQuery, network: Network) -> float:
    """A margin that some of the region's points reach and others do not."""
    margin = margin_at(case.disjunct, network, case.point)
    return -margin + 0.02 * abs(margin) * float(generator.choice([-1.0, 1.0]))


class Comparison:
    """Solves the same regions with both engines and compares their optima."""

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

    def run(self, seed: list[int], sets: int, regions: int) -> None:
        generator = np.random.default_rng(seed)
        for place in range(sets):
            inputs = random_inputs(
                generator, self.norm, self.network.input_size, grid=place % 2 == 1
            )
            sessions = [engine.begin(inputs) for engine in self.engines]
            for case in region_queries(generator, self.network, inputs, regions, self.rows):
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

    def compare(self, case: RegionQuery, rows: Optimum, stacked: Optimum) -> None:
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

    def check_point(self, case: RegionQuery, optimum: Optimum) -> None:
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
