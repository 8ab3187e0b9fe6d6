"""The LPStep with rows on demand: a program in the inputs alone.

Of thousands of region faces few bind. The program starts without any (its optimum is then a
closed form, for ℓ∞ a corner of the box), and takes in the faces that its optimum violates until
none is. Its size follows the faces that bind, not the units of the network.
"""

from __future__ import annotations

import time
from typing import ClassVar, final

import numpy as np
import scipy.sparse as sp

from onnx_lippa.arrays import Float64, Integers
from onnx_lippa.ending import Ending
from onnx_lippa.lp.engine import EngineSession, Optimum, RegionEngine
from onnx_lippa.lp.program import Cone, Program, Rows
from onnx_lippa.lp.region import LinearRegion
from onnx_lippa.spec import Conjunction, Embedding, InputSet

_ROUNDS = 200
"""Bound on the rounds of adding faces; each adds at least one, dozens as a rule."""
_LEAST_BATCH, _MOST_BATCH = 24, 192
"""Faces added in one round: half of the violated ones, within these."""
_SLACK_TOLERANCE = 1e-9
"""A face counts as violated below minus this, relative to the largest slack."""
_NEGLIGIBLE = 1e-14
"""Coefficients below this share of a face's largest one are rounding: solvers want none."""


@final
class RowsEngine(RegionEngine):
    """Rows on demand."""

    name: ClassVar[str] = "rows"

    def begin(self, question: InputSet) -> EngineSession:
        """See :meth:`RegionEngine.begin`."""
        return _RowsSession(self, question)


@final
class _RowsSession(EngineSession):
    def __init__(self, engine: RowsEngine, question: InputSet) -> None:
        self._engine, self._question = engine, question
        self._binding: Integers = np.zeros(0, dtype=np.int64)

    def least_margin(
        self, region: LinearRegion, disjunct: Conjunction, time_limit: float = np.inf
    ) -> Optimum:
        """See :meth:`EngineSession.least_margin`."""
        q = self._question
        map_ = _AffineMargins(region, disjunct, q.center)
        if map_.count == 1:
            corner = q.norm.least_linear(map_.rows[0], q.center, q.eps, q.lower, q.upper)
            evaluation = region.evaluate(corner[None])
            if not _violated(evaluation.slacks[0]).size:
                # The optimum over the whole ball lies in the region: it is the region's optimum.
                margin = float(disjunct.margins(evaluation.outputs)[0])
                return Optimum(Ending.OPTIMAL, corner, margin, q.length(corner))
        embedding = q.norm.ball(q.center, q.eps, q.lower, q.upper)
        if map_.count == 1:
            cost = map_.rows[0] @ embedding.matrix
            return self._solve(region, disjunct, embedding, cost, None, time_limit)
        # min tau with every margin <= tau: tau is one more variable, with cost 1.
        lifted = _with_free_variable(embedding)
        bounds = Rows(
            sp.csr_array(np.hstack([map_.rows @ embedding.matrix, -np.ones((map_.count, 1))])),
            np.full(map_.count, -np.inf),
            -map_.at_center,
        )
        cost = np.append(np.zeros(embedding.cost.size), 1.0)
        return self._solve(region, disjunct, lifted, cost, bounds, time_limit)

    def least_distance(
        self,
        region: LinearRegion,
        disjunct: Conjunction,
        margin: float,
        time_limit: float = np.inf,
    ) -> Optimum:
        """See :meth:`EngineSession.least_distance`."""
        q = self._question
        embedding = q.norm.epigraph(q.center, q.lower, q.upper)
        map_ = _AffineMargins(region, disjunct, q.center)
        unsafe = Rows(
            sp.csr_array(map_.rows @ embedding.matrix),
            np.full(map_.count, -np.inf),
            -margin - map_.at_center,
        )
        return self._solve(region, disjunct, embedding, embedding.cost, unsafe, time_limit)

    def _solve(
        self,
        region: LinearRegion,
        disjunct: Conjunction,
        embedding: Embedding,
        cost: Float64,
        extra: Rows | None,
        time_limit: float,
    ) -> Optimum:
        deadline = time.monotonic() + time_limit
        q = self._question
        rows = Rows(embedding.rows, embedding.row_lower, embedding.row_upper)
        if extra is not None:
            rows = extra.stacked_on(rows)
        present = np.zeros(region.faces, dtype=np.bool_)
        first = self._binding[self._binding < region.faces]
        if first.size:
            present[first] = True
            rows = _face_rows(region, first, embedding, q.center).stacked_on(rows)
        session = self._engine.solver.open(
            Program(cost, embedding.lower, embedding.upper, rows, embedding.curvature,
                    _cone(embedding))
        )  # fmt: skip
        for solves in range(1, _ROUNDS + 1):
            solution = session.solve(deadline - time.monotonic())
            if solution.ending is not Ending.OPTIMAL:
                return Optimum(solution.ending, np.zeros(0), rows=int(present.sum()), solves=solves)
            x = embedding.offset + embedding.matrix @ solution.values
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


class _AffineMargins:
    """``A f(x) - b`` in a region as ``rows @ (x - center) + at_center``."""

    def __init__(self, region: LinearRegion, disjunct: Conjunction, center: Float64) -> None:
        self.rows = region.gradient(disjunct.matrix)
        self.count = len(self.rows)
        outputs = region.evaluate(center[None]).outputs[0] if self.count else np.zeros(0)
        self.at_center: Float64 = disjunct.matrix @ outputs - disjunct.bound


def _violated(slacks: Float64) -> Integers:
    """Faces whose slack is negative beyond rounding."""
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


def _with_free_variable(embedding: Embedding) -> Embedding:
    """The same embedding with one more variable that has no part in x."""
    d, m = embedding.matrix.shape[0], embedding.rows.shape[0]
    return Embedding(
        offset=embedding.offset,
        matrix=sp.csr_array(sp.hstack([embedding.matrix, sp.csr_array((d, 1))])),
        lower=np.append(embedding.lower, -np.inf),
        upper=np.append(embedding.upper, np.inf),
        rows=sp.csr_array(sp.hstack([embedding.rows, sp.csr_array((m, 1))])),
        row_lower=embedding.row_lower,
        row_upper=embedding.row_upper,
        cost=np.append(embedding.cost, 0.0),
        curvature=None if embedding.curvature is None else np.append(embedding.curvature, 0.0),
        radius=embedding.radius,
    )


def _cone(embedding: Embedding) -> Cone | None:
    if embedding.radius is None:
        return None
    return Cone(np.zeros(embedding.offset.size), embedding.radius)
