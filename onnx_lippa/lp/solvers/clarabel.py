"""Clarabel, an interior-point solver of conic programs: the one for the ℓ2 norm."""

from __future__ import annotations

import math
import time
from typing import final

import clarabel
import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from typing_extensions import override

from onnx_lippa.arrays import Float64
from onnx_lippa.ending import Ending
from onnx_lippa.lp.program import Program
from onnx_lippa.lp.solver import NO_LIMITS, Session, Solution, SolveLimits, Solver, SolverCounts
from onnx_lippa.spec import Rows

_ENDINGS = {
    str(clarabel.SolverStatus.Solved): Ending.OPTIMAL,
    str(clarabel.SolverStatus.AlmostSolved): Ending.OPTIMAL,
    str(clarabel.SolverStatus.PrimalInfeasible): Ending.INFEASIBLE,
    str(clarabel.SolverStatus.MaxTime): Ending.OUT_OF_TIME,
}

_ACCURACY = 1e-8
"""Tolerance of an optimum. With a ball constraint, a finer one is not reached reliably."""
_FINE_GAP, _FINE_FEASIBILITY = 1e-12, 1e-10
"""Tolerances without a ball constraint. A distance is the root of twice its objective, so an error
of 1e-8 there would be one of 1e-4 in a small distance."""


@final
class Clarabel(Solver):
    """Linear and quadratic programs, with or without a ball; no integers, no warm start."""

    name = "clarabel"

    @override
    def takes(self, program: Program) -> bool:
        return not program.has_integers

    @override
    def open(self, program: Program) -> Session:
        return ClarabelSession(program, self.counts)


@final
class ClarabelSession(Session):
    """Keeps the program and solves it afresh each time."""

    def __init__(self, program: Program, counts: SolverCounts) -> None:
        super().__init__(program)
        self._counts = counts

    @override
    def solve(
        self,
        time_limit: float = float("inf"),
        warm_start: Float64 | None = None,
        limits: SolveLimits = NO_LIMITS,
    ) -> Solution:
        program = self.program
        settings = _settings(fine=program.ball is None)
        if math.isfinite(time_limit):
            settings.time_limit = max(time_limit, 1e-6)
        quadratic_cost = (
            np.zeros(program.variables)
            if program.quadratic_cost is None
            else program.quadratic_cost
        )
        matrix, right, cones = _conic_form(program)
        started = time.perf_counter()
        result = clarabel.DefaultSolver(
            sp.csc_matrix(sp.diags_array(quadratic_cost)),
            program.cost,
            matrix,
            right,
            cones,
            settings,
        ).solve()
        self._counts.solves += 1
        self._counts.seconds += time.perf_counter() - started
        ending = _ENDINGS.get(str(result.status), Ending.FAILED)
        duals = _duals(program, np.asarray(result.z))
        detail = str(result.status)
        if ending is Ending.INFEASIBLE:
            return Solution(ending, np.zeros(0), math.nan, detail, math.inf, duals=duals)
        if ending is not Ending.OPTIMAL:
            return Solution(ending, np.zeros(0), math.nan, detail)
        value = float(result.obj_val)
        return Solution(ending, np.asarray(result.x), value, "", value, duals=duals)


def _settings(fine: bool) -> clarabel.DefaultSettings:
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.max_threads = 1
    settings.tol_gap_abs = settings.tol_gap_rel = _FINE_GAP if fine else _ACCURACY
    settings.tol_feas = _FINE_FEASIBILITY if fine else _ACCURACY
    # Without further progress, this still counts as (almost) solved.
    settings.reduced_tol_gap_abs = settings.reduced_tol_gap_rel = _ACCURACY
    settings.reduced_tol_feas = _ACCURACY
    return settings


def _conic_form(program: Program) -> tuple[sp.csc_matrix, Float64, list[object]]:
    """``A v + s = b`` with s in a product of cones: equalities, inequalities, then the ball."""
    identity = sp.csr_array(sp.eye_array(program.variables))
    every = program.rows.append(Rows(identity, program.lower, program.upper))
    equal, below, above = _sides(every)
    blocks = [every.matrix[equal], every.matrix[below], -every.matrix[above]]
    sides = [every.upper[equal], every.upper[below], -every.lower[above]]
    cones: list[object] = [
        clarabel.ZeroConeT(int(equal.sum())),
        clarabel.NonnegativeConeT(int(below.sum() + above.sum())),
    ]
    if program.ball is not None:
        d = program.ball.center.size
        # (radius, v - center) in the second-order cone.
        blocks.append(sp.vstack([sp.csr_array((1, program.variables)), -identity[:d]]))
        sides.append(np.concatenate([[program.ball.radius], -program.ball.center]))
        cones.append(clarabel.SecondOrderConeT(d + 1))
    return sp.csc_matrix(sp.vstack(blocks)), np.concatenate(sides), cones


def _sides(every: Rows) -> tuple[npt.NDArray[np.bool_], ...]:
    """Which rows are equalities, which others have an upper side, and which a lower one."""
    equal = every.lower == every.upper
    return equal, ~equal & np.isfinite(every.upper), ~equal & np.isfinite(every.lower)


def _duals(program: Program, z: Float64) -> Float64:
    """Multipliers of the rows, which come first among those of the conic form."""
    equal, below, above = _sides(program.rows)
    bounds = _sides(Rows(sp.csr_array((0, 0)), program.lower, program.upper))
    duals = np.zeros(program.rows.count)
    first = 0
    for rows, of_variables, sign in zip((equal, below, above), bounds, (-1, -1, 1), strict=True):
        count = int(rows.sum())
        duals[rows] += sign * z[first : first + count]
        first += count + int(of_variables.sum())
    return duals
