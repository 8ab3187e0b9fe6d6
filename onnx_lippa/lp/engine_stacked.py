"""The LPStep in the form of the paper's eq. (12): all pre-activations are variables.

Each piecewise-linear layer is split (ReLU: ``x = p - n, z = p`` with ``p, n >= 0``), so that bounds
on the split's variables choose the pattern. The matrix is the same for every region, input, radius
and target. It is built once for a network, and within a session the simplex starts from its last
basis.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import scipy.sparse as sp
from typing_extensions import override

from onnx_lippa.arrays import Float64, size
from onnx_lippa.ending import Ending
from onnx_lippa.ir.layers import AffineLayer, PiecewiseLayer
from onnx_lippa.ir.network import Network
from onnx_lippa.lp.engine import EngineSession, Optimum, RegionEngine
from onnx_lippa.lp.program import BallConstraint, Program, Rows
from onnx_lippa.lp.region import LinearRegion
from onnx_lippa.lp.solver import Session, Solver
from onnx_lippa.spec import Conjunction, Embedding, InputSet


@dataclass(frozen=True)
class _Affine:
    """An affine expression ``matrix @ [x, auxiliaries] + offset``."""

    matrix: sp.csr_array
    offset: Float64


@dataclass(frozen=True)
class _Stack:
    """The network over its input x and the auxiliaries a of all splits.

    Attributes:
        on_input: sparse (m, d); the equations are ``on_input @ x + on_auxiliaries @ a = right``.
        on_auxiliaries: sparse (m, auxiliaries).
        right: (m,).
        outputs: the logits.
    """

    on_input: sp.csr_array
    on_auxiliaries: sp.csr_array
    right: Float64
    outputs: _Affine


@final
class StackedEngine(RegionEngine):
    """The paper's program, one model per network."""

    name: ClassVar[str] = "stacked"

    def __init__(self, network: Network, solver: Solver) -> None:
        super().__init__(network, solver)
        self.stack = _build_stack(network)

    @override
    def begin(self, inputs: InputSet) -> EngineSession:
        return _StackedSession(self, inputs)


@final
class _StackedSession(EngineSession):
    def __init__(self, engine: StackedEngine, inputs: InputSet) -> None:
        self._engine, self._inputs = engine, inputs
        self._margin: Session | None = None

    @override
    def least_margin(
        self, region: LinearRegion, disjunct: Conjunction, time_limit: float = np.inf
    ) -> Optimum:
        q, stack = self._inputs, self._engine.stack
        embedding = q.norm.ball(q.center, q.eps, q.lower, q.upper)
        lower, upper = self._bounds(region, embedding)
        weights = disjunct.matrix @ stack.outputs.matrix
        on_variables = self._on_variables(weights, embedding)
        if len(on_variables) == 1:
            cost = on_variables[0]
            if self._margin is None:
                self._margin = self._open(embedding, cost, lower, upper, None)
            else:
                self._margin.change_bounds(lower, upper)
                self._margin.change_cost(cost)
            return self._optimum(self._margin, region, disjunct, embedding, time_limit)
        # Several rows: min tau with every margin <= tau, in a program of its own.
        count = len(on_variables)
        at_zero = self._at_zero(disjunct, weights, embedding)
        extra = Rows(
            sp.csr_array(np.hstack([on_variables, -np.ones((count, 1))])),
            np.full(count, -np.inf),
            -at_zero,
        )
        session = self._open(
            embedding,
            np.append(np.zeros(on_variables.shape[1]), 1.0),
            np.append(lower, -np.inf),
            np.append(upper, np.inf),
            extra,
        )
        return self._optimum(session, region, disjunct, embedding, time_limit)

    @override
    def least_distance(
        self,
        region: LinearRegion,
        disjunct: Conjunction,
        margin: float,
        time_limit: float = np.inf,
    ) -> Optimum:
        q, stack = self._inputs, self._engine.stack
        embedding = q.norm.epigraph(q.center, q.lower, q.upper)
        lower, upper = self._bounds(region, embedding)
        weights = disjunct.matrix @ stack.outputs.matrix
        on_variables = self._on_variables(weights, embedding)
        unsafe = Rows(
            sp.csr_array(on_variables),
            np.full(len(on_variables), -np.inf),
            -margin - self._at_zero(disjunct, weights, embedding),
        )
        cost = np.concatenate([embedding.cost, np.zeros(lower.size - embedding.cost.size)])
        session = self._open(embedding, cost, lower, upper, unsafe)
        return self._optimum(session, region, disjunct, embedding, time_limit)

    def _bounds(self, region: LinearRegion, embedding: Embedding) -> tuple[Float64, Float64]:
        """Bounds of all variables: of the embedding, then of the splits under the pattern."""
        lower, upper = [embedding.lower], [embedding.upper]
        states = iter(region.pattern.states)
        for step in self._engine.network.steps:
            if isinstance(step.layer, PiecewiseLayer):
                low, high = step.layer.split_bounds(next(states)[0])
                lower.append(low)
                upper.append(high)
        return np.concatenate(lower), np.concatenate(upper)

    def _on_variables(self, weights: Float64, embedding: Embedding) -> Float64:
        """Rows over [x, a] as rows over [v, a]."""
        d = embedding.offset.size
        return np.hstack([weights[:, :d] @ embedding.matrix, weights[:, d:]])

    def _at_zero(self, disjunct: Conjunction, weights: Float64, embedding: Embedding) -> Float64:
        """The margins where all variables are zero, and x is the embedding's offset."""
        d = embedding.offset.size
        constant = disjunct.matrix @ self._engine.stack.outputs.offset - disjunct.bound
        result: Float64 = constant + weights[:, :d] @ embedding.offset
        return result

    def _open(
        self,
        embedding: Embedding,
        cost: Float64,
        lower: Float64,
        upper: Float64,
        extra: Rows | None,
    ) -> Session:
        """Opens a program over [v, a] and further variables, as many as the cost has."""
        stack = self._engine.stack
        right = stack.right - stack.on_input @ embedding.offset
        matrix = sp.hstack([stack.on_input @ embedding.matrix, stack.on_auxiliaries])
        auxiliaries = stack.on_auxiliaries.shape[1]
        ball = sp.hstack([embedding.rows, sp.csr_array((embedding.rows.shape[0], auxiliaries))])
        further = cost.size - matrix.shape[1]
        both = sp.vstack([matrix, ball])
        rows = Rows(
            sp.csr_array(sp.hstack([both, sp.csr_array((both.shape[0], further))])),
            np.concatenate([right, embedding.row_lower]),
            np.concatenate([right, embedding.row_upper]),
        )
        if extra is not None:
            rows = rows.append(extra)
        quadratic_cost = embedding.quadratic_cost
        if quadratic_cost is not None:
            quadratic_cost = np.concatenate(
                [quadratic_cost, np.zeros(cost.size - quadratic_cost.size)]
            )
        return self._engine.solver.open(
            Program(cost, lower, upper, rows, quadratic_cost, BallConstraint.of(embedding))
        )

    def _optimum(
        self,
        session: Session,
        region: LinearRegion,
        disjunct: Conjunction,
        embedding: Embedding,
        time_limit: float,
    ) -> Optimum:
        solution = session.solve(time_limit)
        if solution.ending is not Ending.OPTIMAL:
            return Optimum(solution.ending, np.zeros(0), rows=region.faces, solves=1)
        v = solution.values[: embedding.matrix.shape[1]]
        x = embedding.offset + embedding.matrix @ v
        margin = float(disjunct.margins(region.evaluate(x[None]).outputs)[0])
        distance = self._inputs.length(x)
        return Optimum(Ending.OPTIMAL, x, margin, distance, region.faces, 1)


def _build_stack(network: Network) -> _Stack:
    """Composes the affine layers between the splits."""
    d = network.input_size
    splits = [
        step.layer.split() for step in network.steps if isinstance(step.layer, PiecewiseLayer)
    ]
    widths = [split.link.shape[1] for split in splits]
    total = d + sum(widths)
    values = [_Affine(_columns(sp.eye_array(d), 0, total), np.zeros(d))]
    equations: list[sp.csr_array] = []
    right: list[Float64] = []
    place = 0
    for step in network.steps:
        operands = [values[index] for index in step.inputs]
        if isinstance(step.layer, AffineLayer):
            values.append(_compose(step.layer, operands))
            continue
        split, first = splits[place], d + sum(widths[:place])
        # link @ a + link_offset = x
        equations.append(sp.csr_array(_columns(split.link, first, total) - operands[0].matrix))
        right.append(operands[0].offset - split.link_offset)
        values.append(_Affine(_columns(split.output, first, total), split.output_offset))
        place += 1
    joined = sp.csr_array(sp.vstack([sp.csr_array((0, total)), *equations]))
    return _Stack(joined[:, :d], joined[:, d:], np.concatenate([np.zeros(0), *right]), values[-1])


def _compose(layer: AffineLayer, operands: list[_Affine]) -> _Affine:
    offset = layer.offset()
    constant = np.zeros(size(layer.shape))
    if offset is not None:
        constant = constant + np.broadcast_to(offset, layer.shape).ravel()
    matrix = sp.csr_array((size(layer.shape), operands[0].matrix.shape[1]))
    for part, operand in zip(layer.matrices(), operands, strict=True):
        matrix = matrix + part @ operand.matrix
        constant = constant + part @ operand.offset
    return _Affine(sp.csr_array(matrix), constant)


def _columns(block: sp.csr_array, first: int, total: int) -> sp.csr_array:
    """A block of columns placed among ``total`` ones."""
    rows, width = block.shape
    left, rest = sp.csr_array((rows, first)), sp.csr_array((rows, total - first - width))
    return sp.csr_array(sp.hstack([left, block, rest]))
