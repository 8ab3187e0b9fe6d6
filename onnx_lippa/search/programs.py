"""Branch and bound over signs by linear programs, for conjunctions that relate inputs.

A program meets all relations at once, and bounds units that hardly differ together
(``differences.py``). Its bound is exact for the relaxation, where an ascent with so many
multipliers takes hundreds of steps to come near it: trees of thousands of nodes became trees of
dozens. The optimum also says which unit to split: the one whose z is farthest from its ReLU.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, final

import numpy as np
import scipy.sparse as sp

from onnx_lippa.arrays import Float64, States
from onnx_lippa.bounds.dual.ascent import Ascent
from onnx_lippa.bounds.dual.dual import EPSILON, Objectives, Units
from onnx_lippa.bounds.dual.relaxed import Relaxed
from onnx_lippa.bounds.dual.weighted import objective_of
from onnx_lippa.bounds.proven import Proven
from onnx_lippa.bounds.reduced.folding import states_by
from onnx_lippa.bounds.reduced.system import RectifiedSystem
from onnx_lippa.clock import OutOfTimeError
from onnx_lippa.ending import Ending
from onnx_lippa.lp.duality import certified_bound, violation_program, without_cost
from onnx_lippa.lp.program import Program, Rows
from onnx_lippa.lp.solvers.table import make_solver
from onnx_lippa.search.base import (
    MEMORY_USED_UP,
    NODES_USED_UP,
    Limits,
    Offer,
    Search,
    SearchResult,
    SearchStatus,
    rows_of,
)
from onnx_lippa.search.differences import Differences
from onnx_lippa.spec import Conjunction

_NEAR: Final = 1e-9
"""Candidates whose margin is at most this much above 0, as a share of its terms, are replayed."""
_TIE: Final = "a margin is zero but for rounding"
_POSITIVE: Final = Proven.exactly([Fraction(float(np.finfo(np.float64).tiny))])
"""A bound that says no more than that it is positive."""


@dataclass(frozen=True, order=True)
class _Node:
    """A subproblem; ordered by bound, then by age.

    Attributes:
        bound: proven lower bound of the objective where all constraints are met.
        age: its number.
    """

    bound: float
    age: int


@dataclass(frozen=True)
class _Inside:
    """What a node holds: bounds and signs of units, and the optimum (e, z) of its program."""

    lower: Float64
    upper: Float64
    state: States
    optimum: Float64


@dataclass(frozen=True)
class _Asked:
    """One conjunction.

    Attributes:
        rows: its rows, over e and z.
        objective: which of them count; the others are constraints.
        differences: what holds of pairs of units where the constraints are met.
        rounding: a margin of this size may be 0.
    """

    rows: Objectives
    objective: np.ndarray
    differences: Differences
    rounding: float


@final
class ProgramSearch(Search):
    """Linear programs over signs of units, of a system whose ball is a box."""

    def __init__(
        self, system: RectifiedSystem, disjuncts: Sequence[Conjunction], offer: Offer
    ) -> None:
        super().__init__(system, disjuncts, offer)
        self._units, self._solver = Units.of(system), make_solver("glop")
        self._nodes, self._found, self._undecided = 0, False, ""

    def run(self, limits: Limits) -> SearchResult:
        """Searches until everything is proven, an input is accepted, or a limit is reached."""
        reason = ""
        for disjunct in self._disjuncts:
            try:
                reason = self._refute(disjunct, limits)
            except OutOfTimeError as error:
                reason = str(error)
            reason = reason or self._undecided
            if self._found or reason:
                break
        status = SearchStatus.OPEN if reason else SearchStatus.PROVEN
        if self._found:
            status, reason = SearchStatus.UNSAFE, ""
        proven = _POSITIVE if status is SearchStatus.PROVEN else Proven.nothing()
        return SearchResult(status, proven, self._nodes, self._nodes, reason, reason == _TIE)

    def _refute(self, disjunct: Conjunction, limits: Limits) -> str:
        """Proves that no input meets a conjunction; the limit that was reached, or nothing."""
        s = self._system
        rows = rows_of(s, [disjunct], self._units)
        objective = objective_of(rows, np.arange(rows.count))
        relations = rows.take(np.flatnonzero(~np.any(rows.on_units != 0, axis=1)))
        differences = Differences.of(s, relations, Ascent(self._units, limits.deadline))
        rounding = _NEAR * float(1 + rows.sizes[objective].max())
        asked = _Asked(rows, objective, differences, rounding)
        lower, upper = s.unit_lower.copy(), s.unit_upper.copy()
        open_: list[tuple[_Node, _Inside]] = []
        self._bound(asked, lower, upper, states_by(lower, upper), -np.inf, open_, limits)
        while open_ and not self._found:
            if time.monotonic() > limits.deadline:
                return "its time was used up"
            if self._nodes >= limits.nodes:
                return NODES_USED_UP
            if len(open_) * (25 * s.units + 8 * s.inputs + 500) > limits.memory:
                return MEMORY_USED_UP
            node, inside = heapq.heappop(open_)
            unit = self._unit(inside)
            if unit < 0 or (-node.bound <= asked.rounding and self._is_exact(inside)):
                self._undecided = _TIE
                return ""
            for sign in (1, -1):
                lower, upper = inside.lower.copy(), inside.upper.copy()
                state = inside.state.copy()
                state[unit] = sign
                side = lower if sign > 0 else upper
                side[unit] = max(side[unit], 0.0) if sign > 0 else min(side[unit], 0.0)
                differences.tighten(lower[None], upper[None], state[None])
                if np.all(lower <= upper):
                    self._bound(asked, lower, upper, state, node.bound, open_, limits)
        return ""

    def _unit(self, inside: _Inside) -> int:
        """The undecided unit whose z is farthest from its ReLU; -1 where none is undecided."""
        gap = self._gap(inside)
        return int(gap.argmax()) if gap.max(initial=-1.0) >= 0 else -1

    def _is_exact(self, inside: _Inside) -> bool:
        """Whether the network has the optimum's units, but for rounding."""
        return bool(np.all(self._gap(inside) <= _NEAR * (1 + self._units.sizes)))

    def _gap(self, inside: _Inside) -> Float64:
        """(units,) how far undecided units are from their ReLUs; -1 for others."""
        d = self._system.inputs
        e, z = inside.optimum[:d], inside.optimum[d:]
        z_hat = self._units.on_input @ e + self._units.on_units @ z + self._units.offset
        gap: Float64 = np.where(inside.state == 0, np.abs(z - np.maximum(z_hat, 0)), -1.0)
        return gap

    def _bound(
        self,
        asked: _Asked,
        lower: Float64,
        upper: Float64,
        state: States,
        parent: float,
        open_: list[tuple[_Node, _Inside]],
        limits: Limits,
    ) -> None:
        """Bounds a node, offers its optimum, and keeps it where it is not closed."""
        program = self._program(asked, lower, upper, state)
        self._nodes += 1
        left = max(limits.deadline - time.monotonic(), 1e-3)
        solution = self._solver.open(program).solve(left)
        if solution.ending is Ending.OPTIMAL:
            bound = max(parent, certified_bound(program, solution.duals))
            if bound > 0:
                return
            optimum = solution.values[:-1]
            self._found = self._found or self._accepts(asked, optimum[: self._system.inputs])
            inside = _Inside(lower, upper, state, optimum)
            heapq.heappush(open_, (_Node(bound, self._nodes), inside))
        elif not (solution.ending is Ending.INFEASIBLE and self._is_empty(program, left)):
            if time.monotonic() > limits.deadline:
                self._undecided = "its time was used up"
            else:
                self._undecided = "a linear program at a node could not be solved"

    def _is_empty(self, program: Program, time_limit: float) -> bool:
        """Whether multipliers prove that no point meets the rows."""
        solution = self._solver.open(violation_program(program)).solve(time_limit)
        if solution.ending is not Ending.OPTIMAL:
            return False
        return certified_bound(without_cost(program), solution.duals) > 0

    def _accepts(self, asked: _Asked, e: Float64) -> bool:
        """Offers the point where its rows are at most 0, or nearly."""
        x = self._system.reach.at(e[None])
        z = np.maximum(self._system.pre_activations(x), 0.0)[0]
        rows = asked.rows
        margins = rows.on_input @ e + rows.on_units @ z + rows.offset
        near = np.all(margins <= _NEAR * (1 + rows.sizes))
        return bool(near) and self._offer(self._system.whole(x)[0])

    def _program(self, asked: _Asked, lower: Float64, upper: Float64, state: States) -> Program:
        """``min τ`` with the objective's rows at most τ and the others at most 0, over (e, z, τ).

        Rows let through what the network gives wherever their coefficients are off.
        """
        u, d, n = self._units, self._system.inputs, self._system.units
        lines = asked.differences.rows
        known = asked.rows.with_others(lines)
        tau = np.concatenate([-asked.objective.astype(np.float64), np.zeros(lines.count)])
        z_hat, z = np.hstack([u.on_input, u.on_units]), np.eye(n, d + n, d)
        active, inactive, undecided = (np.flatnonzero(state == k) for k in (1, -1, 0))
        line = Relaxed.of(lower[undecided], upper[undecided], state[undecided])
        room = u.error + 4 * EPSILON * (u.sizes + u.most)
        above = line.slope * (u.offset[undecided] + room[undecided]) + line.height
        above += 8 * EPSILON * (np.abs(u.offset[undecided]) + u.sizes[undecided] + line.height)
        infinite = np.inf
        blocks = (
            (np.hstack([known.on_input, known.on_units]), None, known.error - known.offset),
            ((z - z_hat)[active], (u.offset - room)[active], (u.offset + room)[active]),
            (z_hat[inactive], None, (room - u.offset)[inactive]),
            ((z - z_hat)[undecided], (u.offset - room)[undecided], None),
            (z[undecided] - line.slope[:, None] * z_hat[undecided], None, above),
        )
        matrix = np.concatenate([block[0] for block in blocks])
        taus = np.concatenate([tau, np.zeros(len(matrix) - tau.size)])
        low, high = (
            np.concatenate(
                [
                    np.full(len(block[0]), side * infinite) if (end := block[place]) is None
                    else np.nextafter(end, side * infinite)
                    for block in blocks
                ]
            )
            for place, side in ((1, -1.0), (2, 1.0))
        )  # fmt: skip
        rows = Rows(sp.csr_array(np.column_stack([matrix, taus])), low, high)
        z_low = np.where(state == 1, np.maximum(lower, 0), 0.0)
        z_high = np.where(state == -1, 0.0, np.maximum(np.maximum(upper, 0), z_low))
        # τ is bounded by what rows can be, so that duals prove something.
        most = 2 * float((asked.rows.sizes + asked.rows.error)[asked.objective].max()) + 1
        ends = np.ones(d)
        cost = np.zeros(d + n + 1)
        cost[-1] = 1.0
        return Program(
            cost,
            np.concatenate([-ends, z_low, [-most]]),
            np.concatenate([ends, z_high, [most]]),
            rows,
        )
