"""The interface between those who state programs and those who solve them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar

from onnx_lippa.arrays import Float64
from onnx_lippa.programs.program import Program, Rows
from onnx_lippa.programs.solution import Solution


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


class Session(ABC):
    """One program held open by a solver, changed in place and solved again from where it was.

    Args:
        program: the program to start from.
    """

    def __init__(self, program: Program) -> None:
        self.program = program

    @abstractmethod
    def solve(self, time_limit: float = float("inf")) -> Solution:
        """Solves the program as it now stands, within a time limit in seconds."""

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
        """Whether a program of this kind (linear, quadratic, with a cone) can be solved."""

    @abstractmethod
    def open(self, program: Program) -> Session:
        """A session that starts from scratch on a program the solver takes."""
