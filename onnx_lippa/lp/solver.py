"""The interface between those who state programs and those who solve them.

A :class:`Solver` opens a :class:`Session` on a program, and each solve gives a :class:`Solution`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from onnx_lippa.arrays import Float64
from onnx_lippa.ending import Ending
from onnx_lippa.lp.program import Program
from onnx_lippa.spec import Rows


@dataclass(frozen=True)
class Solution:
    """The result of one solve. A solver's word is no proof.

    Attributes:
        ending: OPTIMAL, INFEASIBLE, a limit, or FAILED.
        values: the variables at the optimum, or at the incumbent of a mixed-integer program that
            reached a limit; empty without either.
        objective: the cost there (NaN without values).
        detail: the solver's message where it FAILED.
        bound: the solver's lower bound of the cost: the objective of a linear program, at most
            that of a mixed-integer one; inf where INFEASIBLE, -inf where unknown.
        nodes: nodes of a mixed-integer program's branch and bound.
        duals: multipliers of the rows of a program without integers, positive on lower sides and
            negative on upper ones; a dual ray where INFEASIBLE. Empty where the solver gives
            none. :func:`certified_bound` makes a proof of them.
    """

    ending: Ending
    values: Float64
    objective: float
    detail: str = ""
    bound: float = -np.inf
    nodes: int = 0
    duals: Float64 = field(default_factory=lambda: np.zeros(0))


@dataclass
class SolverCounts:
    """The work of a solver so far; the counts only grow.

    Attributes:
        solves: programs solved (each re-solve after a change counts).
        retries: solves repeated by a fallback after a failure.
        failures: solves that no solver finished.
        seconds: wall time inside the solvers.
    """

    solves: int = 0
    retries: int = 0
    failures: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class SolveLimits:
    """Limits of the solve of a mixed-integer program, besides its time.

    Linear programs are solved to optimality. There is no limit on the objective, since the
    solvers do not share one: a row that bounds the cost and a limit of one solution have the same
    effect in all of them.

    Attributes:
        solutions: incumbents after which it ends, or None.
        nodes: nodes after which it ends, or None.
    """

    solutions: int | None = None
    nodes: int | None = None


NO_LIMITS: Final = SolveLimits()
"""No limit but time."""


class Session(ABC):
    """A program held by a solver, changed in place and solved again from its last state.

    Args:
        program: the program to start from.
    """

    def __init__(self, program: Program) -> None:
        self.program = program

    @abstractmethod
    def solve(
        self,
        time_limit: float = float("inf"),
        warm_start: Float64 | None = None,
        limits: SolveLimits = NO_LIMITS,
    ) -> Solution:
        """Solves the program in its present form.

        Args:
            time_limit: seconds.
            warm_start: (variables,) values, feasible or nearly so, from which a mixed-integer
                solver starts. The result depends on them only where the optimum is not unique or
                a limit is reached.
            limits: further limits of a mixed-integer program.
        """

    def change_bounds(self, lower: Float64, upper: Float64) -> None:
        """Replaces the bounds of all variables."""
        self.program = replace(self.program, lower=lower, upper=upper)

    def change_cost(self, cost: Float64) -> None:
        """Replaces the linear objective."""
        self.program = replace(self.program, cost=cost)

    def add_rows(self, rows: Rows) -> None:
        """Appends constraints."""
        self.program = replace(self.program, rows=self.program.rows.append(rows))


class Solver(ABC):
    """Opens sessions. A solver holds no state but its counts, so sessions are independent.

    Attributes:
        name: the name in the table of solvers.
        counts: its work so far.
    """

    name: str

    def __init__(self) -> None:
        self.counts = SolverCounts()

    @abstractmethod
    def takes(self, program: Program) -> bool:
        """Whether it solves programs of this kind: quadratic, with a ball or integers."""

    @abstractmethod
    def open(self, program: Program) -> Session:
        """Opens a session on a program that the solver takes."""
