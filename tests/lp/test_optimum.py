"""The optimum of a region against points of that region, and against all regions of a ball."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onnx_lippa.ending import Ending
from onnx_lippa.ir.layers.activation import Relu
from onnx_lippa.ir.network import Network
from onnx_lippa.lp import make_engine
from onnx_lippa.lp.engine import RegionEngine
from onnx_lippa.lp.region import LinearRegion
from onnx_lippa.lp.solvers.table import make_solver
from onnx_lippa.spec import InputSet, LInf, UnsafeSet, get_norm
from tests.support.networks import chain, dense, family, grid, mlp
from tests.support.regions import margin_at, patterns_of, points_of, random_inputs, region_queries

SOLVER = {"linf": "glop", "l1": "glop", "l2": "clarabel"}
ENGINES = ("rows", "stacked")
KINDS = tuple(family(0))
SLACK = {"linf": 1e-8, "l1": 1e-8, "l2": 4e-6}
"""How far a solver's optimum may lie above the true one (ℓ2: the root of twice 1e-12, and more)."""
DERANDOMIZED = settings(derandomize=True, deadline=None, max_examples=40)


def engine_of(name: str, network: Network, norm: str) -> RegionEngine:
    return make_engine(name, network, make_solver(SOLVER[norm]))


CASES = {
    "seed": st.integers(0, 10**6),
    "kind": st.sampled_from(KINDS),
    "norm": st.sampled_from(sorted(SOLVER)),
    "engine": st.sampled_from(ENGINES),
}


def cases_of(
    seed: int, kind: str, norm: str, rows: int
) -> tuple[Network, np.random.Generator, InputSet]:
    network = family(seed)[kind]
    generator = np.random.default_rng([seed, 70, rows])
    return network, generator, random_inputs(generator, norm, network.input_size, seed % 2 == 1)


@DERANDOMIZED
@given(**CASES, rows=st.integers(1, 3))
def test_no_point_of_the_region_has_a_smaller_margin(
    seed: int, kind: str, norm: str, engine: str, rows: int
) -> None:
    network, generator, inputs = cases_of(seed, kind, norm, rows)
    session = engine_of(engine, network, norm).begin(inputs)
    for case in region_queries(generator, network, inputs, 2, rows):
        optimum = session.least_margin(case.region, case.disjunct)
        assert optimum.found
        others = [points_of(generator, inputs, 60)]
        # Points near the region's own one, and on the way from it to the optimum.
        near = case.point + 0.03 * inputs.eps * generator.normal(size=(60, inputs.size))
        others.append(np.clip(near, inputs.lower, inputs.upper))
        others.append(case.point + generator.uniform(0, 1, (20, 1)) * (optimum.x - case.point))
        points = np.concatenate([case.point[None], *others])
        inside = [x for x in points if inputs.distance(x) <= inputs.eps and case.region.contains(x)]
        assert inside
        margins = case.disjunct.margins(network.forward(np.stack(inside)))
        scale = max(1.0, np.abs(margins).max())
        assert optimum.margin <= margins.min() + SLACK[norm] * scale


@DERANDOMIZED
@given(**CASES, rows=st.integers(1, 2))
def test_no_unsafe_point_of_the_region_is_nearer(
    seed: int, kind: str, norm: str, engine: str, rows: int
) -> None:
    network, generator, inputs = cases_of(seed, kind, norm, rows)
    session = engine_of(engine, network, norm).begin(inputs)
    for case in region_queries(generator, network, inputs, 2, rows):
        points = np.concatenate([case.point[None], points_of(generator, inputs, 100)])
        points = np.stack([x for x in points if case.region.contains(x)])
        margins = case.disjunct.margins(network.forward(points))
        wanted = -float(np.median(margins))
        optimum = session.least_distance(case.region, case.disjunct, wanted)
        assert optimum.found
        scale = max(1.0, np.abs(margins).max())
        assert optimum.margin <= -wanted + 1e-6 * scale
        assert margin_at(case.disjunct, network, optimum.x) <= -wanted + 1e-6 * scale
        assert optimum.distance == inputs.length(optimum.x)
        reached = [inputs.distance(x) for x in points[margins <= -wanted]]
        assert optimum.distance <= min(reached) + SLACK[norm] * (1 + min(reached))


def all_regions(network: Network, points: np.ndarray) -> list[LinearRegion]:
    """The regions that some points lie in."""
    _, first = np.unique(patterns_of(network, points), axis=0, return_index=True)
    return [LinearRegion.of(network, points[i]) for i in first]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("norm", ["linf", "l1", "l2"])
@pytest.mark.parametrize("alpha", [None, 0.2])
def test_the_best_of_all_regions_is_the_best_of_a_grid(
    engine: str, norm: str, alpha: float | None
) -> None:
    """Two inputs: the regions' optima together are the network's minimum over the ball."""
    for seed in range(2 if norm == "linf" else 1):
        network = mlp(seed, (2, 6, 5, 3), alpha)
        generator = np.random.default_rng([seed, 71])
        center = generator.uniform(0, 1, 2).astype(np.float32).astype(np.float64)
        inputs = InputSet(center, get_norm(norm), 0.4, np.zeros(2), np.ones(2))
        points = grid(np.maximum(center - 0.4, 0), np.minimum(center + 0.4, 1), 81)
        points = np.stack([x for x in points if inputs.distance(x) <= inputs.eps])
        session = engine_of(engine, network, norm).begin(inputs)
        regions = all_regions(network, points)
        assert len(regions) > 2
        for disjunct in UnsafeSet.misclassification(0, 3).disjuncts:
            optima = [session.least_margin(region, disjunct) for region in regions]
            assert all(optimum.found for optimum in optima)
            best = min(optima, key=lambda optimum: optimum.margin)
            on_grid = disjunct.margins(network.forward(points)).min()
            assert best.margin <= on_grid + SLACK[norm]
            # It is a value of the network itself, at a point of the ball ...
            assert margin_at(disjunct, network, best.x) == pytest.approx(best.margin, abs=1e-6)
            assert inputs.distance(best.x) <= inputs.eps + 1e-6
            # ... to which a grid of this width comes near.
            steepest = max(np.abs(region.gradient(disjunct.matrix)).sum() for region in regions)
            assert on_grid <= best.margin + steepest * 0.8 / 80 + 1e-6


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("norm", ["linf", "l1", "l2"])
def test_the_nearest_of_all_regions_is_the_nearest_of_a_grid(engine: str, norm: str) -> None:
    """Two inputs: minimal distortion over all regions, none nearer on a fine grid."""
    network = mlp(4, (2, 6, 5, 3))
    generator = np.random.default_rng(72)
    inputs = InputSet(
        generator.uniform(0, 1, 2).astype(np.float32).astype(np.float64),
        get_norm(norm),
        np.inf,
        np.zeros(2),
        np.ones(2),
    )
    points = grid(inputs.lower, inputs.upper, 101)
    session = engine_of(engine, network, norm).begin(inputs)
    regions = all_regions(network, points)
    for disjunct in UnsafeSet.misclassification(1, 3).disjuncts:
        margins = disjunct.margins(network.forward(points))
        wanted = -float(np.quantile(margins, 0.1))
        optima = [session.least_distance(region, disjunct, wanted) for region in regions]
        assert {optimum.ending for optimum in optima} <= {Ending.OPTIMAL, Ending.INFEASIBLE}
        nearest = min(optimum.distance for optimum in optima if optimum.found)
        on_grid = min(inputs.distance(x) for x in points[margins <= -wanted])
        assert nearest <= on_grid + SLACK[norm]
        assert on_grid <= nearest + 0.05


@pytest.mark.parametrize("engine", ENGINES)
def test_a_case_worked_out_by_hand(engine: str) -> None:
    """f(x) = (relu(x_0 - 1/2) + x_1, 1/4), label 0: s_0 - s_1 in each of the two regions."""
    network = chain(
        (2,),
        dense(2, [[1.0, 0.0], [0.0, 1.0]], [-0.5, 0.0]),
        Relu((2,)),
        dense(2, [[1.0, 1.0], [0.0, 0.0]], [0.0, 0.25]),
    )
    inputs = InputSet(np.array([0.75, 0.5]), LInf(), 0.375, np.zeros(2), np.ones(2))
    (disjunct,) = UnsafeSet.misclassification(0, 2).disjuncts
    session = engine_of(engine, network, "linf").begin(inputs)
    active = LinearRegion.of(network, np.array([0.75, 0.5]))
    inactive = LinearRegion.of(network, np.array([0.4, 0.5]))
    # x_0 - 1/2 + x_1 - 1/4 over x_0 in [1/2, 1], x_1 in [1/8, 7/8]
    optimum = session.least_margin(active, disjunct)
    np.testing.assert_allclose(optimum.x, [0.5, 0.125], atol=1e-9)
    assert optimum.margin == pytest.approx(-0.125, abs=1e-9)
    assert optimum.distance == pytest.approx(0.375, abs=1e-9)
    # x_1 - 1/4 over x_0 in [3/8, 1/2]
    optimum = session.least_margin(inactive, disjunct)
    assert optimum.margin == pytest.approx(-0.125, abs=1e-9)
    assert 0.375 - 1e-9 <= optimum.x[0] <= 0.5 + 1e-9
    # Nearest with x_0 - 1/2 + x_1 - 1/4 <= 0: both move by 1/4. In the inactive region x_0 must
    # come down by 1/4 as well, and x_1 with it.
    for region in (active, inactive):
        nearest = session.least_distance(region, disjunct, 0.0)
        assert nearest.distance == pytest.approx(0.25, abs=1e-9)
        np.testing.assert_allclose(nearest.x, [0.5, 0.25], atol=1e-9)
    further = session.least_distance(active, disjunct, 0.125)
    assert further.distance == pytest.approx(0.375, abs=1e-9)
    assert session.least_distance(active, disjunct, 0.26).ending is Ending.INFEASIBLE
