"""A chain of solvers: where one fails, the next solves the same program from scratch."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import final

from typing_extensions import override

from onnx_lippa.arrays import Float64
from onnx_lippa.ending import Ending
from onnx_lippa.errors import InputError
from onnx_lippa.lp.program import Program
from onnx_lippa.lp.solver import NO_LIMITS, Session, Solution, SolveLimits, Solver, SolverCounts
from onnx_lippa.spec import Rows


@final
class FallbackSolver(Solver):
    """The first solver, with fallbacks for the programs that it fails on.

    GLOP without presolve, for instance, sometimes ends ``ABNORMAL``.

    Args:
        chain: the solvers in order. The first one decides which programs are taken; opening any
            other raises an :class:`InputError`.
    """

    def __init__(self, chain: Sequence[Solver]) -> None:
        super().__init__()
        self._chain = tuple(chain)
        self.name = self._chain[0].name
        for solver in self._chain:
            solver.counts = self.counts

    @override
    def takes(self, program: Program) -> bool:
        return self._chain[0].takes(program)

    @override
    def open(self, program: Program) -> Session:
        if not self.takes(program) and program.has_integers:
            raise InputError(f"solver '{self.name}' takes no whole numbers: choose scip or highs")
        if not self.takes(program):
            raise InputError(
                f"solver '{self.name}' cannot solve the programs of this norm: "
                "choose --solver clarabel, or another norm"
            )
        able = tuple(solver for solver in self._chain if solver.takes(program))
        return _FallbackSession(able, program, self.counts)


@final
class _FallbackSession(Session):
    def __init__(self, chain: tuple[Solver, ...], program: Program, counts: SolverCounts) -> None:
        super().__init__(program)
        self._chain = chain
        self._counts = counts
        self._session = chain[0].open(program)

    @override
    def solve(
        self,
        time_limit: float = float("inf"),
        warm_start: Float64 | None = None,
        limits: SolveLimits = NO_LIMITS,
    ) -> Solution:
        deadline = time.monotonic() + time_limit
        solution = self._session.solve(time_limit, warm_start, limits)
        for solver in self._chain[1:]:
            if solution.ending is not Ending.FAILED:
                return solution
            self._counts.retries += 1
            left = deadline - time.monotonic()
            solution = solver.open(self.program).solve(left, warm_start, limits)
            # The state that led to the failure is dropped.
            self._session = self._chain[0].open(self.program)
        if solution.ending is Ending.FAILED:
            self._counts.failures += 1
        return solution

    @override
    def change_bounds(self, lower: Float64, upper: Float64) -> None:
        super().change_bounds(lower, upper)
        self._session.change_bounds(lower, upper)

    @override
    def change_cost(self, cost: Float64) -> None:
        super().change_cost(cost)
        self._session.change_cost(cost)

    @override
    def add_rows(self, rows: Rows) -> None:
        super().add_rows(rows)
        self._session.add_rows(rows)
