"""Nodes as linear programs: exact where all signs are fixed, relaxed where they are not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
import scipy.sparse as sp

from onnx_lippa.arrays import Float64, States
from onnx_lippa.certify.rectified.system import RectifiedSystem
from onnx_lippa.programs import (
    Program,
    Rows,
    Status,
    certified_bound,
    violation_program,
    without_cost,
)
from onnx_lippa.question import Conjunction
from onnx_lippa.solvers import solver_named


@dataclass(frozen=True)
class LeafAnswer:
    """What a linear program says of a node.

    Attributes:
        bound: proven lower bound of the disjunct's margin, from multipliers checked in float64;
            infinite where the node is empty, -inf where nothing is proven.
        x: (d,) the minimiser of the margin; None without one.
        failed: whether no solver finished.
    """

    bound: float
    x: Float64 | None
    failed: bool = False


@final
class Leaves:
    """The programs of one system.

    For the ℓ∞ ball, which is the box; for other norms the box alone is taken, which is valid.

    Args:
        system: the system.
    """

    def __init__(self, system: RectifiedSystem) -> None:
        self._system, self._solver = system, solver_named("glop")
        self.solved = 0

    def decide(
        self,
        disjunct: Conjunction,
        lower: Float64,
        upper: Float64,
        state: States,
        time_limit: float = np.inf,
    ) -> LeafAnswer:
        """The least margin under some signs.

        Args:
            disjunct: the unsafe outputs.
            lower: (units,) lower bounds of ẑ under the signs.
            upper: (units,) upper bounds.
            state: (units,) signs; undecided units are relaxed to their triangle.
            time_limit: seconds.
        """
        program = self.program(disjunct, lower, upper, state)
        self.solved += 1
        solution = self._solver.open(program).solve(max(time_limit, 1e-3))
        if solution.status is Status.OPTIMAL:
            bound = certified_bound(program, solution.duals)
            return LeafAnswer(bound, solution.values[: self._system.inputs])
        if solution.status is Status.INFEASIBLE and self._is_empty(program, time_limit):
            return LeafAnswer(np.inf, None)
        return LeafAnswer(-np.inf, None, failed=True)

    def _is_empty(self, program: Program, time_limit: float) -> bool:
        """Whether multipliers prove that no point meets the rows."""
        solution = self._solver.open(violation_program(program)).solve(max(time_limit, 1e-3))
        if solution.status is not Status.OPTIMAL:
            return False
        return certified_bound(without_cost(program), solution.duals) > 0

    def program(
        self, disjunct: Conjunction, lower: Float64, upper: Float64, state: States
    ) -> Program:
        """``min τ`` with every margin at most τ, over (x, z, τ)."""
        s = self._system
        d, units = s.inputs, s.units
        active, inactive, undecided = (np.flatnonzero(state == k) for k in (1, -1, 0))
        # ẑ over (x, z, τ), and z.
        z_hat = np.hstack([s.on_input, s.on_units, np.zeros((units, 1))])
        z = np.hstack([np.zeros((units, d)), np.eye(units), np.zeros((units, 1))])
        slope = upper[undecided] / (upper[undecided] - lower[undecided])
        matrix, bound = disjunct.matrix, disjunct.bound
        margins = np.hstack(
            [
                matrix @ s.outputs_on_input,
                matrix @ s.outputs_on_units,
                -np.ones((len(bound), 1)),
            ]
        )
        infinite = np.inf
        blocks: list[tuple[Float64, Float64, Float64]] = [
            (margins, np.full(len(bound), -infinite), bound - matrix @ s.outputs_offset),
            ((z - z_hat)[active], s.offset[active], s.offset[active]),
            (z_hat[inactive], np.full(inactive.size, -infinite), -s.offset[inactive]),
            ((z - z_hat)[undecided], s.offset[undecided], np.full(undecided.size, infinite)),
            (
                z[undecided] - slope[:, None] * z_hat[undecided],
                np.full(undecided.size, -infinite),
                slope * (s.offset[undecided] - lower[undecided]),
            ),
        ]
        rows = Rows(
            sp.csr_array(np.concatenate([block[0] for block in blocks])),
            np.concatenate([block[1] for block in blocks]),
            np.concatenate([block[2] for block in blocks]),
        )
        # τ is bounded by what interval arithmetic allows, so that duals prove something.
        z_low, z_high = np.where(state == 1, np.maximum(lower, 0), 0.0), np.maximum(upper, 0)
        z_high = np.where(state == -1, 0.0, np.maximum(z_high, z_low))
        low, high = _range(margins[:, :-1], s, z_low, z_high, matrix @ s.outputs_offset - bound)
        cost = np.zeros(d + units + 1)
        cost[-1] = 1.0
        return Program(
            cost,
            np.concatenate([s.lower, z_low, [low]]),
            np.concatenate([s.upper, z_high, [high]]),
            rows,
        )


def _range(
    rows: Float64, s: RectifiedSystem, z_low: Float64, z_high: Float64, offset: Float64
) -> tuple[float, float]:
    """Values that the largest margin lies between, with room."""
    low, high = np.concatenate([s.lower, z_low]), np.concatenate([s.upper, z_high])
    positive, negative = np.maximum(rows, 0), np.minimum(rows, 0)
    least = positive @ low + negative @ high + offset
    most = positive @ high + negative @ low + offset
    return float(least.max()) - 1.0, float(most.max()) + 1.0
