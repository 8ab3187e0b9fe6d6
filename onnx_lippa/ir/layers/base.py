"""The two kinds of layer.

Inside a linear region every layer is affine. An affine layer states its map and the transpose of
its linear part; a piecewise-linear one states the same for each of its pieces, with the region
constraints under which the piece is valid. Gradients, region faces and the rows of linear programs
are derived from these statements and nothing else.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Final

import numpy as np
import scipy.sparse as sp
from typing_extensions import override

from onnx_lippa.arrays import Float64, Shape, States, size
from onnx_lippa.ir.algebra import Algebra, NumpyAlgebra, V

_COLUMNS_AT_ONCE = 512
"""Unit vectors that :meth:`AffineLayer.matrices` pushes through a layer at once."""


def with_extent(shape: Shape, axis: int, extent: int) -> Shape:
    """The shape with another extent of one axis."""
    return (*shape[:axis], extent, *shape[axis + 1 :])


class Layer(ABC):
    """One operator of a network, on samples of known shapes.

    Attributes:
        shape: shape of the output for one sample.
        weights: its trained constants; None for an absent one.
    """

    def __init__(self, shape: Shape, *weights: Float64 | None) -> None:
        self.shape: Final = shape
        self.weights: Final = weights

    @property
    def parameters(self) -> int:
        """Number of weights and biases."""
        return sum(weight.size for weight in self.weights if weight is not None)

    @abstractmethod
    def forward(self, algebra: Algebra[V], *inputs: V) -> V:
        """The output for these inputs."""


class AffineLayer(Layer):
    """``y = A x_1 + B x_2 + ... + c``: linear in all its inputs together, plus an offset.

    Attributes:
        offset: the constant c, of the output's shape or one that broadcasts to it; None for 0.
    """

    def __init__(
        self, shape: Shape, *weights: Float64 | None, offset: Float64 | None = None
    ) -> None:
        super().__init__(shape, *weights)
        self.offset: Final = offset

    @abstractmethod
    def linear(self, algebra: Algebra[V], *inputs: V) -> V:
        """The linear part."""

    @abstractmethod
    def transpose(self, algebra: Algebra[V], u: V) -> tuple[V, ...]:
        """The transpose of the linear part, one result for every input."""

    @override
    def forward(self, algebra: Algebra[V], *inputs: V) -> V:
        result = self.linear(algebra, *inputs)
        return result if self.offset is None else algebra.add_constant(result, self.offset)

    def matrices(self) -> tuple[sp.csr_array, ...]:
        """The linear part as sparse matrices (outputs, inputs), one for every input.

        Row i is the transpose applied to the i-th unit vector.
        """
        algebra = NumpyAlgebra()
        outputs = size(self.shape)
        stacks: list[list[sp.csr_array]] = []
        for start in range(0, outputs, _COLUMNS_AT_ONCE):
            count = min(_COLUMNS_AT_ONCE, outputs - start)
            units = np.zeros((count, outputs))
            units[np.arange(count), start + np.arange(count)] = 1.0
            rows = self.transpose(algebra, units.reshape(count, *self.shape))
            stacks.append([sp.csr_array(row.reshape(count, -1)) for row in rows])
        return tuple(
            sp.csr_array(sp.vstack(blocks, format="csr")) for blocks in zip(*stacks, strict=True)
        )


@dataclass(frozen=True)
class Split:
    """A piecewise-linear layer with its choices expressed by bounds on auxiliary variables.

    For input ``x`` and output ``z`` there are auxiliaries ``a`` with
    ``link @ a + link_offset = x`` and ``z = output @ a + output_offset``, and the piece is
    chosen by the bounds on ``a`` alone (:meth:`PiecewiseLayer.split_bounds`). So the matrix of a
    linear program built from it is the same for every region.

    Attributes:
        link: sparse (inputs, auxiliaries).
        link_offset: (inputs,).
        output: sparse (outputs, auxiliaries).
        output_offset: (outputs,).
    """

    link: sp.csr_array
    link_offset: Float64
    output: sp.csr_array
    output_offset: Float64


class PiecewiseLayer(Layer):
    """Affine on each of finitely many polyhedra of its input; one input.

    A *state* is the index of each unit's piece: an array of int8 in NumPy, a tensor in a graph.

    Attributes:
        constraints_shape: shape of the region constraints' slacks for one sample.
    """

    def __init__(
        self, shape: Shape, *weights: Float64 | None, constraints_shape: Shape | None = None
    ) -> None:
        super().__init__(shape, *weights)
        self.constraints_shape: Final = shape if constraints_shape is None else constraints_shape

    @override
    def forward(self, algebra: Algebra[V], *inputs: V) -> V:
        (x,) = inputs
        return self.piece(algebra, self.state(algebra, x), x)

    @abstractmethod
    def state(self, algebra: Algebra[V], x: V) -> V:
        """The piece of every unit at this pre-activation (eq. 8 of the paper for ReLU)."""

    @abstractmethod
    def piece(self, algebra: Algebra[V], state: V, x: V) -> V:
        """The affine map of the given pieces, evaluated at any x."""

    @abstractmethod
    def piece_transpose(self, algebra: Algebra[V], state: V, u: V) -> V:
        """The transpose of the linear part of the given pieces."""

    @abstractmethod
    def constraints(self, algebra: Algebra[V], state: V, x: V) -> V:
        """Slacks of the region constraints: affine in x, nonnegative where the pieces are valid."""

    @abstractmethod
    def constraints_transpose(self, algebra: Algebra[V], state: V, u: V) -> V:
        """The transpose of the linear part of :meth:`constraints`."""

    @abstractmethod
    def split(self) -> Split:
        """The layer for a program whose matrix does not depend on the region."""

    @abstractmethod
    def split_bounds(self, state: States) -> tuple[Float64, Float64]:
        """Lower and upper bounds of the split's auxiliaries on the given pieces (one sample)."""
