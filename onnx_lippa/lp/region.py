"""A linear region: the inputs of one activation pattern, on which ``f(x) = Γ x + γ``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from onnx_lippa.arrays import Float64, Integers, size
from onnx_lippa.ir.algebra import NumpyAlgebra
from onnx_lippa.ir.layers import AffineLayer, PiecewiseLayer
from onnx_lippa.ir.network import Network
from onnx_lippa.ir.passes import transpose_pass
from onnx_lippa.ir.pattern import ActivationPattern


@dataclass(frozen=True)
class Evaluation:
    """The affine map of a region at points inside or outside it.

    Attributes:
        outputs: (n, k) logits ``Γ x + γ``.
        slacks: (n, faces) slacks of the faces, in units of the pre-activations; negative where
            violated.
    """

    outputs: Float64
    slacks: Float64


@final
class LinearRegion:
    """The region of one activation pattern.

    A region is identified by its pattern, which is never recomputed from a point on a face.
    Faces ``a_j x + c_j >= 0`` are numbered over all piecewise-linear layers in network order.

    Args:
        network: the network.
        pattern: an activation pattern of it.
    """

    def __init__(self, network: Network, pattern: ActivationPattern) -> None:
        self.network = network
        self.pattern = pattern
        self._algebra = NumpyAlgebra()
        self._piecewise: list[tuple[int, PiecewiseLayer, np.ndarray]] = []
        self._states: list[np.ndarray | None] = []
        remaining = iter(pattern.states)
        for step in network.steps:
            state = None
            if isinstance(step.layer, PiecewiseLayer):
                state = next(remaining)
                state = state.astype(np.bool_) if state.dtype == np.int8 else state
                self._piecewise.append((step.inputs[0], step.layer, state))
            self._states.append(state)
        sizes = [size(layer.constraints_shape) for _, layer, _ in self._piecewise]
        self._first_face = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)

    @classmethod
    def of(cls, network: Network, x: Float64) -> LinearRegion:
        """The region of an input with d elements in any shape (eq. 8)."""
        return cls(network, network.pattern(x))

    @property
    def faces(self) -> int:
        """Number of inequalities that define the region."""
        return int(self._first_face[-1])

    def evaluate(self, x: Float64) -> Evaluation:
        """Evaluates the affine map and the slacks at points (n, d)."""
        values = [x.reshape(len(x), *self.network.input_shape)]
        slacks = []
        for step, state in zip(self.network.steps, self._states, strict=True):
            layer, operands = step.layer, [values[i] for i in step.inputs]
            if isinstance(layer, AffineLayer):
                values.append(layer.forward(self._algebra, *operands))
            elif isinstance(layer, PiecewiseLayer) and state is not None:
                slacks.append(
                    layer.constraints(self._algebra, state, operands[0]).reshape(len(x), -1)
                )
                values.append(layer.piece(self._algebra, state, operands[0]))
        joined = np.concatenate(slacks, axis=1) if slacks else np.zeros((len(x), 0))
        return Evaluation(values[-1].reshape(len(x), -1), joined)

    def gradient(self, v: Float64) -> Float64:
        """Rows ``v Γ`` (m, d) for weights v (m, k) of the logits."""
        seed = v.reshape(len(v), *self.network.output_shape)
        return self._transpose(len(self.network.steps), seed)

    def face_rows(self, faces: Integers) -> Float64:
        """Rows a_j (m, d) of some faces: vector-Jacobian products with the layers before them."""
        rows = np.empty((len(faces), self.network.input_size))
        owner = np.searchsorted(self._first_face, faces, side="right") - 1
        for number, (source, layer, state) in enumerate(self._piecewise):
            mine = np.flatnonzero(owner == number)
            if mine.size == 0:
                continue
            units = np.zeros((mine.size, size(layer.constraints_shape)))
            units[np.arange(mine.size), faces[mine] - self._first_face[number]] = 1.0
            seed = layer.constraints_transpose(
                self._algebra, state, units.reshape(mine.size, *layer.constraints_shape)
            )
            rows[mine] = self._transpose(source, seed)
        return rows

    def contains(self, x: Float64, tolerance: float = 0.0) -> bool:
        """Whether an input (d,) has slacks of at least ``-tolerance``."""
        return bool(np.all(self.evaluate(x.reshape(1, -1)).slacks >= -tolerance))

    def _transpose(self, start: int, seed: np.ndarray) -> Float64:
        rows = transpose_pass(self._algebra, self.network.steps, self._states, start, seed)
        if rows is None:
            return np.zeros((len(seed), self.network.input_size))
        return rows.reshape(len(seed), -1)
