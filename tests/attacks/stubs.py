"""Solvers, judges and runtimes that misbehave."""

from __future__ import annotations

import math

import numpy as np

from onnx_lippa.ending import Ending
from onnx_lippa.lp.program import Program
from onnx_lippa.lp.solver import Session, Solution, Solver


class StubSolver(Solver):
    """Answers every program with the same ending, and with values that ``values`` makes up."""

    name = "stub"

    def __init__(self, ending, values=None):
        super().__init__()
        self.ending, self.values, self.asked = ending, values, 0

    def takes(self, program: Program) -> bool:
        return True

    def open(self, program: Program) -> Session:
        return StubSession(self, program)


class StubSession(Session):
    def __init__(self, solver: StubSolver, program: Program) -> None:
        super().__init__(program)
        self._solver = solver

    def solve(self, time_limit: float = math.inf) -> Solution:
        self._solver.asked += 1
        if self._solver.ending is not Ending.OPTIMAL:
            return Solution(self._solver.ending, np.zeros(0), math.nan, "stub")
        return Solution(Ending.OPTIMAL, self._solver.values(self.program), 0.0)


class Untouchable:
    """Stands where nothing may be asked."""

    def __getattr__(self, name: str):
        raise AssertionError(f"{name} was asked for")
