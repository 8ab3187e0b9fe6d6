"""Solvers, judges and runtimes that misbehave."""

from __future__ import annotations

import math

import numpy as np

from onnx_lippa.lp.program import Program
from onnx_lippa.lp.solution import Solution, Status
from onnx_lippa.lp.solver import Session, Solver


class StubSolver(Solver):
    """Answers every program with the same status, and with values that ``values`` makes up."""

    name = "stub"

    def __init__(self, status, values=None):
        super().__init__()
        self.status, self.values, self.asked = status, values, 0

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
        if self._solver.status is not Status.OPTIMAL:
            return Solution(self._solver.status, np.zeros(0), math.nan, "stub")
        return Solution(Status.OPTIMAL, self._solver.values(self.program), 0.0)


class Untouchable:
    """Stands where nothing may be asked."""

    def __getattr__(self, name: str):
        raise AssertionError(f"{name} was asked for")
