"""OR-Tools' solvers through MathOpt.

The model is written into MathOpt's protocol buffers from arrays: building it term by term in
Python costs more than solving it. One session is one incremental MathOpt solver, so a change of
bounds, cost or rows starts from the last basis.
"""

from __future__ import annotations

import datetime
import math
import signal
import time
from abc import abstractmethod
from collections.abc import Callable
from contextlib import nullcontext

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

from onnx_lippa.arrays import Float64
from onnx_lippa.ending import Ending
from onnx_lippa.lp.program import Program, Rows
from onnx_lippa.lp.solution import Solution
from onnx_lippa.lp.solver import NO_STOP, Session, Solver, SolverCounts, Stop
from onnx_lippa.lp.solvers.interrupts import deferred_interrupts
from onnx_lippa.lp.solvers.quiet import quiet_stderr

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
"""Seconds from which on a limit is none; the protocol's durations end before infinity."""

_GAP = 1e-7
"""Between incumbent and bound, absolute and relative, where a mixed-integer program counts as
solved: as fine as the tolerances of such solvers bear. HiGHS would stop at 1e-4."""


class MathOptSolver(Solver):
    """A solver of MathOpt; a subclass names it and sets its parameters."""

    @property
    @abstractmethod
    def solver_type(self) -> int:
        """The solver's number in MathOpt."""

    @abstractmethod
    def parameters(self) -> parameters_pb2.SolveParametersProto:
        """Parameters of every solve."""

    def takes(self, program: Program) -> bool:
        """See :meth:`Solver.takes`."""
        quadratic = program.curvature is None or self.takes_quadratic
        whole = not program.has_integers or self.takes_integers
        return program.cone is None and quadratic and whole

    def open(self, program: Program) -> Session:
        """See :meth:`Solver.open`."""
        return MathOptSession(program, self.solver_type, self.parameters, self.counts, self.talks)

    @property
    def talks(self) -> bool:
        """Whether the solver prints warnings unless its messages are taken from it."""
        return False

    @property
    def takes_quadratic(self) -> bool:
        """Whether a diagonal quadratic objective is allowed."""
        return False

    @property
    def takes_integers(self) -> bool:
        """Whether variables may have to be whole numbers."""
        return False


class MathOptSession(Session):
    """One model inside MathOpt."""

    def __init__(
        self,
        program: Program,
        solver_type: int,
        parameters: Callable[[], parameters_pb2.SolveParametersProto],
        counts: SolverCounts,
        talks: bool,
    ) -> None:
        super().__init__(program)
        self._listener = _drop if talks else None
        self._type, self._parameters, self._counts = solver_type, parameters, counts
        self._solver: core.Solver | None = None
        self._refusal = ""
        self._open()

    def _open(self) -> None:
        """Opens a solver on the program, and keeps the reason where MathOpt does not take it."""
        self._solver, model = None, _model(self.program)
        try:
            self._solver = core.new(self._type, model, parameters_pb2.SolverInitializerProto())
        except Exception as error:  # noqa: BLE001  # see solve
            self._refusal = str(error)

    def solve(
        self,
        time_limit: float = float("inf"),
        hint: Float64 | None = None,
        stop: Stop = NO_STOP,
    ) -> Solution:
        """See :meth:`Session.solve`."""
        if self._solver is None:
            self._counts.solves += 1
            return _failed(self._refusal)
        parameters = self._parameters()
        if time_limit < _LONGEST:
            parameters.time_limit.FromTimedelta(datetime.timedelta(seconds=max(0.0, time_limit)))
        model_parameters = model_parameters_pb2.ModelSolveParametersProto()
        if self.program.has_integers:
            _limit(parameters, stop)
            if hint is not None:
                start = model_parameters.solution_hints.add().variable_values
                start.ids.extend(range(hint.size))
                start.values.extend(hint)
        started = time.perf_counter()
        try:
            noise = quiet_stderr() if self.program.has_integers else nullcontext()
            with deferred_interrupts(), noise:
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

    def _bounds_changed(self, before: Program) -> None:
        """Sends only what differs."""
        update = model_update_pb2.ModelUpdateProto()
        for new, old, field in (
            (self.program.lower, before.lower, update.variable_updates.lower_bounds),
            (self.program.upper, before.upper, update.variable_updates.upper_bounds),
        ):
            changed = np.flatnonzero(new != old)
            field.ids.extend(changed)
            field.values.extend(new[changed])
        self._send(update)

    def _cost_changed(self, before: Program) -> None:
        """Sends only what differs."""
        update = model_update_pb2.ModelUpdateProto()
        changed = np.flatnonzero(self.program.cost != before.cost)
        coefficients = update.objective_updates.linear_coefficients
        coefficients.ids.extend(changed)
        coefficients.values.extend(self.program.cost[changed])
        self._send(update)

    def _rows_added(self, rows: Rows) -> None:
        update = model_update_pb2.ModelUpdateProto()
        _write_rows(
            rows,
            self.program.rows.count - rows.count,
            update.new_linear_constraints,
            update.linear_constraint_matrix_updates,
        )
        self._send(update)

    def _send(self, update: model_update_pb2.ModelUpdateProto) -> None:
        # HiGHS takes no updates in place: it gets the changed model from scratch. So does what
        # MathOpt refused, or refuses now.
        try:
            taken = self._solver is not None and self._solver.update(update)
        except Exception:  # noqa: BLE001  # see solve
            taken = False
        if not taken:
            self._open()


def _drop(_messages: list[str]) -> None:
    """Takes a solver's messages, so that it does not print them."""


def _failed(detail: str) -> Solution:
    return Solution(Ending.FAILED, np.zeros(0), math.nan, detail)


def _limit(parameters: parameters_pb2.SolveParametersProto, stop: Stop) -> None:
    """Adds what only concerns mixed-integer programs."""
    parameters.absolute_gap_tolerance = parameters.relative_gap_tolerance = _GAP
    if stop.solutions is not None:
        parameters.solution_limit = stop.solutions
    if stop.nodes is not None:
        parameters.node_limit = stop.nodes


def _solution(program: Program, result: result_pb2.SolveResultProto) -> Solution:
    """What MathOpt says, in our words."""
    termination = result.termination
    ending = _ENDINGS.get(termination.reason, Ending.FAILED)
    if termination.reason in _STOPPED:
        ending = _LIMITS.get(termination.limit, Ending.OUT_OF_TIME)
    values, objective, duals = np.zeros(0), math.nan, np.zeros(0)
    # A linear program that was stopped may hold a point too, which is of no use to anybody.
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


def _model(program: Program) -> model_pb2.ModelProto:
    model = model_pb2.ModelProto()
    variables = model.variables
    variables.ids.extend(range(program.variables))
    variables.lower_bounds.extend(program.lower)
    variables.upper_bounds.extend(program.upper)
    whole = np.zeros(program.variables, bool) if program.integers is None else program.integers
    variables.integers.extend(whole)
    used = np.flatnonzero(program.cost)
    model.objective.linear_coefficients.ids.extend(used)
    model.objective.linear_coefficients.values.extend(program.cost[used])
    if program.curvature is not None:
        curved = np.flatnonzero(program.curvature)
        quadratic = model.objective.quadratic_coefficients
        quadratic.row_ids.extend(curved)
        quadratic.column_ids.extend(curved)
        quadratic.coefficients.extend(program.curvature[curved] / 2)
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
