"""Random linear regions: known distances, programs that are given up, and both aims."""

import numpy as np
import pytest

from onnx_lippa import LinearRegions, Lippa, attack, falsify, load
from onnx_lippa.attacks import make_attack
from onnx_lippa.ending import Ending
from onnx_lippa.errors import InputError
from onnx_lippa.lp import make_engine
from onnx_lippa.lp.region import LinearRegion
from onnx_lippa.lp.solvers.table import make_solver
from onnx_lippa.spec import get_norm
from onnx_lippa.state import Budget
from onnx_lippa.witness import FoundBy, Verdict
from tests.support.attacks import (
    DIGITS,
    check_result,
    digits,
    fingerprints,
    linear_file,
    mlp_file,
    outcomes_of,
    problems_of,
)

FEW = LinearRegions(regions=12, gradient_steps=8)


@pytest.mark.parametrize("start", ["pgd", "noise"])
@pytest.mark.parametrize(("norm", "dual"), [("linf", 3.5), ("l2", 4.25**0.5), ("l1", 1.5)])
def test_the_distance_of_a_linear_model(tmp_path, norm, dual, start):
    """The weights (1.5, 1, 1) have dual norms 3.5, √4.25 and 1.5; the margin is 0.4."""
    weight = np.stack([np.zeros(3), [1.5, 1.0, 1.0]], axis=1)
    path = linear_file(tmp_path, weight, np.array([1.75 + 0.4, 0.0]))
    x = np.full((1, 3), 0.5, np.float32)
    expected = 0.4 / dual
    method = LinearRegions(regions=2, start=start)
    result = attack(load(path), x, [0], norm=get_norm(norm), method=method, workers=1)
    check_result(path, x, np.array([0]), result, norm)
    assert expected <= result.distances[0] <= expected + 1e-4
    assert result[0].found_by is FoundBy.LP


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_it_comes_close_to_lippa(norm):
    model, x, y = digits()
    x, y = x[:4], y[:4]
    method = LinearRegions(regions=40)
    result = attack(model, x, y, norm=get_norm(norm), method=method, workers=1)
    check_result(DIGITS, x, y, result, norm)
    lippa = attack(model, x, y, norm=get_norm(norm), method=Lippa(), workers=1)
    assert np.all(result.distances <= 1.1 * lippa.distances)


def test_no_gradient_is_needed():
    model, x, y = digits()
    method = LinearRegions(regions=12, start="noise")
    result = attack(model, x[:4], y[:4], method=method, workers=1)
    assert result.success.all()
    assert all(one.effort.gradients == 0 for one in result)
    assert all(one.effort.lp_steps > 0 for one in result)


def test_within_a_radius_it_stops_at_the_first_witness():
    model, x, y = digits()
    nearest = attack(model, x[:4], y[:4], method=FEW, workers=1)
    for place in range(4):
        one, label = x[place : place + 1], y[place : place + 1]
        eps = 1.02 * float(nearest.distances[place])
        result = attack(model, one, label, eps=eps, method=FEW, workers=1)
        check_result(DIGITS, one, label, result, "linf", eps)
        assert result.success.all()
        assert result[0].effort.lp_steps <= nearest[place].effort.lp_steps
    hopeless = attack(model, x[:2], y[:2], eps=0.002, method=FEW, workers=1)
    assert hopeless.verdicts == (Verdict.UNKNOWN,) * 2


@pytest.mark.parametrize("eps", [0.05, None])
def test_results_do_not_depend_on_batch_and_workers(eps):
    model, x, y = digits()
    together = outcomes_of(model, x, y, range(28), eps=eps, workers=2, method=LinearRegions(3))
    alone = outcomes_of(model, x, y, [5, 26], eps=eps, method=LinearRegions(3))
    assert {i: fingerprints(together)[i] for i in (5, 26)} == fingerprints(alone)


def test_a_time_limit_ends_it():
    model, x, y = digits()
    method = LinearRegions(regions=10**6)
    (outcome,) = outcomes_of(model, x, y, [0], eps=None, method=method, budget=Budget(0.5))
    assert outcome.verdict is Verdict.ADVERSARIAL
    assert outcome.effort.seconds < 1.0


@pytest.mark.parametrize("engine", ["rows", "stacked"])
@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_programs_are_given_up_at_the_cutoff(tmp_path, norm, engine):
    model = load(mlp_file(tmp_path, (5, 12, 3), seed=2))
    x = np.full((1, 5), 0.5, np.float32)
    label = model.runtime.forward(x).argmax(axis=1)
    (problem,) = problems_of(model, x, label, [0], 1.0, norm)
    solver = make_solver(get_norm(norm).solver)
    session = make_engine(engine, model.network, solver).begin(problem.inputs)
    solved = 0
    for point in np.random.default_rng(0).uniform(0, 1, (40, 5)):
        region = LinearRegion.of(model.network, point)
        for disjunct in problem.unsafe.disjuncts:
            optimum = session.least_distance(region, disjunct, 1e-4)
            if not optimum.found:
                continue
            solved += 1
            below, above = (
                session.least_distance(region, disjunct, 1e-4, cutoff=share * optimum.distance)
                for share in (0.99, 1.01)
            )
            assert below.ending is Ending.INFEASIBLE
            assert above.distance == pytest.approx(optimum.distance, rel=1e-4)
    assert solved >= 3


def test_what_it_refuses(tmp_path):
    for name, value in (("regions", "0"), ("bias", "1.5"), ("gamma", "0"), ("start", "zeal")):
        with pytest.raises(InputError, match=name):
            make_attack("linear-regions", [f"{name}={value}"])
    with pytest.raises(InputError, match="engine is 'zeal'"):
        LinearRegions(engine="zeal")
    path = linear_file(tmp_path, np.eye(2), np.array([0.0, -5.0]))
    question = tmp_path / "p.vnnlib"
    question.write_text(
        "(declare-const X_0 Real)(declare-const X_1 Real)(declare-const Y_0 Real)"
        "(declare-const Y_1 Real)(assert (>= X_0 0))(assert (<= X_0 1))(assert (>= X_1 0))"
        "(assert (<= X_1 1))(assert (>= Y_1 Y_0))"
    )
    with pytest.raises(InputError, match="choose another method"):
        falsify(path, question, timeout=5, method="linear-regions")
