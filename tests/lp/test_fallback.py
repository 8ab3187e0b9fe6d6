"""The chain of solvers, with solvers that fail on purpose."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from onnx_lippa.ending import Ending
from onnx_lippa.errors import InputError
from onnx_lippa.lp.program import Program
from onnx_lippa.lp.solver import SolveLimits
from onnx_lippa.lp.solvers.fallback import FallbackSolver
from onnx_lippa.lp.solvers.table import make_single
from onnx_lippa.spec import BallConstraint, Rows
from tests.support.faults import Fake


def program() -> Program:
    return Program(np.array([1.0, -1.0]), np.zeros(2), np.ones(2), Rows.none(2))


def test_without_a_failure_the_others_see_nothing() -> None:
    first, second = Fake(), Fake()
    solver = FallbackSolver([first, second])
    solution = solver.open(program()).solve(7.0)
    assert solution.ending is Ending.OPTIMAL
    assert second.opened == []
    assert first.limits == [7.0]
    assert (solver.counts.solves, solver.counts.retries, solver.counts.failures) == (1, 0, 0)


def test_the_second_solver_answers_where_the_first_fails() -> None:
    first, second = Fake(Ending.FAILED), Fake()
    solver = FallbackSolver([first, second])
    solution = solver.open(program()).solve()
    assert solution.ending is Ending.OPTIMAL
    np.testing.assert_allclose(solution.values, [0.0, 1.0])
    assert (solver.counts.solves, solver.counts.retries, solver.counts.failures) == (2, 1, 0)


@pytest.mark.parametrize("status", [Ending.INFEASIBLE, Ending.OUT_OF_TIME])
def test_other_ends_are_no_failures(status: Ending) -> None:
    second = Fake()
    solver = FallbackSolver([Fake(status), second])
    solution = solver.open(program()).solve()
    assert solution.ending is status
    assert second.opened == []
    assert (solver.counts.retries, solver.counts.failures) == (0, 0)


def test_the_third_answers_where_two_fail() -> None:
    chain = [Fake(Ending.FAILED), Fake(Ending.FAILED), Fake(Ending.INFEASIBLE)]
    solver = FallbackSolver(chain)
    assert solver.open(program()).solve().ending is Ending.INFEASIBLE
    assert [len(fake.limits) for fake in chain] == [1, 1, 1]
    assert (solver.counts.retries, solver.counts.failures) == (2, 0)


def test_a_failure_of_all_is_counted_and_carries_no_values() -> None:
    solver = FallbackSolver([Fake(Ending.FAILED), Fake(Ending.FAILED)])
    solution = solver.open(program()).solve()
    assert solution.ending is Ending.FAILED
    assert solution.values.size == 0
    assert np.isnan(solution.objective)
    assert solution.detail == "on purpose"
    assert (solver.counts.solves, solver.counts.retries, solver.counts.failures) == (2, 1, 1)


def test_a_single_solver_that_fails_is_counted() -> None:
    solver = FallbackSolver([Fake(Ending.FAILED)])
    assert solver.open(program()).solve().ending is Ending.FAILED
    assert (solver.counts.retries, solver.counts.failures) == (0, 1)


def test_after_a_failure_the_first_solver_starts_afresh() -> None:
    first, second = Fake(Ending.FAILED), Fake()
    session = FallbackSolver([first, second]).open(program())
    session.solve()
    assert len(first.opened) == 2
    session.change_cost(np.array([-1.0, 1.0]))
    session.change_bounds(np.zeros(2), np.full(2, 3.0))
    session.add_rows(Rows(sp.csr_array(np.eye(2)), np.full(2, -np.inf), np.array([2.0, 1.0])))
    solution = session.solve()
    np.testing.assert_allclose(solution.values, [2.0, 0.0])
    assert first.opened[0].changes == 0
    assert first.opened[1].changes == 3
    assert len(second.limits) == 1


def test_the_fallback_sees_the_program_as_it_stands() -> None:
    first, second = Fake(Ending.OPTIMAL, Ending.FAILED), Fake()
    session = FallbackSolver([first, second]).open(program())
    session.solve()
    session.change_cost(np.array([-1.0, -1.0]))
    session.change_bounds(np.zeros(2), np.full(2, 3.0))
    session.add_rows(Rows(sp.csr_array(np.ones((1, 2))), np.array([-np.inf]), np.array([4.0])))
    assert session.solve().objective == pytest.approx(-4.0)
    assert second.seen[0] is session.program


def test_the_time_limit_is_one_for_the_whole_chain() -> None:
    chain = [Fake(Ending.FAILED, seconds=0.05), Fake(Ending.FAILED, seconds=0.05), Fake()]
    FallbackSolver(chain).open(program()).solve(10.0)
    limits = [fake.limits[0] for fake in chain]
    assert limits[0] <= 10.0
    assert limits[1] <= limits[0] - 0.05
    assert limits[2] <= limits[1] - 0.05
    assert limits[2] > 5.0


def test_no_time_limit_stays_none() -> None:
    chain = [Fake(Ending.FAILED), Fake()]
    FallbackSolver(chain).open(program()).solve()
    assert [fake.limits for fake in chain] == [[np.inf], [np.inf]]


def test_only_solvers_that_take_the_program_are_asked() -> None:
    coned = Program(
        np.ones(2), np.zeros(2), np.ones(2), Rows.none(2), ball=BallConstraint(np.zeros(2), 1.0)
    )
    unable = Fake(linear_only=True)
    solver = FallbackSolver([Fake(Ending.FAILED), unable])
    assert solver.open(coned).solve().ending is Ending.FAILED
    assert unable.opened == []
    refused = FallbackSolver([Fake(linear_only=True), Fake()])
    assert not refused.takes(coned)
    with pytest.raises(InputError, match="'fake' cannot solve"):
        refused.open(coned)


def test_counts_are_shared_and_only_grow() -> None:
    first, second = Fake(Ending.FAILED), Fake()
    solver = FallbackSolver([first, second])
    assert first.counts is second.counts is solver.counts
    sessions = [solver.open(program()) for _ in range(2)]
    for session in sessions:
        session.solve()
    assert (solver.counts.solves, solver.counts.retries) == (3, 1)


def test_a_solver_that_raises_inside_mathopt_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    """MathOpt hands a failed status over as an AttributeError of its own error path."""
    solver = FallbackSolver([make_single("glop"), Fake()])
    session = solver.open(program())

    class Broken:
        def solve(self, *_: object) -> object:
            raise AttributeError("'NoneType' object has no attribute 'x'")

    monkeypatch.setattr(vars(session)["_session"], "_solver", Broken())
    solution = session.solve()
    assert solution.ending is Ending.OPTIMAL
    np.testing.assert_allclose(solution.values, [0.0, 1.0])
    assert (solver.counts.retries, solver.counts.failures) == (1, 0)
    # The broken session was left behind.
    assert session.solve().ending is Ending.OPTIMAL
    assert solver.counts.retries == 1


def test_warm_starts_and_limits_reach_every_solver() -> None:
    chain = [Fake(Ending.FAILED), Fake()]
    warm_start, limits = np.array([0.0, 1.0]), SolveLimits(nodes=7)
    FallbackSolver(chain).open(program()).solve(warm_start=warm_start, limits=limits)
    for fake in chain:
        ((start, given),) = fake.told
        assert start is warm_start
        assert given is limits
