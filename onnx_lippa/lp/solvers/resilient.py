"""A chain of solvers: where one fails, the next starts from scratch on the same program."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import final

from onnx_lippa.arrays import Float64
from onnx_lippa.ending import Ending
from onnx_lippa.errors import InputError
from onnx_lippa.lp.program import Program, Rows
from onnx_lippa.lp.solution import Solution
from onnx_lippa.lp.solver import NO_STOP, Session, Solver, SolverCounts, Stop


@final
class Resilient(Solver):
    """The first solver's sessions; the others only ever see a program it failed on.

    GLOP without presolve sometimes ends ``ABNORMAL``. A failure is counted, never believed.
    """

    def __init__(self, chain: Sequence[Solver]) -> None:
        super().__init__()
        self._chain = tuple(chain)
        self.name = self._chain[0].name  # type: ignore[misc]  # it stands for its first solver
        for solver in self._chain:
            solver.counts = self.counts

    def takes(self, program: Program) -> bool:
        """See :meth:`Solver.takes`: the first solver decides, the others only help it."""
        return self._chain[0].takes(program)

    def open(self, program: Program) -> Session:
        """See :meth:`Solver.open`.

        Raises:
            InputError: the first solver does not take a program of this kind.
        """
        if not self.takes(program) and program.has_integers:
            raise InputError(f"solver '{self.name}' takes no whole numbers: choose scip or highs")
        if not self.takes(program):
            raise InputError(
                f"solver '{self.name}' cannot solve the programs of this norm: "
                "choose --solver clarabel, or another norm"
            )
        able = tuple(solver for solver in self._chain if solver.takes(program))
        return _ResilientSession(able, program, self.counts)


class _ResilientSession(Session):
    def __init__(self, chain: tuple[Solver, ...], program: Program, counts: SolverCounts) -> None:
        super().__init__(program)
        self._chain = chain
        self._counts = counts
        self._session = chain[0].open(program)

    def solve(
        self,
        time_limit: float = float("inf"),
        hint: Float64 | None = None,
        stop: Stop = NO_STOP,
    ) -> Solution:
        """See :meth:`Session.solve`."""
        deadline = time.monotonic() + time_limit
        solution = self._session.solve(time_limit, hint, stop)
        for solver in self._chain[1:]:
            if solution.ending is not Ending.FAILED:
                return solution
            self._counts.retries += 1
            left = deadline - time.monotonic()
            solution = solver.open(self.program).solve(left, hint, stop)
            # Whatever state led to the failure is left behind.
            self._session = self._chain[0].open(self.program)
        if solution.ending is Ending.FAILED:
            self._counts.failures += 1
        return solution

    def _bounds_changed(self, before: Program) -> None:
        self._session.change_bounds(self.program.lower, self.program.upper)

    def _cost_changed(self, before: Program) -> None:
        self._session.change_cost(self.program.cost)

    def _rows_added(self, rows: Rows) -> None:
        self._session.add_rows(rows)
