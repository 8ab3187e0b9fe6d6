"""Branch and bound over the signs of a small network's ReLUs, with proofs in rational arithmetic.

A node fixes some signs. Its linear program, solved in floating point, maximises the depth of a
point inside margins and signs. Where they contradict each other, its multipliers are made exact
and checked (``refutation.py``). Otherwise its point is a candidate, and the node is split at the
ReLU that the point violates most. Inputs need no bounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Final, final

import numpy as np
import scipy.sparse as sp
from typing_extensions import override

from onnx_lippa.arrays import Float64, States
from onnx_lippa.ending import Ending, Reason
from onnx_lippa.ir.pattern import ACTIVE, INACTIVE, UNDECIDED
from onnx_lippa.lp.program import Program
from onnx_lippa.lp.solvers.table import make_solver
from onnx_lippa.search.base import Limits, Search, count_programs
from onnx_lippa.search.exact_system import AffineSum, ExactSystem, Range, build_margin_row
from onnx_lippa.search.refutation import Row, proves_contradiction
from onnx_lippa.spec import Conjunction, Rows
from onnx_lippa.witness import Effort, Offer

_DEPTH: Final = 1.0
_OTHER_DEPTHS: Final = (1e3, 1e6, 1e-2)
"""Depths of candidates inside margins and signs. Far out rounding is coarse, so after a refusal
candidates are sought deeper, and less deep."""
_HOPELESS: Final = 1e-5
"""A refutation is tried where the value is above minus this: solvers are no more exact."""
_SECONDS: Final = 10.0
"""Time limit of one program."""
_ONE: Final = Fraction(1)
_UNDECIDED: Final = Reason(
    Ending.REFUSED, "a margin is zero but for rounding, or a replay refused a candidate"
)


@final
class ExactSearch(Search):
    """The search of one exact system. It proves signs of margins, and bounds none.

    Args:
        system: the network over the stated inputs.
        disjuncts: the unsafe outputs, with exact coefficients.
        offer: replays candidates.
    """

    def __init__(self, system: ExactSystem, disjuncts: Sequence[Conjunction], offer: Offer) -> None:
        super().__init__(disjuncts, offer)
        self._system, self._solver = system, make_solver("glop")
        self._states = _Relations(system)
        self._known: dict[int, tuple[Row, Float64]] = {}

    @override
    def _effort(self) -> Effort:
        return super()._effort() + count_programs(self._solver)

    @override
    def _explore(self, limits: Limits) -> Reason | None:
        for disjunct in self._disjuncts:
            reason = self._refute(disjunct, limits)
            if self._found or reason:
                return reason
        return None

    def _refute(self, disjunct: Conjunction, limits: Limits) -> Reason | None:
        """Proves that no input meets a conjunction, or says which limit was reached."""
        margins = [
            Row(build_margin_row(self._system, row, bound), is_strict=bool(strict), is_soft=True)
            for row, bound, strict in zip(
                disjunct.matrix, disjunct.bound, disjunct.each_strict, strict=True
            )
        ]
        pending = [np.zeros(len(self._system.units), np.int8)]
        while pending:
            if reason := limits.check(self._nodes):
                return reason
            state = pending.pop()
            rows = margins + self._states.rows(state)
            point, value, multipliers = self._solve(rows, limits)
            if value > -_HOPELESS and proves_contradiction(rows, multipliers, limits.deadline):
                continue
            unit = self._states.most_violated(state, point)
            self._found = self._accept(point) or (
                unit < 0 and value < -_HOPELESS and self._offer_elsewhere(rows, limits)
            )
            if self._found:
                return None
            if unit < 0:
                self._undecided = _UNDECIDED
                continue
            for sign in self._states.order(unit, point):
                child = state.copy()
                child[unit] = sign
                pending.append(child)
        return None

    def _accept(self, point: Float64) -> bool:
        """Offers a point, if there is one."""
        return point.size > 0 and self._offer(point[: len(self._system.inputs)])

    def _offer_elsewhere(self, rows: Sequence[Row], limits: Limits) -> bool:
        """Offers candidates of other depths; True where one is accepted."""
        for depth in _OTHER_DEPTHS:
            point, value, _ = self._solve(rows, limits, depth)
            if value < 0 and self._accept(point):
                return True
        return False

    def _solve(
        self, rows: Sequence[Row], limits: Limits, deepest: float = _DEPTH
    ) -> tuple[Float64, float, Float64]:
        """The deepest point, minus its depth, and multipliers; empty where the solve fails."""
        self._nodes += 1
        n = len(self._system.inputs) + len(self._system.units)
        try:
            stated = np.array([self._in_floats(row) for row in rows])
        except OverflowError:  # beyond float64
            return np.zeros(0), 0.0, np.zeros(len(rows))
        depth = np.zeros(n + 4)
        depth[n:] = 1.0, -deepest, np.inf, 1.0
        stated = np.vstack([stated, depth])
        matrix, lower, upper, scale = np.split(stated, [n + 1, n + 2, n + 3], axis=1)
        lower, upper, scale = lower[:, 0], upper[:, 0], scale[:-1, 0]
        cost = np.zeros(n + 1)
        cost[n] = 1.0
        free = np.full(n + 1, np.inf)
        program = Program(cost, -free, free, Rows(sp.csr_array(matrix), lower, upper))
        solution = self._solver.open(program).solve(min(_SECONDS, limits.seconds_left))
        if solution.ending is not Ending.OPTIMAL:
            return np.zeros(0), 0.0, np.zeros(len(rows))
        multipliers = -solution.duals[:-1] * scale if solution.duals.size else np.zeros(len(rows))
        return solution.values[:n], float(solution.values[n]), multipliers

    def _in_floats(self, row: Row) -> Float64:
        """A row for the solver: coefficients, that of the depth, both sides, the scale."""
        known = self._known.get(id(row))
        if known is not None:
            return known[1]
        n = len(self._system.inputs) + len(self._system.units)
        values = np.zeros(n + 4)
        for variable, value in row.left.terms.items():
            values[variable] = float(value)
        scale = 1.0 / (np.abs(values).max() or 1.0)
        side = -float(row.left.constant) * scale
        values *= scale
        values[n] = -scale if row.is_soft and not row.is_equality else 0.0
        values[n + 1 :] = side if row.is_equality else -np.inf, side, scale
        self._known[id(row)] = row, values
        return values


class _Relations:
    """The rows of signs, and their violation by a point."""

    def __init__(self, system: ExactSystem) -> None:
        self._units, self._inputs = system.units, len(system.inputs)
        self._box: list[Row] = []
        for i, within in enumerate(system.inputs):
            self._box += _between(AffineSum({i: _ONE}), within)
        bounds = enumerate(zip(system.units, system.unit_ranges, strict=True), start=self._inputs)
        self._by_sign = [
            _relate(AffineSum({variable: _ONE}), z_hat, within)
            for variable, (z_hat, within) in bounds
        ]

    def rows(self, signs: States) -> list[Row]:
        """The inequalities of a node."""
        rows = list(self._box)
        for by_sign, sign in zip(self._by_sign, signs.tolist(), strict=True):
            rows += by_sign[sign]
        return rows

    def most_violated(self, state: States, point: Float64) -> int:
        """The undecided unit that a point violates most; -1 where all are decided."""
        undecided = np.flatnonzero(state == 0)
        if not undecided.size:
            return -1
        if not point.size:
            return int(undecided[0])
        z_hat, z = self._at(point)
        violation = np.abs(z - np.maximum(z_hat, 0.0))[undecided] / (1.0 + np.abs(z[undecided]))
        return int(undecided[violation.argmax()])

    def order(self, unit: int, point: Float64) -> tuple[int, int]:
        """Both signs; the point's own comes last, since the last node is popped first."""
        if not point.size:
            return 1, -1
        z_hat, _ = self._at(point)
        return (-1, 1) if z_hat[unit] > 0 else (1, -1)

    def _at(self, point: Float64) -> tuple[Float64, Float64]:
        z_hat = np.array(
            [
                float(one.constant) + sum(float(c) * point[v] for v, c in one.terms.items())
                for one in self._units
            ]
        )
        return z_hat, point[self._inputs :]


def _between(x: AffineSum, within: Range) -> list[Row]:
    """``low <= x <= high``, each side strict or not."""
    rows, (above, below) = [], within.is_open
    if within.low is not None:
        rows.append(Row(-x + within.low, is_strict=above))
    if within.high is not None:
        rows.append(Row(x - within.high, is_strict=below))
    return rows


def _relate(z: AffineSum, z_hat: AffineSum, within: Range) -> dict[int, list[Row]]:
    """The rows of a unit by its sign.

    Undecided: ``z >= 0``, ``z >= ẑ`` and the upper line that the bounds of ẑ allow. With one bound
    infinite that is the limit of the chord: ``z <= ẑ - l``, or ``z <= u``.
    """
    relaxed, low, high = [Row(-z), Row(z_hat - z)], within.low, within.high
    if low is not None and high is not None:
        relaxed.append(Row(z - (z_hat - low) * (high / (high - low))))
    elif low is not None:
        relaxed.append(Row(z - z_hat + low))
    elif high is not None:
        relaxed.append(Row(z - high))
    active = [Row(z - z_hat, is_equality=True), Row(-z_hat, is_soft=True)]
    inactive = [Row(z, is_equality=True), Row(z_hat, is_soft=True)]
    return {UNDECIDED: relaxed, ACTIVE: active, INACTIVE: inactive}
