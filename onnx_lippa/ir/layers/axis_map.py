"""A linear map along one axis, the layer behind interpolation and cumulative sums."""

from __future__ import annotations

from typing import TypeVar, final

import numpy as np

from onnx_lippa.arrays import Float64, Shape
from onnx_lippa.ir.algebra import Algebra
from onnx_lippa.ir.layers.base import AffineLayer

V = TypeVar("V")


@final
class AxisMap(AffineLayer):
    """``y = matrix @ x`` along one axis of the samples.

    Args:
        source: sample shape of x.
        axis: the axis.
        matrix: (outputs, extent of the axis).
    """

    def __init__(self, source: Shape, axis: int, matrix: Float64) -> None:
        self._axis, self._matrix = axis, np.ascontiguousarray(matrix)
        self._matrix_t = np.ascontiguousarray(matrix.T)
        self._shape = (*source[:axis], matrix.shape[0], *source[axis + 1 :])
        self._swapped = list(range(len(source)))
        self._swapped[axis], self._swapped[-1] = self._swapped[-1], self._swapped[axis]

    @property
    def shape(self) -> Shape:
        """See :attr:`Layer.shape`."""
        return self._shape

    def linear(self, algebra: Algebra[V], *inputs: V) -> V:
        """See :meth:`AffineLayer.linear`."""
        return self._apply(algebra, inputs[0], self._matrix, self._matrix_t)

    def transpose(self, algebra: Algebra[V], u: V) -> tuple[V, ...]:
        """See :meth:`AffineLayer.transpose`."""
        return (self._apply(algebra, u, self._matrix_t, self._matrix),)

    def _apply(self, algebra: Algebra[V], x: V, matrix: Float64, transposed: Float64) -> V:
        behind = len(self._swapped) - 1 - self._axis
        if behind == 0:
            return algebra.matmul(x, transposed)
        if behind == 1:
            return algebra.left_matmul(matrix, x)
        swapped = tuple(self._swapped)
        return algebra.permute(algebra.matmul(algebra.permute(x, swapped), transposed), swapped)
