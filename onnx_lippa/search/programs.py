"""Branch and bound over signs by linear programs, for conjunctions that relate inputs.

A program meets all relations at once, and bounds pairs of units that hardly differ together
(``differences.py``). Its bound is exact for the relaxation; an ascent with so many multipliers
takes hundreds of steps to come near it. The optimum also chooses the unit to split: the one whose
z is farthest from its ReLU.
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
from typing_extensions import override

from onnx_lippa.arrays import Float64, States
from onnx_lippa.bounds.dual.ascent import Ascent
from onnx_lippa.bounds.dual.back_substitution import ReluRelaxation
from onnx_lippa.bounds.dual.objectives import Objectives, Units
from onnx_lippa.bounds.dual.weighted import choose_objective
from onnx_lippa.bounds.proven import EPSILON, ProvenBounds
from onnx_lippa.bounds.reduced.reduction import decide_signs
from onnx_lippa.bounds.reduced_network import ReducedNetwork
from onnx_lippa.clock import OutOfTimeError
from onnx_lippa.ending import OUT_OF_MEMORY, OUT_OF_NODES, OUT_OF_TIME, Ending, Reason
from onnx_lippa.ir.pattern import ACTIVE, INACTIVE, UNDECIDED
from onnx_lippa.lp.duality import certified_bound, violation_program, without_cost
from onnx_lippa.lp.program import Program
from onnx_lippa.lp.solvers.table import make_solver
from onnx_lippa.search.base import Limits, Search, SearchResult, margin_rows
from onnx_lippa.search.differences import Differences
from onnx_lippa.spec import Conjunction, Rows
from onnx_lippa.witness import Effort, Offer

_NEAR: Final = 1e-9
"""Share of its terms up to which the margin of a replayed candidate may be above 0."""
_TIE: Final = Reason(Ending.TIE, "a margin is zero but for rounding")
_POSITIVE: Final = ProvenBounds.from_rationals([Fraction(float(np.finfo(np.float64).tiny))])
"""A bound of which only the sign is known."""


@dataclass(frozen=True, order=True)
class _Node:
    """A subproblem; ordered by bound, then by age.

    Attributes:
        bound: proven lower bound of the objective under all constraints.
        age: its number.
    """

    bound: float
    age: int


@dataclass(frozen=True)
class _Content:
    """Bounds and signs of a node's units, and the optimum (e, z) of its program."""

    lower: Float64
    upper: Float64
    signs: States
    optimum: Float64


@dataclass(frozen=True)
class _Task:
    """One conjunction.

    Attributes:
        rows: its rows, over e and z.
        objective: the rows that are bounded; the others are constraints.
        differences: constraints of pairs of units, valid under the others.
        rounding: the size up to which a margin may be 0.
    """

    rows: Objectives
    objective: np.ndarray
    differences: Differences
    rounding: float


@final
class ProgramSearch(Search):
    """Branch and bound by linear programs over a box."""

    def __init__(
        self, reduced: ReducedNetwork, disjuncts: Sequence[Conjunction], offer: Offer
    ) -> None:
        super().__init__(reduced, disjuncts, offer)
        self._units, self._solver = Units.of(reduced), make_solver("glop")
        self._nodes, self._found = 0, False
        self._undecided: Reason | None = None

    @override
    def run(self, limits: Limits) -> SearchResult:
        reason: Reason | None = None
        for disjunct in self._disjuncts:
            try:
                reason = self._refute(disjunct, limits)
            except OutOfTimeError:
                reason = OUT_OF_TIME
            reason = reason or self._undecided
            if self._found or reason:
                break
        proven = ProvenBounds.vacuous() if self._found or reason else _POSITIVE
        counts = self._solver.counts
        effort = Effort(nodes=self._nodes, lps=counts.solves, lp_seconds=counts.seconds)
        return SearchResult(self._found, reason, proven, effort)

    def _refute(self, disjunct: Conjunction, limits: Limits) -> Reason | None:
        """Proves that no input meets a conjunction, or says which limit was reached."""
        s = self._reduced
        rows = margin_rows(s, [disjunct], self._units)
        objective = choose_objective(rows, np.arange(rows.count))
        relations = rows.take(np.flatnonzero(~np.any(rows.on_units != 0, axis=1)))
        differences = Differences.of(s, relations, Ascent(self._units, limits.deadline))
        rounding = _NEAR * float(1 + rows.sizes[objective].max())
        task = _Task(rows, objective, differences, rounding)
        lower, upper = s.unit_lower.copy(), s.unit_upper.copy()
        open_: list[tuple[_Node, _Content]] = []
        self._bound(task, lower, upper, decide_signs(lower, upper), -np.inf, open_, limits)
        while open_ and not self._found:
            if time.monotonic() > limits.deadline:
                return OUT_OF_TIME
            if self._nodes >= limits.nodes:
                return OUT_OF_NODES
            if len(open_) * (25 * s.units + 8 * s.inputs + 500) > limits.memory:
                return OUT_OF_MEMORY
            node, content = heapq.heappop(open_)
            unit = self._choose_unit(content)
            if unit < 0 or (-node.bound <= task.rounding and self._is_exact(content)):
                self._undecided = _TIE
                return None
            for sign in (ACTIVE, INACTIVE):
                lower, upper = content.lower.copy(), content.upper.copy()
                signs = content.signs.copy()
                signs[unit] = sign
                side = lower if sign > 0 else upper
                side[unit] = max(side[unit], 0.0) if sign > 0 else min(side[unit], 0.0)
                differences.tighten(lower[None], upper[None], signs[None])
                if np.all(lower <= upper):
                    self._bound(task, lower, upper, signs, node.bound, open_, limits)
        return None

    def _choose_unit(self, content: _Content) -> int:
        """The undecided unit whose z is farthest from its ReLU; -1 where all are decided."""
        gap = self._gap(content)
        return int(gap.argmax()) if gap.max(initial=-1.0) >= 0 else -1

    def _is_exact(self, content: _Content) -> bool:
        """Whether the optimum's units are those of the network, but for rounding."""
        return bool(np.all(self._gap(content) <= _NEAR * (1 + self._units.sizes)))

    def _gap(self, content: _Content) -> Float64:
        """(units,) how far undecided units are from their ReLUs; -1 for others."""
        d = self._reduced.inputs
        e, z = content.optimum[:d], content.optimum[d:]
        z_hat = self._units.on_input @ e + self._units.on_units @ z + self._units.offset
        gap: Float64 = np.where(content.signs == UNDECIDED, np.abs(z - np.maximum(z_hat, 0)), -1.0)
        return gap

    def _bound(
        self,
        task: _Task,
        lower: Float64,
        upper: Float64,
        signs: States,
        parent: float,
        open_: list[tuple[_Node, _Content]],
        limits: Limits,
    ) -> None:
        """Bounds a node, offers its optimum, and keeps the node where it is open."""
        program = self._program(task, lower, upper, signs)
        self._nodes += 1
        left = max(limits.deadline - time.monotonic(), 1e-3)
        solution = self._solver.open(program).solve(left)
        if solution.ending is Ending.OPTIMAL:
            bound = max(parent, certified_bound(program, solution.duals))
            if bound > 0:
                return
            optimum = solution.values[:-1]
            self._found = self._found or self._accept(task, optimum[: self._reduced.inputs])
            content = _Content(lower, upper, signs, optimum)
            heapq.heappush(open_, (_Node(bound, self._nodes), content))
        elif not (solution.ending is Ending.INFEASIBLE and self._is_empty(program, left)):
            if time.monotonic() > limits.deadline:
                self._undecided = OUT_OF_TIME
            else:
                self._undecided = Reason(
                    Ending.FAILED, "a linear program at a node could not be solved"
                )

    def _is_empty(self, program: Program, time_limit: float) -> bool:
        """Whether multipliers prove that the rows contradict each other."""
        solution = self._solver.open(violation_program(program)).solve(time_limit)
        if solution.ending is not Ending.OPTIMAL:
            return False
        return certified_bound(without_cost(program), solution.duals) > 0

    def _accept(self, task: _Task, e: Float64) -> bool:
        """Offers a point whose rows are at most 0, or nearly."""
        x = self._reduced.domain.at(e[None])
        z = np.maximum(self._reduced.pre_activations(x), 0.0)[0]
        rows = task.rows
        margins = rows.on_input @ e + rows.on_units @ z + rows.offset
        near = np.all(margins <= _NEAR * (1 + rows.sizes))
        return bool(near) and self._offer(self._reduced.embed(x)[0])

    def _program(self, task: _Task, lower: Float64, upper: Float64, signs: States) -> Program:
        """``min τ`` with the objective's rows at most τ and the others at most 0, over (e, z, τ).

        The rows are relaxed by the errors of their coefficients.
        """
        u, d, n = self._units, self._reduced.inputs, self._reduced.units
        lines = task.differences.rows
        known = task.rows.with_others(lines)
        tau = np.concatenate([-task.objective.astype(np.float64), np.zeros(lines.count)])
        z_hat, z = np.hstack([u.on_input, u.on_units]), np.eye(n, d + n, d)
        active, inactive, undecided = (
            np.flatnonzero(signs == k) for k in (ACTIVE, INACTIVE, UNDECIDED)
        )
        line = ReluRelaxation.of(lower[undecided], upper[undecided], signs[undecided])
        room = u.error + 4 * EPSILON * (u.sizes + u.most)
        above = line.slope * (u.offset[undecided] + room[undecided]) + line.intercept
        above += 8 * EPSILON * (np.abs(u.offset[undecided]) + u.sizes[undecided] + line.intercept)
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
        z_low = np.where(signs == ACTIVE, np.maximum(lower, 0), 0.0)
        z_high = np.where(signs == INACTIVE, 0.0, np.maximum(np.maximum(upper, 0), z_low))
        # Without bounds of τ duals would prove nothing.
        most = 2 * float((task.rows.sizes + task.rows.error)[task.objective].max()) + 1
        ends = np.ones(d)
        cost = np.zeros(d + n + 1)
        cost[-1] = 1.0
        return Program(
            cost,
            np.concatenate([-ends, z_low, [-most]]),
            np.concatenate([ends, z_high, [most]]),
            rows,
        )
