"""Linear programs of nodes: exact where all signs are fixed, otherwise relaxed.

No solver is believed. The multipliers of a program are evaluated by the evaluator of all proofs
(``bounds/dual/certificate.py``), over ball and box.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, final

import numpy as np
import scipy.sparse as sp

from onnx_lippa.arrays import Float64, States
from onnx_lippa.bounds.dual.back_substitution import ReluRelaxation
from onnx_lippa.bounds.dual.certificate import prove
from onnx_lippa.bounds.dual.objectives import Units
from onnx_lippa.bounds.dual.weighted import WeightedRows
from onnx_lippa.bounds.proven import ProvenBounds
from onnx_lippa.bounds.reduced_network import ReducedNetwork
from onnx_lippa.ending import Ending
from onnx_lippa.ir.pattern import ACTIVE, INACTIVE, UNDECIDED
from onnx_lippa.lp.duality import elastic_program, violation_program
from onnx_lippa.lp.program import Program
from onnx_lippa.lp.solver import Solution
from onnx_lippa.lp.solvers.table import make_solver
from onnx_lippa.search.base import margin_rows
from onnx_lippa.spec import Conjunction, Rows
from onnx_lippa.witness import Effort

_PRICE: Final = 1e4
"""Price of a violated row, where a node may be empty but for rounding."""


@dataclass(frozen=True)
class LeafAnswer:
    """The answer of a program about a node.

    Attributes:
        proven: (1,) lower bound of the disjunct's margin; infinite where the node is empty, -inf
            where nothing is proven.
        x: (d,) the minimiser of the margin; None without one, as where no solver finished.
        margin: the margin of the reduced network there, in float64; NaN without one.
    """

    proven: ProvenBounds
    x: Float64 | None
    margin: float = np.nan

    @property
    def bound(self) -> float:
        """The bound as a number."""
        return self.proven.value


@dataclass(frozen=True)
class _Multipliers:
    """The multipliers of a dual bound.

    Attributes:
        weights: (rows,) of the margins, at least 0.
        nu: (units,) ν, the multipliers of ẑ.
    """

    weights: Float64
    nu: Float64


@final
class Leaves:
    """The programs of one system, over its ball and box.

    Args:
        reduced: the reduced network.
    """

    def __init__(self, reduced: ReducedNetwork) -> None:
        self._reduced, self._units = reduced, Units.of(reduced)
        self._inputs = reduced.domain.embedding()
        self._solver = make_solver("glop" if self._inputs.ball is None else "clarabel")

    @property
    def effort(self) -> Effort:
        """The programs solved, and their seconds."""
        counts = self._solver.counts
        return Effort(lps=counts.solves, lp_seconds=counts.seconds)

    def decide(
        self,
        disjunct: Conjunction,
        lower: Float64,
        upper: Float64,
        signs: States,
        time_limit: float = np.inf,
    ) -> LeafAnswer:
        """The least margin under some signs.

        Args:
            disjunct: the unsafe outputs.
            lower: (units,) lower bounds of ẑ under the signs.
            upper: (units,) upper bounds.
            signs: (units,) signs; unstable units are relaxed to their triangle.
            time_limit: seconds.
        """
        program, node = self.build_program(disjunct, lower, upper, signs), (lower, upper, signs)
        solution = self._solve(program, time_limit)
        if solution.ending is Ending.INFEASIBLE:
            return self._decide_empty(disjunct, program, solution.duals, node, time_limit)
        if solution.ending is not Ending.OPTIMAL:
            return LeafAnswer(ProvenBounds.vacuous(), None)
        proven = self._prove(disjunct, *node, solution.duals)
        x = self._inputs.at(solution.values[: self._inputs.count])
        return LeafAnswer(proven, x, float(disjunct.margins(self._reduced.forward(x[None]))[0]))

    def _decide_empty(
        self,
        disjunct: Conjunction,
        program: Program,
        ray: Float64,
        node: tuple[Float64, Float64, States],
        time_limit: float,
    ) -> LeafAnswer:
        """A node that a solver calls infeasible: proves it empty, or bounds all that is near it."""
        if program.is_linear:  # a simplex solver gives no reason why
            ray = self._solve(violation_program(program), time_limit).duals
        if self._prove(disjunct, *node, ray, empty=True).value > 0:
            return LeafAnswer(ProvenBounds.of_empty(), None)
        solution = self._solve(elastic_program(program, _PRICE), time_limit)
        if solution.ending is not Ending.OPTIMAL:
            return LeafAnswer(ProvenBounds.vacuous(), None)
        x = self._inputs.at(solution.values[: self._inputs.count])
        margin = float(disjunct.margins(self._reduced.forward(x[None]))[0])
        return LeafAnswer(self._prove(disjunct, *node, solution.duals), x, margin)

    def _solve(self, program: Program, time_limit: float) -> Solution:
        return self._solver.open(program).solve(max(time_limit, 1e-3))

    def _prove(
        self,
        disjunct: Conjunction,
        lower: Float64,
        upper: Float64,
        signs: States,
        duals: Float64,
        empty: bool = False,
    ) -> ProvenBounds:
        """A lower bound of the margin from any duals of :meth:`build_program`.

        With ``empty`` it bounds 0 in place of the margin; a positive bound proves the node empty.
        """
        rows = len(disjunct.bound)
        if duals.size < rows or not np.all(np.isfinite(duals)):
            return ProvenBounds.vacuous()
        found = self._multipliers(duals, rows, signs, lower, upper)
        weights = np.zeros(rows) if empty else found.weights
        if not empty and not weights.sum() > 0:
            return ProvenBounds.vacuous()
        every = margin_rows(self._reduced, [disjunct], self._units)
        summed = WeightedRows.of(every, np.array([rows]), np.ones(rows))
        # The weight of a single row is 1, unless 0 is bounded.
        objectives = summed.weighted(weights[None])
        relaxed = ReluRelaxation.of(lower[None], upper[None], signs[None])
        m = objectives.on_units[0] + found.nu @ self._reduced.on_units
        # ν is m - β where a unit is active, β where it is not, and α m on a lower line.
        beta = np.maximum(np.where(signs == ACTIVE, m - found.nu, found.nu), 0.0)[None]
        alpha = relaxed.alphas(np.clip(found.nu / np.where(m > 0, m, 1.0), 0.0, 1.0)[None])
        proven, _ = prove(self._units, objectives, relaxed, alpha, beta)
        return proven if empty else summed.margins(weights[None], proven)

    def _multipliers(
        self, duals: Float64, rows: int, signs: States, lower: Float64, upper: Float64
    ) -> _Multipliers:
        """The multipliers from duals, in the order of the rows of :meth:`build_program`."""
        active, inactive, undecided = (
            np.flatnonzero(signs == k) for k in (ACTIVE, INACTIVE, UNDECIDED)
        )
        counts = (rows, active.size, inactive.size, undecided.size, undecided.size)
        margins, on, off, below, above = np.split(duals, np.cumsum(counts))[: len(counts)]
        nu = np.zeros(signs.size)
        nu[active], nu[inactive] = on, np.maximum(-off, 0.0)
        slope = upper[undecided] / (upper[undecided] - lower[undecided])
        nu[undecided] = np.maximum(below, 0.0) + slope * above
        weights = np.maximum(-margins, 0.0)
        if rows == 1 and weights[0] > 0:
            # Its margin is the objective, so the multiplier is 1 but for rounding.
            return _Multipliers(np.ones(1), nu / weights[0])
        total = weights.sum()
        return _Multipliers(weights / total, nu / total) if total > 0 else _Multipliers(weights, nu)

    def build_program(
        self, disjunct: Conjunction, lower: Float64, upper: Float64, signs: States
    ) -> Program:
        """``min τ`` with every margin at most τ, over (p, z, τ) for ``x = offset + matrix @ p``."""
        s, inputs = self._reduced, self._inputs
        count, units = inputs.count, s.units
        on_input, offset = s.on_input @ inputs.matrix, s.offset + s.on_input @ inputs.offset
        active, inactive, undecided = (
            np.flatnonzero(signs == k) for k in (ACTIVE, INACTIVE, UNDECIDED)
        )
        # ẑ over (p, z, τ), and z.
        z_hat = np.hstack([on_input, s.on_units, np.zeros((units, 1))])
        z = np.hstack([np.zeros((units, count)), np.eye(units), np.zeros((units, 1))])
        slope = upper[undecided] / (upper[undecided] - lower[undecided])
        matrix, bound = disjunct.matrix, disjunct.bound
        margins_on_x = matrix @ s.outputs_on_input
        margins_on_z = matrix @ s.outputs_on_units
        ones = np.ones((len(bound), 1))
        margins = np.hstack([margins_on_x @ inputs.matrix, margins_on_z, -ones])
        constant = matrix @ s.outputs_offset + margins_on_x @ inputs.offset - bound
        infinite = np.inf
        blocks: list[tuple[Float64, Float64, Float64]] = [
            (margins, np.full(len(bound), -infinite), -constant),
            ((z - z_hat)[active], offset[active], offset[active]),
            (z_hat[inactive], np.full(inactive.size, -infinite), -offset[inactive]),
            ((z - z_hat)[undecided], offset[undecided], np.full(undecided.size, infinite)),
            (
                z[undecided] - slope[:, None] * z_hat[undecided],
                np.full(undecided.size, -infinite),
                slope * (offset[undecided] - lower[undecided]),
            ),
        ]
        rows = Rows(
            sp.csr_array(np.concatenate([block[0] for block in blocks])),
            np.concatenate([block[1] for block in blocks]),
            np.concatenate([block[2] for block in blocks]),
        )
        rows = rows.append(inputs.rows.pad(units + 1))
        z_low, z_high = np.where(signs == ACTIVE, np.maximum(lower, 0), 0.0), np.maximum(upper, 0)
        z_high = np.where(signs == INACTIVE, 0.0, np.maximum(z_high, z_low))
        # τ is bounded, so that the program has no ray.
        far = np.abs(margins_on_x) @ np.maximum(np.abs(s.lower), np.abs(s.upper))
        far += np.abs(margins_on_z) @ z_high + np.abs(matrix @ s.outputs_offset - bound)
        cost = np.zeros(count + units + 1)
        cost[-1] = 1.0
        return Program(
            cost,
            np.concatenate([inputs.lower, z_low, [-far.max() - 1.0]]),
            np.concatenate([inputs.upper, z_high, [far.max() + 1.0]]),
            rows,
            ball=inputs.ball,
        )
