"""The LPStep with rows on demand: a program in the inputs alone.

Few of thousands of faces of a region bind. The program starts without any, where its optimum has a
closed form (a corner of the box for ℓ∞), and adds violated faces until there are none. Its size
follows the binding faces, not the units of the network.
"""

from __future__ import annotations

import time
from typing import ClassVar, final

import numpy as np
import scipy.sparse as sp
from typing_extensions import override

from onnx_lippa.arrays import Float64, Integers
from onnx_lippa.ending import Ending
from onnx_lippa.lp.engine import EngineSession, Optimum, RegionEngine
from onnx_lippa.lp.program import Program
from onnx_lippa.lp.region import LinearRegion
from onnx_lippa.lp.solver import Solver
from onnx_lippa.spec import Conjunction, Embedding, InputSet, Rows

_ROUNDS = 200
"""Most rounds of adding faces. Each adds at least one, usually dozens."""
_LEAST_BATCH, _MOST_BATCH = 24, 192
"""Range of the number of faces added in a round: half of the violated ones."""
_SLACK_TOLERANCE = 1e-9
"""Tolerance of a violated face, relative to the largest slack."""
_NEGLIGIBLE = 1e-14
"""Coefficients below this share of a face's largest one are rounding errors, and dropped."""


@final
class RowsEngine(RegionEngine):
    """LPSteps with rows on demand."""

    name: ClassVar[str] = "rows"

    @override
    def begin(self, inputs: InputSet) -> EngineSession:
        return _RowsSession(self.solver, inputs)


@final
class _RowsSession(EngineSession):
    def __init__(self, solver: Solver, inputs: InputSet) -> None:
        super().__init__(inputs)
        self._solver = solver
        self._binding: Integers = np.zeros(0, dtype=np.int64)

    @override
    def _functions(self, region: LinearRegion, disjunct: Conjunction) -> Float64:
        return region.gradient(disjunct.matrix)

    @override
    def _at_center(self, region: LinearRegion, disjunct: Conjunction) -> Float64:
        outputs = region.evaluate(self._inputs.center[None]).outputs[0]
        return disjunct.matrix @ outputs - disjunct.bound

    @override
    def _closed_form(
        self, region: LinearRegion, disjunct: Conjunction, cost: Float64
    ) -> Optimum | None:
        q = self._inputs
        corner = q.norm.minimize_linear(cost, q.center, q.eps, q.lower, q.upper)
        evaluation = region.evaluate(corner[None])
        if _violated(evaluation.slacks[0]).size:
            return None
        # The optimum over the ball lies in the region.
        margin = float(disjunct.margins(evaluation.outputs)[0])
        return Optimum(Ending.OPTIMAL, corner, margin, q.length(corner))

    @override
    def _solve(
        self,
        region: LinearRegion,
        disjunct: Conjunction,
        embedding: Embedding,
        extra: Rows | None,
        time_limit: float,
        cutoff: float = np.inf,
    ) -> Optimum:
        deadline = time.monotonic() + time_limit
        q = self._inputs
        rows = embedding.rows if extra is None else embedding.rows.append(extra)
        present = np.zeros(region.faces, dtype=np.bool_)
        first = self._binding[self._binding < region.faces]
        if first.size:
            present[first] = True
            rows = rows.append(_face_rows(region, first, embedding, q.center))
        session = self._solver.open(Program.over(embedding, rows))
        for solves in range(1, _ROUNDS + 1):
            solution = session.solve(deadline - time.monotonic())
            if solution.ending is not Ending.OPTIMAL:
                return Optimum(solution.ending, np.zeros(0), rows=int(present.sum()), solves=solves)
            x = embedding.at(solution.values)
            if q.length(x) >= cutoff:  # with more faces it is farther
                return Optimum(
                    Ending.INFEASIBLE, np.zeros(0), rows=int(present.sum()), solves=solves
                )
            evaluation = region.evaluate(x[None])
            slacks = evaluation.slacks[0]
            violated = _violated(slacks)
            new = violated[~present[violated]]
            if new.size == 0:
                self._binding = np.flatnonzero(present & (slacks <= 1e-6 * slacks.max(initial=1.0)))
                margin = float(disjunct.margins(evaluation.outputs)[0])
                return Optimum(Ending.OPTIMAL, x, margin, q.length(x), int(present.sum()), solves)
            count = int(np.clip(new.size // 2, _LEAST_BATCH, _MOST_BATCH))
            chosen = new[np.argsort(slacks[new], kind="stable")[:count]]
            present[chosen] = True
            session.add_rows(_face_rows(region, chosen, embedding, q.center))
            if time.monotonic() > deadline:
                break
        return Optimum(Ending.OUT_OF_TIME, np.zeros(0), rows=int(present.sum()), solves=solves)


def _violated(slacks: Float64) -> Integers:
    """Faces whose slack is negative by more than rounding."""
    scale = np.abs(slacks).max(initial=0.0)
    return np.flatnonzero(slacks < -_SLACK_TOLERANCE * scale)


def _face_rows(
    region: LinearRegion, faces: Integers, embedding: Embedding, center: Float64
) -> Rows:
    """Faces ``a (x - center) + slack(center) >= 0`` over the embedding's variables, scaled."""
    a = region.face_rows(faces)
    scale = np.abs(a).max(axis=1)
    scale[scale == 0] = 1.0
    a /= scale[:, None]
    a[np.abs(a) < _NEGLIGIBLE] = 0.0
    at_center = region.evaluate(center[None]).slacks[0][faces] / scale
    shift = a @ (embedding.offset - center)
    matrix = sp.csr_array(a @ embedding.matrix)
    return Rows(matrix, -at_center - shift, np.full(len(faces), np.inf))
