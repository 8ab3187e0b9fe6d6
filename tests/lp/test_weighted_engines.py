"""LPSteps in units per feature: both engines agree, and with the plain norm of scaled inputs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from onnx_lippa.ir.layers.linear_map import LinearMap
from onnx_lippa.ir.network import Network
from onnx_lippa.lp import make_engine
from onnx_lippa.lp.engine import Optimum
from onnx_lippa.lp.region import LinearRegion
from onnx_lippa.lp.solvers.table import make_solver
from onnx_lippa.spec import InputSet, WeightedNorm, get_norm
from tests.support.networks import chain, family, mlp
from tests.support.regions import points_of, random_disjunct, region_queries

SOLVER = {"linf": "glop", "l1": "glop", "l2": "clarabel"}
KINDS = ("mlp 4", "leaky 5", "residual 5", "conv 9")
EACH_NORM = pytest.mark.parametrize("norm", list(SOLVER))
AGREEMENT = 1e-6


def scaled_inputs(
    generator: np.random.Generator, norm: str, d: int, fixed: int = 1, spread: float = 1.0
) -> InputSet:
    """Units over some powers of ten, some of them 0."""
    stretch = {"linf": 1.0, "l1": float(d), "l2": float(np.sqrt(d))}[norm]
    units = stretch * 0.1 * 10.0 ** generator.uniform(-spread, spread, d)
    units[generator.choice(d, fixed, replace=False)] = 0.0
    center = generator.uniform(0, 1, d).astype(np.float32).astype(np.float64)
    still = units == 0
    lower, upper = np.where(still, center, 0.0), np.where(still, center, 1.0)
    return InputSet(center, WeightedNorm(get_norm(norm), units), 1.0, lower, upper)


def both(network: Network, inputs: InputSet):
    solver = SOLVER[inputs.norm.name]
    names = ("rows", "stacked")
    return [make_engine(n, network, make_solver(solver)).begin(inputs) for n in names]


def check_point(inputs: InputSet, optimum: Optimum, margin_mode: bool) -> None:
    x = optimum.x
    assert np.all(x >= inputs.lower - 1e-7)
    assert np.all(x <= inputs.upper + 1e-7)
    still = inputs.norm.unit_radii(inputs.size) == 0
    np.testing.assert_array_equal(x[still], inputs.center[still])
    assert optimum.distance == inputs.length(x)
    if margin_mode:
        assert optimum.distance <= 1 + 1e-6


@EACH_NORM
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rows", [1, 2])
def test_margins_agree(norm: str, kind: str, rows: int) -> None:
    network, generator = family(20)[kind], np.random.default_rng([20, rows])
    for _ in range(2):
        inputs = scaled_inputs(generator, norm, network.input_size)
        sessions = both(network, inputs)
        for case in region_queries(generator, network, inputs, 5, rows):
            optima = [s.least_margin(case.region, case.disjunct) for s in sessions]
            assert all(optimum.found for optimum in optima)
            assert abs(optima[0].margin - optima[1].margin) <= AGREEMENT * max(
                1.0, abs(optima[0].margin)
            )
            for optimum in optima:
                check_point(inputs, optimum, margin_mode=True)


@EACH_NORM
@pytest.mark.parametrize("kind", KINDS)
def test_distances_agree(norm: str, kind: str) -> None:
    network, generator = family(21)[kind], np.random.default_rng(21)
    inputs = scaled_inputs(generator, norm, network.input_size)
    sessions = both(network, inputs)
    found = 0
    for case in region_queries(generator, network, inputs, 6):
        margin = -float(case.disjunct.margins(network.forward(case.point[None]))[0]) - 1e-3
        optima = [s.least_distance(case.region, case.disjunct, margin) for s in sessions]
        assert all(optimum.found for optimum in optima)
        found += optima[0].distance > 1e-4
        assert abs(optima[0].distance - optima[1].distance) <= 10 * AGREEMENT
        for optimum in optima:
            check_point(inputs, optimum, margin_mode=False)
    assert found


@EACH_NORM
@pytest.mark.parametrize("engine", ["rows", "stacked"])
def test_brute_change_of_variables(norm: str, engine: str) -> None:
    """A network behind ``x = center + units z``, attacked in z with the plain norm."""
    generator = np.random.default_rng(22)
    network = mlp(22, (4, 12, 12, 3))
    inputs = scaled_inputs(generator, norm, 4, fixed=0)
    units = inputs.norm.unit_radii(4)
    first = LinearMap((4,), np.diag(units), inputs.center)
    behind = chain((4,), first, *(step.layer for step in network.steps))
    plain = InputSet(
        np.zeros(4),
        get_norm(norm),
        1.0,
        (inputs.lower - inputs.center) / units,
        (inputs.upper - inputs.center) / units,
    )
    solver = SOLVER[norm]
    scaled = make_engine(engine, network, make_solver(solver)).begin(inputs)
    direct = make_engine(engine, behind, make_solver(solver)).begin(plain)
    for x in points_of(generator, inputs, 6):
        disjunct = random_disjunct(generator, 3, 1)
        z = (x - inputs.center) / units
        regions = LinearRegion.of(network, x), LinearRegion.of(behind, z)
        mine, other = (
            session.least_margin(region, disjunct)
            for session, region in zip((scaled, direct), regions, strict=True)
        )
        assert mine.margin == pytest.approx(other.margin, abs=1e-5)
        wanted = 1e-3 - float(disjunct.margins(network.forward(x[None]))[0])
        mine, other = (
            session.least_distance(region, disjunct, wanted - 2e-3)
            for session, region in zip((scaled, direct), regions, strict=True)
        )
        assert mine.found == other.found
        if mine.found:
            assert mine.distance == pytest.approx(other.distance, abs=1e-5)


@EACH_NORM
def test_units_far_apart(norm: str) -> None:
    """Six powers of ten between the units: still an optimum, and the same."""
    network, generator = family(23)["mlp 6 deep"], np.random.default_rng(23)
    inputs = scaled_inputs(generator, norm, network.input_size, spread=3.0)
    rows, stacked = both(network, inputs)
    for case in region_queries(generator, network, inputs, 4):
        one, other = (s.least_margin(case.region, case.disjunct) for s in (rows, stacked))
        assert one.found and other.found
        assert one.margin == pytest.approx(other.margin, abs=1e-5)


@EACH_NORM
def test_nothing_moves(norm: str) -> None:
    network, generator = family(24)["mlp 4"], np.random.default_rng(24)
    inputs = scaled_inputs(generator, norm, 4, fixed=4)
    disjunct = random_disjunct(generator, network.output_size, 1)
    region = LinearRegion.of(network, inputs.center)
    for session in both(network, inputs):
        optimum = session.least_margin(region, disjunct)
        assert optimum.found
        np.testing.assert_array_equal(optimum.x, inputs.center)
    for session in both(network, replace(inputs, eps=0.5)):
        assert not session.least_distance(region, disjunct, 1e6).found
