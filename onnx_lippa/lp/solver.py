"""The interface between those who state programs and those who solve them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar, Final

from onnx_lippa.arrays import Float64
from onnx_lippa.lp.program import Program, Rows
from onnx_lippa.lp.solution import Solution


@dataclass
class SolverCounts:
    """What a solver has done so far; it only ever grows.

    Attributes:
        solves: programs solved (each re-solve after a change counts).
        retries: solves repeated cold or by the fallback solver after a failure.
        failures: solves that no attempt finished.
        seconds: wall time inside the solvers.
    """

    solves: int = 0
    retries: int = 0
    failures: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Stop:
    """When the solve of a mixed-integer program may end early, besides its time.

    Linear programs are solved to their end. A value to be reached is no limit here, since the
    solvers do not share one: a row that cuts the objective off, and a stop at the first solution,
    ask the same of all of them.

    Attributes:
        solutions: number of incumbents after which it ends, or None.
        nodes: number of subproblems after which it ends, or None.
    """

    solutions: int | None = None
    nodes: int | None = None


NO_STOP: Final = Stop()
"""To the end."""


class Session(ABC):
    """One program held open by a solver, changed in place and solved again from where it was.

    Args:
        program: the program to start from.
    """

    def __init__(self, program: Program) -> None:
        self.program = program

    @abstractmethod
    def solve(
        self,
        time_limit: float = float("inf"),
        hint: Float64 | None = None,
        stop: Stop = NO_STOP,
    ) -> Solution:
        """Solves the program as it now stands.

        Args:
            time_limit: seconds.
            hint: (variables,) values that are feasible or nearly so, for a solver of
                mixed-integer programs to start from. The answer may depend on them only where it
                is not unique or a limit is hit.
            stop: further limits.
        """

    def change_bounds(self, lower: Float64, upper: Float64) -> None:
        """Replaces the bounds of all variables."""
        before, self.program = self.program, replace(self.program, lower=lower, upper=upper)
        self._bounds_changed(before)

    def change_cost(self, cost: Float64) -> None:
        """Replaces the linear objective."""
        before, self.program = self.program, replace(self.program, cost=cost)
        self._cost_changed(before)

    def add_rows(self, rows: Rows) -> None:
        """Adds constraints behind those that are there."""
        self.program = replace(self.program, rows=rows.stacked_on(self.program.rows))
        self._rows_added(rows)

    def _bounds_changed(self, before: Program) -> None:  # noqa: B027  # a hook, empty by design
        """Hook: tells the solver of new bounds."""

    def _cost_changed(self, before: Program) -> None:  # noqa: B027  # a hook, empty by design
        """Hook: tells the solver of a new objective."""

    def _rows_added(self, rows: Rows) -> None:  # noqa: B027  # a hook, empty by design
        """Hook: tells the solver of new rows."""


class Solver(ABC):
    """Opens sessions. A solver holds no state but its counts, so sessions are independent."""

    name: ClassVar[str]

    def __init__(self) -> None:
        self.counts = SolverCounts()

    @abstractmethod
    def takes(self, program: Program) -> bool:
        """Whether a program of this kind (quadratic, with a cone or integers) can be solved."""

    @abstractmethod
    def open(self, program: Program) -> Session:
        """A session that starts from scratch on a program the solver takes."""
