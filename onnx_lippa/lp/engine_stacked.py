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
from onnx_lippa.lp.program import Program
from onnx_lippa.lp.region import LinearRegion
from onnx_lippa.lp.solver import Session, Solver
from onnx_lippa.spec import Conjunction, Embedding, InputSet, Rows


@dataclass(frozen=True)
class _Affine:
    """An affine expression ``matrix @ [x, auxiliaries] + offset``."""

    matrix: sp.csr_array
    offset: Float64


@dataclass(frozen=True)
class _Stack:
    """The network over its input x and the auxiliaries a of all splits.

    Attributes:
        equations: sparse (m, d + auxiliaries): ``equations @ [x, a] = right``.
        right: (m,).
        outputs: the logits.
    """

    equations: sp.csr_array
    right: Float64
    outputs: _Affine


@final
class StackedEngine(RegionEngine):
    """The paper's stacked system, eq. (12): the rows of all layers, one program per network."""

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
        super().__init__(inputs)
        self._engine = engine
        self._session: Session | None = None
        """The program of a single margin, which all regions share."""

    @override
    def _functions(self, region: LinearRegion, disjunct: Conjunction) -> Float64:
        return disjunct.matrix @ self._engine.stack.outputs.matrix

    @override
    def _at_center(self, region: LinearRegion, disjunct: Conjunction) -> Float64:
        on_x = self._functions(region, disjunct)[:, : self._inputs.size]
        constant = disjunct.matrix @ self._engine.stack.outputs.offset - disjunct.bound
        result: Float64 = constant + on_x @ self._inputs.center
        return result

    @override
    def _embed(self, region: LinearRegion, embedding: Embedding) -> Embedding:
        """The embedding of [x, a], with the auxiliaries between their bounds under the pattern."""
        states, bounds = iter(region.pattern.states), [(np.zeros(0), np.zeros(0))]
        for step in self._engine.network.steps:
            if isinstance(step.layer, PiecewiseLayer):
                bounds.append(step.layer.split_bounds(next(states)[0]))
        lower, upper = (np.concatenate(side) for side in zip(*bounds, strict=True))
        return embedding.add_features(lower, upper)

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
        if extra is not None:
            session = self._open(embedding, extra)
        elif self._session is None:
            session = self._session = self._open(embedding, None)
        else:
            session = self._session
            session.change_bounds(embedding.lower, embedding.upper)
            session.change_cost(embedding.cost)
        solution = session.solve(time_limit)
        if solution.ending is not Ending.OPTIMAL:
            return Optimum(solution.ending, np.zeros(0), rows=region.faces, solves=1)
        x = embedding.at(solution.values)[: self._inputs.size]
        if self._inputs.length(x) >= cutoff:
            return Optimum(Ending.INFEASIBLE, np.zeros(0), rows=region.faces, solves=1)
        margin = float(disjunct.margins(region.evaluate(x[None]).outputs)[0])
        return Optimum(
            Ending.OPTIMAL, x, margin, self._inputs.length(x), rows=region.faces, solves=1
        )

    def _open(self, embedding: Embedding, extra: Rows | None) -> Session:
        """Opens the program of an embedding of [x, a], whose last variable may be τ."""
        stack = self._engine.stack
        right = stack.right - stack.equations @ embedding.offset
        rows = Rows(sp.csr_array(stack.equations @ embedding.matrix), right, right)
        rows = rows.append(embedding.rows)
        if extra is not None:
            rows = rows.append(extra)
        return self._engine.solver.open(Program.over(embedding, rows))


def _build_stack(network: Network) -> _Stack:
    """Composes the affine layers between the splits."""
    d = network.input_size
    layers = [step.layer for step in network.steps if isinstance(step.layer, PiecewiseLayer)]
    splits = [layer.split() for layer in layers]
    total = d + sum(split.link.shape[1] for split in splits)
    values = [_Affine(_columns(sp.eye_array(d), 0, total), np.zeros(d))]
    equations: list[sp.csr_array] = []
    right: list[Float64] = []
    first, remaining = d, iter(splits)
    for step in network.steps:
        operands = [values[index] for index in step.inputs]
        if isinstance(step.layer, AffineLayer):
            values.append(_compose(step.layer, operands))
            continue
        split = next(remaining)
        # link @ a + link_offset = x
        equations.append(sp.csr_array(_columns(split.link, first, total) - operands[0].matrix))
        right.append(operands[0].offset - split.link_offset)
        values.append(_Affine(_columns(split.output, first, total), split.output_offset))
        first += split.link.shape[1]
    joined = sp.csr_array(sp.vstack([sp.csr_array((0, total)), *equations]))
    return _Stack(joined, np.concatenate([np.zeros(0), *right]), values[-1])


def _compose(layer: AffineLayer, operands: list[_Affine]) -> _Affine:
    offset = layer.offset
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
