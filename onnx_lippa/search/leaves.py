"""Linear programs of nodes: exact where all signs are fixed, otherwise relaxed.

No solver is believed. The multipliers of a program are evaluated by the evaluator of all proofs
(``bounds/dual/certificate.py``), over ball and box.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import Final, final

import numpy as np
import scipy.sparse as sp

from onnx_lippa.arrays import Float64, Floats, Integers, States
from onnx_lippa.bounds.dual.back_substitution import ReluRelaxation
from onnx_lippa.bounds.dual.certificate import prove
from onnx_lippa.bounds.dual.objectives import Units
from onnx_lippa.bounds.dual.weighted import WeightedRows
from onnx_lippa.bounds.proven import ProvenBounds
from onnx_lippa.bounds.reduced_network import ReducedNetwork
from onnx_lippa.clock import NEVER
from onnx_lippa.ending import Ending
from onnx_lippa.ir.pattern import ACTIVE, INACTIVE, UNDECIDED
from onnx_lippa.lp.duality import elastic_program, violation_program
from onnx_lippa.lp.program import Program
from onnx_lippa.lp.solver import Solution
from onnx_lippa.lp.solvers.table import make_solver
from onnx_lippa.search.base import count_programs, express_margins, express_relations
from onnx_lippa.spec import Conjunction, Rows
from onnx_lippa.witness import Effort

_PRICE: Final = 1e4
"""Price of a violated row, where a node may be empty but for rounding."""
_LEAST_SECONDS: Final = 1e-3


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


def split_signs(signs: States) -> tuple[Integers, Integers, Integers]:
    """The active, the inactive and the undecided units."""
    active, inactive, undecided = (
        np.flatnonzero(signs == sign) for sign in (ACTIVE, INACTIVE, UNDECIDED)
    )
    return active, inactive, undecided


def relate_units(
    z_hat: Floats, offset: Floats, signs: States, slope: Floats, above: Floats, room: Floats
) -> tuple[Float64, Float64, Float64]:
    """The rows between ``ẑ = z_hat @ v + offset`` and the z of all units, the last entries of v.

    Args:
        z_hat: (units, v).
        offset: (units,).
        signs: (units,) signs; undecided units are relaxed to their triangle.
        slope: (undecided,) slopes of upper lines.
        above: (undecided,) upper bounds of ``z - slope * z_hat @ v``.
        room: (units,) the error of ẑ that every row allows.

    Returns:
        Coefficients (rows, v), lower sides and upper sides, ordered as :func:`split_signs` does;
        undecided units have a lower and then an upper line.
    """
    units, width = z_hat.shape
    z, least, most = np.eye(units, width, width - units), offset - room, offset + room
    active, inactive, undecided = split_signs(signs)
    infinite = np.full(units, np.inf)
    matrix = [
        (z - z_hat)[active], z_hat[inactive],
        (z - z_hat)[undecided], z[undecided] - slope[:, None] * z_hat[undecided],
    ]  # fmt: skip
    low = [least[active], -infinite[inactive], least[undecided], -infinite[undecided]]
    high = [most[active], (room - offset)[inactive], infinite[undecided], above]
    return np.concatenate(matrix), np.concatenate(low), np.concatenate(high)


def bound_outputs(lower: Float64, upper: Float64, signs: States) -> tuple[Float64, Float64]:
    """Bounds (units,) of z, from those of ẑ."""
    low = np.where(signs == ACTIVE, np.maximum(lower, 0), 0.0)
    return low, np.where(signs == INACTIVE, 0.0, np.maximum(np.maximum(upper, 0), low))


@final
class Leaves:
    """The programs of one system, over its ball and box.

    Args:
        reduced: the reduced network.
    """

    def __init__(self, reduced: ReducedNetwork) -> None:
        self._reduced, self._units = reduced, Units.of(reduced)
        self._inputs = reduced.domain.embedding()
        self._relations = express_relations(reduced, self._units)
        self._solver = make_solver("glop" if self._inputs.ball is None else "clarabel")

    @property
    def effort(self) -> Effort:
        """The programs solved, and their seconds."""
        return count_programs(self._solver)

    def decide(
        self,
        disjunct: Conjunction,
        lower: Float64,
        upper: Float64,
        signs: States,
        deadline: float = NEVER,
    ) -> LeafAnswer:
        """The least margin under some signs.

        Args:
            disjunct: the unsafe outputs.
            lower: (units,) lower bounds of ẑ under the signs.
            upper: (units,) upper bounds.
            signs: (units,) signs; unstable units are relaxed to their triangle.
            deadline: ``time.monotonic()`` at which the solver stops.
        """
        program = self.build_program(disjunct, lower, upper, signs)
        prove = partial(self._prove, disjunct, lower, upper, signs)
        solution = self._solve(program, deadline)
        if solution.ending is Ending.INFEASIBLE:
            ray = solution.duals
            if program.is_linear:  # a simplex solver gives no ray
                ray = self._solve(violation_program(program), deadline).duals
            if prove(ray, empty=True).value > 0:
                return LeafAnswer(ProvenBounds.of_empty(), None)
            # All that is near the node is bounded.
            solution = self._solve(elastic_program(program, _PRICE), deadline)
        if solution.ending is not Ending.OPTIMAL:
            return LeafAnswer(ProvenBounds.vacuous(), None)
        x = self._inputs.at(solution.values[: self._inputs.count])
        margin = float(disjunct.margins(self._reduced.forward(x[None]))[0])
        return LeafAnswer(prove(solution.duals), x, margin)

    def _solve(self, program: Program, deadline: float) -> Solution:
        return self._solver.open(program).solve(max(deadline - time.monotonic(), _LEAST_SECONDS))

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
        weights, nu, total = _read_multipliers(duals, rows, signs, lower, upper)
        weights = np.zeros(rows) if empty else weights
        if not empty and not weights.sum() > 0:
            return ProvenBounds.vacuous()
        every = express_margins(self._reduced, [disjunct], self._units)
        summed = WeightedRows.of(every, np.array([rows]), np.ones(rows))
        # The weight of a single row is 1, unless 0 is bounded.
        objectives = summed.weighted(weights[None])
        if self._relations is not None:
            count = self._relations.count // 2
            end = self._rows_before(rows, signs) + self._inputs.rows.count
            of_inputs = duals[end - count : end] / total
            both = every.concatenate(self._relations)
            extended = WeightedRows.of(both, np.array([both.count]), np.ones(both.count))
            prices = np.concatenate([weights, np.maximum(-of_inputs, 0), np.maximum(of_inputs, 0)])
            objectives = extended.weighted(prices[None])
        relaxed = ReluRelaxation.of(lower[None], upper[None], signs[None])
        m = objectives.on_units[0] + nu @ self._reduced.on_units
        # ν is m - β where a unit is active, β where it is not, and α m on a lower line.
        beta = np.maximum(np.where(signs == ACTIVE, m - nu, nu), 0.0)[None]
        alpha = relaxed.alphas(np.clip(nu / np.where(m > 0, m, 1.0), 0.0, 1.0)[None])
        proven, _ = prove(self._units, objectives, relaxed, alpha, beta)
        return proven if empty else summed.margins(weights[None], proven)

    def _rows_before(self, margins: int, signs: States) -> int:
        """Rows of :meth:`build_program` before those of the inputs."""
        return margins + signs.size + int(np.count_nonzero(signs == UNDECIDED))

    def build_program(
        self, disjunct: Conjunction, lower: Float64, upper: Float64, signs: States
    ) -> Program:
        """``min τ`` with every margin at most τ, over (p, z, τ) for ``x = offset + matrix @ p``."""
        s, inputs = self._reduced, self._inputs
        _, _, undecided = split_signs(signs)
        offset = s.offset + s.on_input @ inputs.offset
        slope = upper[undecided] / (upper[undecided] - lower[undecided])
        above = slope * (offset[undecided] - lower[undecided])
        z_hat = np.hstack([s.on_input @ inputs.matrix, s.on_units])
        matrix, low, high = relate_units(z_hat, offset, signs, slope, above, np.zeros(s.units))
        on_x = disjunct.matrix @ s.outputs_on_input
        on_z = disjunct.matrix @ s.outputs_on_units
        constant = disjunct.matrix @ s.outputs_offset + on_x @ inputs.offset - disjunct.bound
        margins = np.hstack([on_x @ inputs.matrix, on_z])
        taus = np.zeros((len(margins) + len(matrix), 1))
        taus[: len(margins)] = -1.0
        rows = Rows(
            sp.csr_array(np.hstack([np.concatenate([margins, matrix]), taus])),
            np.concatenate([np.full(len(margins), -np.inf), low]),
            np.concatenate([-constant, high]),
        )
        rows = rows.append(inputs.rows.pad(s.units + 1))
        z_low, z_high = bound_outputs(lower, upper, signs)
        # τ is bounded, so that the program has no ray.
        far = np.abs(on_x) @ np.maximum(np.abs(s.lower), np.abs(s.upper))
        far += np.abs(on_z) @ z_high + np.abs(disjunct.matrix @ s.outputs_offset - disjunct.bound)
        cost = np.zeros(inputs.count + s.units + 1)
        cost[-1] = 1.0
        return Program(
            cost,
            np.concatenate([inputs.lower, z_low, [-far.max() - 1.0]]),
            np.concatenate([inputs.upper, z_high, [far.max() + 1.0]]),
            rows,
            ball=inputs.ball,
        )


def _read_multipliers(
    duals: Float64, rows: int, signs: States, lower: Float64, upper: Float64
) -> tuple[Float64, Float64, float]:
    """The weights (rows,) of margins and ν (units,), from duals of :meth:`Leaves.build_program`.

    Both are divided by the sum of the weights, the third value; it is 1 where that is 0.
    """
    active, inactive, undecided = split_signs(signs)
    counts = (rows, active.size, inactive.size, undecided.size, undecided.size)
    margins, on, off, below, above = np.split(duals, np.cumsum(counts))[: len(counts)]
    nu = np.zeros(signs.size)
    nu[active], nu[inactive] = on, np.maximum(-off, 0.0)
    slope = upper[undecided] / (upper[undecided] - lower[undecided])
    nu[undecided] = np.maximum(below, 0.0) + slope * above
    weights = np.maximum(-margins, 0.0)
    total = weights.sum()
    if not total > 0:
        return weights, nu, 1.0
    # The margin of a single row is the objective, so its multiplier is 1 but for rounding.
    return np.ones(1) if rows == 1 else weights / total, nu / total, float(total)
