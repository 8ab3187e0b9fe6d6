"""OR-Tools' solvers through MathOpt.

The model is written into MathOpt's protocol buffers from arrays, since building it term by term in
Python costs more than solving it. One session is one incremental MathOpt solver, which starts from
its last basis after a change of bounds, cost or rows.
"""

from __future__ import annotations

import datetime
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Final, final

import numpy as np
from ortools.math_opt import (
    callback_pb2,
    model_parameters_pb2,
    model_pb2,
    model_update_pb2,
    parameters_pb2,
    result_pb2,
    sparse_containers_pb2,
)
from ortools.math_opt.core.python import solver as core
from typing_extensions import override

from onnx_lippa.arrays import Float64
from onnx_lippa.ending import Ending
from onnx_lippa.errors import InputError
from onnx_lippa.interrupts import defer_interrupts
from onnx_lippa.lp.program import Program
from onnx_lippa.lp.solver import NO_LIMITS, Session, Solution, SolveLimits, Solver, SolverCounts
from onnx_lippa.spec import Rows

_ENDINGS = {
    result_pb2.TERMINATION_REASON_OPTIMAL: Ending.OPTIMAL,
    result_pb2.TERMINATION_REASON_INFEASIBLE: Ending.INFEASIBLE,
}

_STOPPED = (
    result_pb2.TERMINATION_REASON_NO_SOLUTION_FOUND,
    result_pb2.TERMINATION_REASON_FEASIBLE,
)

_LIMITS = {
    result_pb2.LIMIT_NODE: Ending.OUT_OF_NODES,
    result_pb2.LIMIT_SOLUTION: Ending.ENOUGH_SOLUTIONS,
    result_pb2.LIMIT_MEMORY: Ending.OUT_OF_MEMORY,
    result_pb2.LIMIT_ITERATION: Ending.FAILED,  # it gave up, with time left
}
"""Limits by name. Any other one is that of time, which GLOP does not name."""

_LONGEST = 1e9
"""Seconds from which on there is no limit; the protocol's durations end before infinity."""

_GAP = 1e-7
"""Absolute and relative gap at which a mixed-integer program counts as solved: as fine as the
solvers' tolerances allow. The default of HiGHS is 1e-4."""


_STDERR: Final = 2
_stderr_lock = threading.Lock()
_kept_stderr: list[int] = []
"""The real stderr, once for each running block; one duplicate serves them all."""


@dataclass(frozen=True)
class Backend:
    """One solver of MathOpt.

    Attributes:
        name: its name here.
        solver_type: its number in MathOpt.
        parameters: makes the parameters of a solve.
        takes_quadratic: whether a diagonal quadratic cost is allowed.
        takes_integers: whether variables may have to be integers.
        verbose: whether it prints warnings unless its messages are taken from it.
        requirement: why it may not be there; empty if it comes with OR-Tools.
    """

    name: str
    solver_type: int
    parameters: Callable[[], parameters_pb2.SolveParametersProto]
    takes_quadratic: bool = False
    takes_integers: bool = False
    verbose: bool = False
    requirement: str = ""


@final
class MathOptSolver(Solver):
    """A solver of MathOpt.

    Args:
        backend: which one.

    Raises:
        InputError: it is not installed.
    """

    def __init__(self, backend: Backend) -> None:
        super().__init__()
        self.name, self.backend = backend.name, backend
        if backend.requirement:
            try:
                _new(backend, model_pb2.ModelProto())
            except Exception as error:  # of several classes
                raise InputError(
                    f"solver '{backend.name}' cannot be used, since {backend.requirement}"
                ) from error

    @override
    def takes(self, program: Program) -> bool:
        quadratic = program.quadratic_cost is None or self.backend.takes_quadratic
        whole = not program.has_integers or self.backend.takes_integers
        return program.ball is None and quadratic and whole

    @override
    def open(self, program: Program) -> Session:
        return MathOptSession(program, self.backend, self.counts)


@final
class MathOptSession(Session):
    """One model inside MathOpt."""

    def __init__(self, program: Program, backend: Backend, counts: SolverCounts) -> None:
        super().__init__(program)
        self._listener = _drop if backend.verbose else None
        self._backend, self._counts = backend, counts
        self._solver: core.Solver | None = None
        self._refusal = ""
        self._open()

    def _open(self) -> None:
        """Opens a solver on the program; keeps the reason where MathOpt refuses it."""
        self._solver, model = None, _model(self.program)
        try:
            self._solver = _new(self._backend, model)
        except Exception as error:  # noqa: BLE001  # see solve
            self._refusal = str(error)

    @override
    def solve(
        self,
        time_limit: float = float("inf"),
        warm_start: Float64 | None = None,
        limits: SolveLimits = NO_LIMITS,
    ) -> Solution:
        if self._solver is None:
            self._counts.solves += 1
            return _failed(self._refusal)
        parameters = self._backend.parameters()
        if time_limit < _LONGEST:
            parameters.time_limit.FromTimedelta(datetime.timedelta(seconds=max(0.0, time_limit)))
        model_parameters = model_parameters_pb2.ModelSolveParametersProto()
        if self.program.has_integers:
            _set_limits(parameters, limits)
            if warm_start is not None:
                start = model_parameters.solution_hints.add().variable_values
                start.ids.extend(range(warm_start.size))
                start.values.extend(warm_start)
        started = time.perf_counter()
        try:
            noise = quiet_stderr() if self.program.has_integers else nullcontext()
            with defer_interrupts(), noise:
                result = self._solver.solve(
                    parameters,
                    model_parameters,
                    self._listener,
                    callback_pb2.CallbackRegistrationProto(),
                    None,
                    None,
                )
        except Exception as error:  # noqa: BLE001
            # MathOpt hands a failed status over as an exception, of a class that depends on its
            # version (StatusNotOk derives from Exception alone). An interrupt is none of them.
            return _failed(str(error))
        finally:
            self._counts.solves += 1
            self._counts.seconds += time.perf_counter() - started
        if result.termination.limit == result_pb2.LIMIT_INTERRUPTED:
            signal.raise_signal(signal.SIGINT)  # the solver took it in Python's place
        return _solution(self.program, result)

    @override
    def change_bounds(self, lower: Float64, upper: Float64) -> None:
        update = model_update_pb2.ModelUpdateProto()
        variables = update.variable_updates
        _write_changes(self.program.lower, lower, variables.lower_bounds)
        _write_changes(self.program.upper, upper, variables.upper_bounds)
        super().change_bounds(lower, upper)
        self._send(update)

    @override
    def change_cost(self, cost: Float64) -> None:
        update = model_update_pb2.ModelUpdateProto()
        _write_changes(self.program.cost, cost, update.objective_updates.linear_coefficients)
        super().change_cost(cost)
        self._send(update)

    @override
    def add_rows(self, rows: Rows) -> None:
        super().add_rows(rows)
        update = model_update_pb2.ModelUpdateProto()
        _write_rows(
            rows,
            self.program.rows.count - rows.count,
            update.new_linear_constraints,
            update.linear_constraint_matrix_updates,
        )
        self._send(update)

    def _send(self, update: model_update_pb2.ModelUpdateProto) -> None:
        # HiGHS takes no updates: it gets the changed model from scratch, as does a solver that
        # refused the model or refuses the update.
        try:
            taken = self._solver is not None and self._solver.update(update)
        except Exception:  # noqa: BLE001  # see solve
            taken = False
        if not taken:
            self._open()


def _new(backend: Backend, model: model_pb2.ModelProto) -> core.Solver:
    return core.new(backend.solver_type, model, parameters_pb2.SolverInitializerProto())


def _drop(_messages: list[str]) -> None:
    """Takes a solver's messages, so that it prints none."""


def _failed(detail: str) -> Solution:
    return Solution(Ending.FAILED, np.zeros(0), math.nan, detail)


def _set_limits(parameters: parameters_pb2.SolveParametersProto, limits: SolveLimits) -> None:
    """Sets the gap and the limits of a mixed-integer program."""
    parameters.absolute_gap_tolerance = parameters.relative_gap_tolerance = _GAP
    if limits.solutions is not None:
        parameters.solution_limit = limits.solutions
    if limits.nodes is not None:
        parameters.node_limit = limits.nodes


def _solution(program: Program, result: result_pb2.SolveResultProto) -> Solution:
    """MathOpt's result as a :class:`Solution`."""
    termination = result.termination
    ending = _ENDINGS.get(termination.reason, Ending.FAILED)
    if termination.reason in _STOPPED:
        ending = _LIMITS.get(termination.limit, Ending.OUT_OF_TIME)
    values, objective, duals = np.zeros(0), math.nan, np.zeros(0)
    # A linear program that was stopped may hold a point too, which is of no use.
    holds = ending is Ending.OPTIMAL or (ending.is_limit and program.has_integers)
    if holds and result.solutions:
        best = result.solutions[0]
        values = _dense(best.primal_solution.variable_values, program.variables)
        objective = best.primal_solution.objective_value
        if program.is_linear:
            duals = _dense(best.dual_solution.dual_values, program.rows.count)
    if ending is Ending.INFEASIBLE and result.dual_rays:
        duals = _dense(result.dual_rays[0].dual_values, program.rows.count)
    bound = -math.inf
    if ending is Ending.INFEASIBLE:
        bound = math.inf
    elif program.has_integers and ending is not Ending.FAILED:
        bound = termination.objective_bounds.dual_bound
    elif ending is Ending.OPTIMAL:
        bound = objective
    nodes = int(result.solve_stats.node_count)
    return Solution(ending, values, objective, termination.detail, bound, nodes, duals)


def _dense(sparse: sparse_containers_pb2.SparseDoubleVectorProto, count: int) -> Float64:
    dense = np.zeros(count)
    dense[np.asarray(sparse.ids, dtype=np.int64)] = np.asarray(sparse.values)
    return dense


def _write_changes(
    old: Float64, new: Float64, values: sparse_containers_pb2.SparseDoubleVectorProto
) -> None:
    """Writes what differs."""
    changed = np.flatnonzero(new != old)
    values.ids.extend(changed)
    values.values.extend(new[changed])


def _model(program: Program) -> model_pb2.ModelProto:
    model = model_pb2.ModelProto()
    variables = model.variables
    variables.ids.extend(range(program.variables))
    variables.lower_bounds.extend(program.lower)
    variables.upper_bounds.extend(program.upper)
    whole = np.zeros(program.variables, bool) if program.integers is None else program.integers
    variables.integers.extend(whole)
    nothing = np.zeros(program.variables)
    _write_changes(nothing, program.cost, model.objective.linear_coefficients)
    if program.quadratic_cost is not None:
        used = np.flatnonzero(program.quadratic_cost)
        quadratic = model.objective.quadratic_coefficients
        quadratic.row_ids.extend(used)
        quadratic.column_ids.extend(used)
        quadratic.coefficients.extend(program.quadratic_cost[used] / 2)
    _write_rows(program.rows, 0, model.linear_constraints, model.linear_constraint_matrix)
    return model


def _write_rows(
    rows: Rows,
    first: int,
    constraints: model_pb2.LinearConstraintsProto,
    matrix: sparse_containers_pb2.SparseDoubleMatrixProto,
) -> None:
    constraints.ids.extend(range(first, first + rows.count))
    constraints.lower_bounds.extend(rows.lower)
    constraints.upper_bounds.extend(rows.upper)
    entries = rows.matrix.tocoo()
    # MathOpt wants entries by row, then column, and none of them zero.
    order = np.lexsort((entries.col, entries.row))
    order = order[entries.data[order] != 0]
    matrix.row_ids.extend(entries.row[order] + first)
    matrix.column_ids.extend(entries.col[order])
    matrix.coefficients.extend(entries.data[order])


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Redirects file descriptor 2 to the null device while the block runs, for all threads.

    SCIP and its LP solver report numerical trouble there, whatever their options. So does the log
    of OR-Tools until a program sets it up, which a library should not do. Blocks may overlap: the
    last one to end restores it.
    """
    with _stderr_lock:
        if not _kept_stderr:
            try:
                _kept_stderr.append(os.dup(_STDERR))
            except OSError:  # there is none
                _kept_stderr.append(-1)
            else:
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, _STDERR)
                os.close(nowhere)
        else:
            _kept_stderr.append(_kept_stderr[0])
    try:
        yield
    finally:
        with _stderr_lock:
            real = _kept_stderr.pop()
            if not _kept_stderr and real >= 0:
                os.dup2(real, _STDERR)
                os.close(real)
