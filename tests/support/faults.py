"""Solvers, methods and runtimes that misbehave."""

from __future__ import annotations

import ctypes
import math
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar

import numpy as np
from threadpoolctl import threadpool_info
from typing_extensions import override

from onnx_lippa.attacks import LpAttack
from onnx_lippa.attacks.schedule import make_schedule
from onnx_lippa.attacks.stages.state import AttackStage
from onnx_lippa.ending import Ending
from onnx_lippa.lp.program import Program
from onnx_lippa.lp.solver import NO_LIMITS, Session, Solution, SolveLimits, Solver
from onnx_lippa.lp.solvers.table import make_single
from onnx_lippa.onnx_io import Model
from onnx_lippa.runs import session as runs_session
from onnx_lippa.spec import Problem, Rows, Specification
from onnx_lippa.state import Budget
from onnx_lippa.witness import Result


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

    def solve(self, time_limit: float = math.inf, *_: object, **__: object) -> Solution:
        self._solver.asked += 1
        if self._solver.ending is not Ending.OPTIMAL:
            return Solution(self._solver.ending, np.zeros(0), math.nan, "on purpose")
        return Solution(Ending.OPTIMAL, self._solver.values(self.program), 0.0)


class Untouchable:
    """Stands where nothing may be asked."""

    def __getattr__(self, name: str):
        raise AssertionError(f"{name} was asked for")


FAULTS = ("raise", "memory", "segfault", "kill", "exit", "hang", "hold")
"""Besides these there are "parent", which takes a Dask worker down, and "wait", which is slow."""


def fail(kind: str) -> None:
    """Does what a faulty library may do; only in a worker where it would end the process."""
    if kind == "raise":
        raise ValueError("argmax of an empty sequence")
    if kind == "memory":
        raise MemoryError
    if multiprocessing.parent_process() is None:
        return
    if kind == "segfault":
        ctypes.string_at(0)
    elif kind == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif kind == "parent":
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(3600)
    elif kind == "exit":
        os._exit(3)
    elif kind == "wait":
        time.sleep(3)
    elif kind == "hang":
        time.sleep(3600)
    elif kind == "hold":
        ctypes.PyDLL(None).sleep(3600)  # in C, with Python's lock


@dataclass(frozen=True)
class FaultySpecification(Specification):
    """Fails when the problem of some input is made, as a search may fail over it."""

    faults: tuple[tuple[int, str], ...] = ()

    def problem(self, index: int, *rest: Any) -> Problem:
        kind = dict(self.faults).get(index)
        if kind is not None:
            fail(kind)
        return super().problem(index, *rest)


@dataclass(frozen=True)
class FaultyMethod(LpAttack):
    """Fails in every attack with a time limit."""

    fault: str = ""
    name: ClassVar[str] = "faulty"

    @override
    def schedule(self, problem: Problem, is_cheap: bool) -> tuple[AttackStage, ...]:
        return make_schedule(self, problem, is_cheap)

    @override
    def solve(self, model: Model, problems: Sequence[Problem], budget: Budget) -> Iterator[Result]:
        if self.fault and budget.time_limit < 1e6:
            fail(self.fault)
        return super().solve(model, problems, budget)


def count_threads(_state: Any, _task: Any) -> Iterator[int]:
    """Threads that a worker's linear algebra takes, some of it loaded only now."""
    import_module("scipy.linalg")
    yield max(library["num_threads"] for library in threadpool_info())


class FakeSession(Session):
    """Ends as the script says, then solves with GLOP."""

    def __init__(self, owner: Fake, program: Program) -> None:
        super().__init__(program)
        self.owner = owner
        self.changes = 0

    def solve(
        self,
        time_limit: float = float("inf"),
        warm_start: np.ndarray | None = None,
        limits: SolveLimits = NO_LIMITS,
    ) -> Solution:
        self.owner.limits.append(time_limit)
        self.owner.told.append((warm_start, limits))
        self.owner.seen.append(self.program)
        self.owner.counts.solves += 1
        time.sleep(self.owner.seconds)
        status = self.owner.script.pop(0) if self.owner.script else Ending.OPTIMAL
        if status is not Ending.OPTIMAL:
            return Solution(status, np.zeros(0), np.nan, "on purpose")
        return make_single("glop").open(self.program).solve()

    def change_bounds(self, lower: np.ndarray, upper: np.ndarray) -> None:
        super().change_bounds(lower, upper)
        self.changes += 1

    def change_cost(self, cost: np.ndarray) -> None:
        super().change_cost(cost)
        self.changes += 1

    def add_rows(self, rows: Rows) -> None:
        super().add_rows(rows)
        self.changes += 1


class Fake(Solver):
    """A solver that ends its solves as the script says."""

    name = "fake"

    def __init__(self, *script: Ending, seconds: float = 0.0, linear_only: bool = False) -> None:
        super().__init__()
        self.script, self.seconds, self.linear_only = list(script), seconds, linear_only
        self.limits: list[float] = []
        self.seen: list[Program] = []
        self.told: list[tuple[np.ndarray | None, SolveLimits]] = []
        self.opened: list[FakeSession] = []

    def takes(self, program: Program) -> bool:
        return program.is_linear or not self.linear_only

    def open(self, program: Program) -> Session:
        session = FakeSession(self, program)
        self.opened.append(session)
        return session


REAL = runs_session.Session._work


def stop_after(monkeypatch, count, error=KeyboardInterrupt):
    """The attack is interrupted once so many outcomes are settled."""

    def stopping(session):
        for number, event in enumerate(REAL(session)):
            if number == count:
                raise error
            yield event

    monkeypatch.setattr(runs_session.Session, "_work", stopping)
