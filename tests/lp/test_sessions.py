"""Sessions: the shortcut, independence, limits, counting, and the engines' names."""

from __future__ import annotations

import numpy as np
import pytest

from onnx_lippa.ending import Ending
from onnx_lippa.errors import InputError
from onnx_lippa.lp import ENGINE_NAMES, make_engine
from onnx_lippa.lp.region import LinearRegion
from onnx_lippa.lp.solvers.table import make_solver
from onnx_lippa.spec import InputSet, get_norm
from tests.support.faults import Fake, StubSolver
from tests.support.networks import family, mlp
from tests.support.regions import random_disjunct, random_inputs, region_queries

SOLVER = {"linf": "glop", "l1": "glop", "l2": "clarabel"}
ENGINES = ("rows", "stacked")
KINDS = tuple(family(0))


@pytest.mark.parametrize("norm", ["linf", "l1", "l2"])
@pytest.mark.parametrize("kind", KINDS)
def test_no_program_is_solved_where_the_closed_form_lies_in_the_region(
    norm: str, kind: str
) -> None:
    network = family(20)[kind]
    generator = np.random.default_rng(80)
    solver = make_solver(SOLVER[norm])
    rows, stacked = (
        make_engine("rows", network, solver),
        make_engine("stacked", network, make_solver(SOLVER[norm])),
    )
    shortcuts = 0
    for eps in (1e-4, 0.03):
        inputs = random_inputs(generator, norm, network.input_size, False).with_eps(eps)
        sessions = rows.begin(inputs), stacked.begin(inputs)
        for case in region_queries(generator, network, inputs, 3):
            cost = case.region.gradient(case.disjunct.matrix)[0]
            corner = inputs.norm.minimize_linear(
                cost, inputs.center, inputs.eps, inputs.lower, inputs.upper
            )
            before = solver.counts.solves
            optimum, reference = (s.least_margin(case.region, case.disjunct) for s in sessions)
            assert optimum.solves == solver.counts.solves - before
            assert optimum.margin == pytest.approx(reference.margin, abs=1e-6)
            if case.region.contains(corner):
                shortcuts += 1
                assert optimum.solves == optimum.rows == 0
                np.testing.assert_array_equal(optimum.x, corner)
            elif not case.region.contains(corner, tolerance=1e-6):
                assert optimum.solves >= 1
    assert shortcuts > 0


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("norm", ["linf", "l1", "l2"])
@pytest.mark.parametrize("kind", ["mlp 4", "conv 9"])
def test_an_optimum_does_not_depend_on_solves_before_it(engine: str, norm: str, kind: str) -> None:
    network = family(21)[kind]
    generator = np.random.default_rng(81)
    used = make_engine(engine, network, make_solver(SOLVER[norm]))
    for _ in range(2):
        other = random_inputs(generator, norm, network.input_size, False)
        session = used.begin(other)
        for case in region_queries(generator, network, other, 3):
            session.least_margin(case.region, case.disjunct)
            session.least_distance(case.region, case.disjunct, -1.0)
    inputs = random_inputs(generator, norm, network.input_size, False)
    fresh = make_engine(engine, network, make_solver(SOLVER[norm]))
    sessions = used.begin(inputs), fresh.begin(inputs)
    for case in region_queries(generator, network, inputs, 4):
        for mode in ("margin", "distance"):
            answers = [
                s.least_margin(case.region, case.disjunct)
                if mode == "margin"
                else s.least_distance(case.region, case.disjunct, -0.5)
                for s in sessions
            ]
            assert answers[0].ending is answers[1].ending
            np.testing.assert_array_equal(answers[0].x, answers[1].x)
            assert (answers[0].rows, answers[0].solves) == (answers[1].rows, answers[1].solves)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("norm", ["linf", "l1", "l2"])
def test_the_order_of_steps_does_not_change_their_optima(engine: str, norm: str) -> None:
    network = family(22)["mlp 6 deep"]
    generator = np.random.default_rng(82)
    inputs = random_inputs(generator, norm, 6, False)
    cases = list(region_queries(generator, network, inputs, 6))
    built = make_engine(engine, network, make_solver(SOLVER[norm]))
    found = []
    for order in (range(6), reversed(range(6))):
        session = built.begin(inputs)
        margins = {i: session.least_margin(cases[i].region, cases[i].disjunct) for i in order}
        found.append([margins[i].margin for i in range(6)])
    np.testing.assert_allclose(found[0], found[1], rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("mode", ["margin", "distance"])
def test_without_time_there_is_no_optimum(engine: str, mode: str) -> None:
    network = mlp(23, (4, 30, 30, 3))
    generator = np.random.default_rng(83)
    inputs = random_inputs(generator, "linf", 4, False).with_eps(0.5)
    (case,) = region_queries(generator, network, inputs, 1)
    session = make_engine(engine, network, make_solver("glop")).begin(inputs)
    optimum = (
        session.least_margin(case.region, case.disjunct, time_limit=0.0)
        if mode == "margin"
        else session.least_distance(case.region, case.disjunct, -5.0, time_limit=0.0)
    )
    assert optimum.ending is Ending.OUT_OF_TIME
    assert not optimum.found
    assert optimum.x.size == 0
    assert np.isnan(optimum.margin)
    assert np.isnan(optimum.distance)
    # The session is as good as new.
    assert session.least_margin(case.region, case.disjunct).found


def test_rows_engine_stops_between_rounds_and_counts_its_solves() -> None:
    network = mlp(24, (6, 60, 60, 3))
    generator = np.random.default_rng(84)
    inputs = random_inputs(generator, "linf", 6, False).with_eps(0.5)
    solver = Fake(seconds=0.02, linear_only=True)  # overruns every time limit
    session = make_engine("rows", network, solver).begin(inputs)
    (case,) = region_queries(generator, network, inputs, 1)
    optimum = session.least_margin(case.region, case.disjunct, time_limit=0.01)
    assert optimum.ending is Ending.OUT_OF_TIME
    assert optimum.solves == solver.counts.solves == 1
    unlimited = session.least_margin(case.region, case.disjunct)
    assert unlimited.found
    assert unlimited.solves == solver.counts.solves - 1 > 1


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("rows", [1, 2])
def test_a_solvers_failure_is_no_optimum(engine: str, rows: int) -> None:
    network = mlp(25, (4, 30, 30, 3))
    generator = np.random.default_rng(85)
    inputs = random_inputs(generator, "linf", 4, False).with_eps(0.5)
    session = make_engine(engine, network, StubSolver(Ending.FAILED)).begin(inputs)
    (case,) = region_queries(generator, network, inputs, 1, rows)
    for optimum in (
        session.least_margin(case.region, case.disjunct),
        session.least_distance(case.region, case.disjunct, 0.0),
    ):
        assert optimum.ending is Ending.FAILED
        assert not optimum.found
        assert optimum.x.size == 0


@pytest.mark.parametrize("engine", ENGINES)
def test_pinned_features_stay_where_they_are(engine: str) -> None:
    """A box of width zero in some features, an infinite one in others."""
    network = mlp(26, (5, 12, 12, 3))
    generator = np.random.default_rng(86)
    center = generator.uniform(0, 1, 5).astype(np.float32).astype(np.float64)
    lower = np.where([True, False, False, True, False], center, -np.inf)
    upper = np.where([True, False, False, True, False], center, np.inf)
    for norm in ("linf", "l1", "l2"):
        inputs = InputSet(center, get_norm(norm), 0.5, lower, upper)
        session = make_engine(engine, network, make_solver(SOLVER[norm])).begin(inputs)
        region = LinearRegion.of(network, center)
        disjunct = random_disjunct(generator, 3, 1)
        optimum = session.least_margin(region, disjunct)
        assert optimum.found
        np.testing.assert_allclose(optimum.x[[0, 3]], center[[0, 3]], rtol=0, atol=1e-8)
        nearest = session.least_distance(region, disjunct, -optimum.margin - 1e-3)
        assert nearest.found
        assert nearest.distance <= optimum.distance + 1e-6
        np.testing.assert_allclose(nearest.x[[0, 3]], center[[0, 3]], rtol=0, atol=1e-8)


def test_engines_by_name() -> None:
    network = mlp(27, (2, 3, 2))
    assert ENGINE_NAMES == ("auto", "rows", "stacked")
    for name in ENGINES:
        assert make_engine(name, network, make_solver("glop")).name == name
    assert make_engine("auto", network, make_solver("glop")).name in ENGINES
    with pytest.raises(InputError, match="choose one of auto, rows, stacked"):
        make_engine("dense", network, make_solver("glop"))
