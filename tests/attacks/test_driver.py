"""What holds of an attack whatever its solvers and checks do."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from onnx_lippa import Verdict, state
from onnx_lippa.attacks import Lippa, Pgd, restarted
from onnx_lippa.ending import OUT_OF_TIME, Ending
from onnx_lippa.onnx_io import load
from onnx_lippa.spec import Conjunction, InputSet, LInf, Problem, UnsafeSet
from onnx_lippa.state import Budget
from onnx_lippa.witness import FoundBy, check_candidate
from tests.support.attacks import DIGITS, RADII, digits, mlp_file, outcomes_of
from tests.support.faults import StubSolver, Untouchable

FEW: dict[str, Any] = {"restarts": 1, "gradient_steps": 12, "lp_steps": 3}
QUESTIONS = [*RADII.items(), *((norm, None) for norm in RADII)]


@pytest.mark.parametrize("eps", [0.2, None])
def test_misclassified_inputs_are_not_attacked(eps):
    model = load(DIGITS)
    vars(model)["gradient"] = Untouchable()
    _, x, y = digits()
    outcomes = outcomes_of(model, x, (y + 1) % 10, range(6), eps=eps, **FEW)
    for outcome in outcomes:
        assert outcome.verdict is Verdict.MISCLASSIFIED
        assert outcome.found_by is FoundBy.CLEAN
        assert outcome.witness is None
        assert outcome.effort.lp_steps == 0
        assert outcome.target == -1


def test_no_problems():
    assert list(Lippa().solve(digits()[0], [], Budget())) == []


@pytest.mark.parametrize(("norm", "eps"), QUESTIONS)
def test_every_input_gets_one_outcome(norm, eps):
    model, x, y = digits()
    wanted = [7, 3, 30]
    outcomes = outcomes_of(model, x, y, wanted, norm, eps, **FEW)
    assert sorted(outcome.index for outcome in outcomes) == sorted(wanted)
    for outcome in outcomes:
        assert outcome.effort.seconds >= outcome.effort.lp_seconds >= 0
        assert outcome.effort.lp_steps >= 0
        assert np.isfinite(outcome.best_margin)


# Time


@pytest.mark.parametrize(("norm", "eps"), QUESTIONS)
def test_hardly_any_time(norm, eps):
    model, x, y = digits()
    outcomes = outcomes_of(model, x, y, range(8), norm, eps, budget=Budget(1e-9), **FEW)
    assert len(outcomes) == 8
    for outcome in outcomes:
        assert outcome.verdict is not Verdict.ROBUST
        assert outcome.effort.lp_steps <= 1


@pytest.mark.parametrize(
    ("norm", "eps"), [("linf", 0.05), ("l1", 1.5), ("linf", None), ("l2", None)]
)
def test_time_limit_holds(norm, eps):
    """Budgets that would take minutes end soon after the limit."""
    model, x, y = digits()
    endless = {"restarts": 500, "gradient_steps": 20_000, "lp_steps": 5_000}
    started = time.monotonic()
    outcomes = outcomes_of(model, x, y, [2], norm, eps, budget=Budget(0.2), **endless)
    assert time.monotonic() - started < 5.0
    (outcome,) = outcomes
    assert outcome.verdict in (Verdict.UNKNOWN, Verdict.ADVERSARIAL)
    assert (outcome.reason is OUT_OF_TIME) == (outcome.verdict is Verdict.UNKNOWN)


@pytest.mark.parametrize(("norm", "limit"), [("linf", 1e10), ("l1", 1e300), ("l2", 1e15)])
def test_long_time_limits(norm, limit):
    model, x, y = digits()
    outcomes = outcomes_of(model, x, y, range(2), norm, None, budget=Budget(limit), **FEW)
    plain = outcomes_of(model, x, y, range(2), norm, None, **FEW)
    assert [o.verdict for o in outcomes] == [o.verdict for o in plain]


# Solvers that fail, or lie


def replace_solver(monkeypatch, solver):
    monkeypatch.setattr(restarted, "make_solver", lambda name: solver)


@pytest.mark.parametrize(
    ("status", "engine"),
    [(Ending.FAILED, "rows"), (Ending.FAILED, "stacked"), (Ending.OUT_OF_TIME, "rows"),
     (Ending.INFEASIBLE, "stacked")],
)  # fmt: skip
@pytest.mark.parametrize(("norm", "eps"), [("linf", 0.05), ("l2", 0.4), ("linf", None)])
def test_solver_that_always_fails(monkeypatch, status, engine, norm, eps):
    solver = StubSolver(status)
    replace_solver(monkeypatch, solver)
    model, x, y = digits()
    outcomes = outcomes_of(model, x, y, range(4), norm, eps, engine=engine, **FEW)
    assert solver.asked > 0
    for outcome in outcomes:
        assert outcome.verdict in (Verdict.UNKNOWN, Verdict.ADVERSARIAL, Verdict.MISCLASSIFIED)
        # Where the ball's own optimum lies in the region, no solver is asked: that may succeed.
        assert outcome.found_by is not FoundBy.LP or (eps is not None and engine == "rows")


LIES = {
    "zeros": lambda program: np.zeros(program.variables),
    "random": lambda program: np.random.default_rng(0).normal(size=program.variables),
    "huge": lambda program: np.full(program.variables, 1e30),
    "nan": lambda program: np.full(program.variables, np.nan),
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("lie", list(LIES))
@pytest.mark.parametrize("engine", ["rows", "stacked"])
@pytest.mark.parametrize(("norm", "eps"), [("linf", 0.05), ("l2", None)])
def test_solver_that_lies(monkeypatch, lie, engine, norm, eps):
    replace_solver(monkeypatch, StubSolver(Ending.OPTIMAL, LIES[lie]))
    model, x, y = digits()
    for outcome in outcomes_of(model, x, y, range(3), norm, eps, engine=engine, **FEW):
        assert outcome.verdict is not Verdict.ROBUST
        if outcome.witness is not None:
            found = outcome.witness.x
            assert np.all((found >= 0) & (found <= 1))
            assert model.runtime.forward(found[None]).argmax() != y[outcome.index]
            assert outcome.witness.distance <= (np.inf if eps is None else eps)


# Checks of candidates


@pytest.mark.parametrize("method", [Lippa(**FEW), Pgd(1, 20)])
@pytest.mark.parametrize(("norm", "eps"), [("linf", 0.05), ("l1", None)])
def test_a_check_that_rejects_everything(monkeypatch, norm, eps, method):
    monkeypatch.setattr(state, "check_candidate", lambda *_: None)
    model, x, y = digits()
    outcomes = outcomes_of(model, x, y, range(5), norm, eps, method=method)
    for outcome in outcomes:
        assert outcome.verdict is Verdict.UNKNOWN
        assert outcome.witness is None
        assert outcome.found_by is FoundBy.NOTHING
        assert outcome.target == -1


@pytest.mark.parametrize("norm", list(RADII))
def test_only_nearer_witnesses_replace_one(monkeypatch, norm):
    seen: dict[bytes, list[float]] = {}

    def check(runtime, candidate, inputs, unsafe, claim=None):
        found = check_candidate(runtime, candidate, inputs, unsafe, claim)
        if found is not None:
            seen.setdefault(inputs.center.tobytes(), []).append(found.distance)
        return found

    monkeypatch.setattr(state, "check_candidate", check)
    model, x, y = digits()
    outcomes = outcomes_of(model, x, y, range(5), norm, None, **FEW)
    assert seen
    for outcome in outcomes:
        distances = seen.get(x[outcome.index].astype(np.float64).tobytes(), [])
        assert all(nearer < farther for farther, nearer in pairwise(distances))
        if outcome.witness is not None:
            assert outcome.witness.distance == distances[-1]


# Questions other than classification


def test_unsafe_sets_of_several_inequalities(tmp_path):
    """An or of ands, as from a VNN-LIB property: the verdict is that of the outputs."""
    model = load(mlp_file(tmp_path, (4, 12, 3), seed=5))
    x = np.full(4, 0.5)
    box = InputSet(x, LInf(), 0.5, np.zeros(4), np.ones(4))
    grid = np.random.default_rng(0).uniform(0, 1, (4000, 4)).astype(np.float32)
    outputs = model.runtime.forward(grid)
    # Class 1 above class 0, and its output above what most of the inputs give.
    above = outputs[outputs[:, 1] > outputs[:, 0]]
    high = float(np.quantile(above[:, 1], 0.9))
    matrix = np.array([[1.0, -1.0, 0.0], [0.0, -1.0, 0.0]])
    unsafe = UnsafeSet((Conjunction(matrix, np.array([0.0, -high])),))
    assert not unsafe.contains(model.runtime.forward(x.astype(np.float32)[None])[0])
    for minimize in (False, True):
        problem = Problem(0, box, unsafe, unsafe, minimize=minimize)
        (outcome,) = Lippa(restarts=2).solve(model, [problem], Budget())
        assert outcome.verdict in (Verdict.ADVERSARIAL, Verdict.MISCLASSIFIED)
        if outcome.witness is not None:
            assert unsafe.contains(model.runtime.forward(outcome.witness.x[None])[0])
