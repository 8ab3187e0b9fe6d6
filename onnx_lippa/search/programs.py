"""Branch and bound over signs by linear programs, for conjunctions that relate inputs.

A program meets all relations at once, and bounds pairs of units that hardly differ together
(``differences.py``). Its bound is exact for the relaxation; an ascent with so many multipliers
takes hundreds of steps to come near it. The optimum also chooses the unit to split: the one whose
z is farthest from its ReLU.
"""

from __future__ import annotations

import heapq
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
from onnx_lippa.ending import OUT_OF_TIME, Ending, Reason
from onnx_lippa.ir.pattern import ACTIVE, INACTIVE, UNDECIDED
from onnx_lippa.lp.duality import certified_bound, violation_program, without_cost
from onnx_lippa.lp.program import Program
from onnx_lippa.lp.solver import Solution
from onnx_lippa.lp.solvers.table import make_solver
from onnx_lippa.search.base import (
    Limits,
    ReducedSearch,
    count_programs,
    express_margins,
    express_relations,
)
from onnx_lippa.search.differences import Differences
from onnx_lippa.search.leaves import bound_outputs, relate_units, split_signs
from onnx_lippa.spec import Conjunction, Rows
from onnx_lippa.witness import Effort, Offer

_NEAR: Final = 1e-9
"""Share of its terms up to which the margin of a replayed candidate may be above 0."""
_TIE: Final = Reason(Ending.TIE, "a margin is zero but for rounding")
_FAILED: Final = Reason(Ending.FAILED, "a linear program at a node could not be solved")
_POSITIVE: Final = ProvenBounds.from_rationals([Fraction(float(np.finfo(np.float64).tiny))])
"""A bound of which only the sign is known."""
_LEAST_SECONDS: Final = 1e-3


@dataclass(frozen=True)
class _Node:
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
        known: further functions that are at most 0: relations of the inputs, and lines of pairs.
        differences: constraints of pairs of units, valid under the others.
        rounding: the size up to which a margin may be 0.
    """

    rows: Objectives
    objective: np.ndarray
    known: Objectives
    differences: Differences
    rounding: float


@final
class ProgramSearch(ReducedSearch):
    """Branch and bound by linear programs over a box. It proves signs of margins."""

    def __init__(
        self, reduced: ReducedNetwork, disjuncts: Sequence[Conjunction], offer: Offer
    ) -> None:
        super().__init__(reduced, disjuncts, offer)
        self._units, self._solver = Units.of(reduced), make_solver("glop")

    @override
    def _effort(self) -> Effort:
        return super()._effort() + count_programs(self._solver)

    @override
    def _explore(self, limits: Limits) -> Reason | None:
        for disjunct in self._disjuncts:
            reason = self._refute(disjunct, limits) or self._undecided
            if self._found or reason:
                return reason
        self._in_work = _POSITIVE
        return None

    def _refute(self, disjunct: Conjunction, limits: Limits) -> Reason | None:
        """Proves that no input meets a conjunction, or says which limit was reached."""
        s = self._reduced
        rows = express_margins(s, [disjunct], self._units)
        objective = choose_objective(rows, np.arange(rows.count))
        relations = rows.take(np.flatnonzero(~np.any(rows.on_units != 0, axis=1)))
        inputs = express_relations(s, self._units)
        if inputs is not None:
            relations = relations.concatenate(inputs)
        differences = Differences.of(s, relations, Ascent(self._units, limits.deadline))
        lines = differences.rows
        known = lines if inputs is None else inputs.concatenate(lines)
        rounding = _NEAR * float(1 + rows.sizes[objective].max())
        task = _Task(rows, objective, known, differences, rounding)
        lower, upper = s.unit_lower.copy(), s.unit_upper.copy()
        open_: list[tuple[float, int, _Node]] = []
        self._bound(task, lower, upper, decide_signs(lower, upper), -np.inf, open_, limits)
        each = 25 * s.units + 8 * s.inputs + 500
        while open_ and not self._found:
            if reason := limits.check(self._nodes, len(open_) * each):
                return reason
            bound, _, node = heapq.heappop(open_)
            gap = self._gap(node)
            unit = int(gap.argmax()) if gap.max(initial=-1.0) >= 0 else -1
            is_exact = bool(np.all(gap <= _NEAR * (1 + self._units.sizes)))
            if unit < 0 or (-bound <= task.rounding and is_exact):
                self._undecided = _TIE
                return None
            for sign in (ACTIVE, INACTIVE):
                lower, upper = node.lower.copy(), node.upper.copy()
                signs = node.signs.copy()
                signs[unit] = sign
                side = lower if sign > 0 else upper
                side[unit] = max(side[unit], 0.0) if sign > 0 else min(side[unit], 0.0)
                differences.refine(lower[None], upper[None], signs[None])
                if np.all(lower <= upper):
                    self._bound(task, lower, upper, signs, bound, open_, limits)
        return None

    def _gap(self, node: _Node) -> Float64:
        """(units,) how far undecided units are from their ReLUs; -1 for others."""
        d = self._reduced.inputs
        e, z = node.optimum[:d], node.optimum[d:]
        z_hat = self._units.on_input @ e + self._units.on_units @ z + self._units.offset
        gap: Float64 = np.where(node.signs == UNDECIDED, np.abs(z - np.maximum(z_hat, 0)), -1.0)
        return gap

    def _bound(
        self,
        task: _Task,
        lower: Float64,
        upper: Float64,
        signs: States,
        parent: float,
        open_: list[tuple[float, int, _Node]],
        limits: Limits,
    ) -> None:
        """Bounds a node, offers its optimum, and keeps the node where it is open."""
        program = self._program(task, lower, upper, signs)
        self._nodes += 1
        solution = self._solve(program, limits)
        if solution.ending is Ending.OPTIMAL:
            bound = max(parent, certified_bound(program, solution.duals))
            if bound > 0:
                return
            optimum = solution.values[:-1]
            self._found = self._found or self._accept(task, optimum[: self._reduced.inputs])
            heapq.heappush(open_, (bound, self._nodes, _Node(lower, upper, signs, optimum)))
        elif not (solution.ending is Ending.INFEASIBLE and self._is_empty(program, limits)):
            self._undecided = OUT_OF_TIME if limits.seconds_left < 0 else _FAILED

    def _is_empty(self, program: Program, limits: Limits) -> bool:
        """Whether multipliers prove that the rows contradict each other."""
        solution = self._solve(violation_program(program), limits)
        if solution.ending is not Ending.OPTIMAL:
            return False
        return certified_bound(without_cost(program), solution.duals) > 0

    def _solve(self, program: Program, limits: Limits) -> Solution:
        return self._solver.open(program).solve(max(limits.seconds_left, _LEAST_SECONDS))

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
        known = task.rows.concatenate(task.known)
        _, _, undecided = split_signs(signs)
        line = ReluRelaxation.of(lower[undecided], upper[undecided], signs[undecided])
        room = u.error + 4 * EPSILON * (u.sizes + u.most)
        above = line.slope * (u.offset[undecided] + room[undecided]) + line.intercept
        above += 8 * EPSILON * (np.abs(u.offset[undecided]) + u.sizes[undecided] + line.intercept)
        z_hat = np.hstack([u.on_input, u.on_units])
        matrix, low, high = relate_units(z_hat, u.offset, signs, line.slope, above, room)
        taus = np.zeros(known.count + len(matrix))
        taus[: task.rows.count] = -task.objective.astype(np.float64)
        over_units = np.concatenate([np.hstack([known.on_input, known.on_units]), matrix])
        rows = Rows(
            sp.csr_array(np.column_stack([over_units, taus])),
            np.nextafter(np.concatenate([np.full(known.count, -np.inf), low]), -np.inf),
            np.nextafter(np.concatenate([known.error - known.offset, high]), np.inf),
        )
        z_low, z_high = bound_outputs(lower, upper, signs)
        # Without bounds of τ duals would prove nothing.
        most = 2 * float((task.rows.sizes + task.rows.error)[task.objective].max()) + 1
        ends, cost = np.ones(d), np.zeros(d + n + 1)
        cost[-1] = 1.0
        return Program(
            cost,
            np.concatenate([-ends, z_low, [-most]]),
            np.concatenate([ends, z_high, [most]]),
            rows,
        )
