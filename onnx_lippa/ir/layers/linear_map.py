"""Products with a constant matrix."""

from __future__ import annotations

from typing import final

import numpy as np
from typing_extensions import override

from onnx_lippa.arrays import Float64, Shape
from onnx_lippa.ir.algebra import Algebra, V
from onnx_lippa.ir.layers.base import AffineLayer, with_extent
from onnx_lippa.ir.layers.elementwise import sum_back


@final
class LinearMap(AffineLayer):
    """``y = x @ weight + bias`` over the last axis of a sample.

    Args:
        source: sample shape of x; its last extent is the number of rows of the weight.
        weight: (..., inputs, outputs), with at most as many axes as a sample where more than
            two; the axes in front broadcast with the sample's.
        bias: broadcast to the output's shape, or None.
    """

    def __init__(self, source: Shape, weight: Float64, bias: Float64 | None = None) -> None:
        self._source, self._weight = source, weight
        self._weight_t = weight.swapaxes(-1, -2)
        front = source[:-1]
        if weight.ndim > 2:
            front = (*np.broadcast_shapes(source[:-2], weight.shape[:-2]), source[-2])
        super().__init__((*front, weight.shape[-1]), weight, bias, offset=bias)

    @override
    def linear(self, algebra: Algebra[V], *inputs: V) -> V:
        return algebra.matmul(inputs[0], self._weight)

    @override
    def transpose(self, algebra: Algebra[V], u: V) -> tuple[V, ...]:
        pulled = algebra.matmul(u, self._weight_t)
        return (sum_back(algebra, pulled, (*self.shape[:-1], self._source[-1]), self._source),)


@final
class LeftLinearMap(AffineLayer):
    """``y = weight @ x`` over the last but one axis of a sample of rank two or more.

    Args:
        source: sample shape of x.
        weight: (..., outputs, inputs), with at most as many axes as a sample; the axes in front
            broadcast with the sample's.
    """

    def __init__(self, source: Shape, weight: Float64) -> None:
        self._source, self._weight = source, weight
        self._weight_t = weight.swapaxes(-1, -2)
        front = np.broadcast_shapes(source[:-2], weight.shape[:-2])
        super().__init__((*front, weight.shape[-2], source[-1]), weight)

    @override
    def linear(self, algebra: Algebra[V], *inputs: V) -> V:
        return algebra.left_matmul(self._weight, inputs[0])

    @override
    def transpose(self, algebra: Algebra[V], u: V) -> tuple[V, ...]:
        pulled = algebra.left_matmul(self._weight_t, u)
        reached = (*self.shape[:-2], *self._source[-2:])
        return (sum_back(algebra, pulled, reached, self._source),)


@final
class AxisLinearMap(AffineLayer):
    """``y = matrix @ x`` along one axis of the samples.

    Args:
        source: sample shape of x.
        axis: the axis.
        matrix: (outputs, extent of the axis).
    """

    def __init__(self, source: Shape, axis: int, matrix: Float64) -> None:
        self._axis, self._matrix = axis, np.ascontiguousarray(matrix)
        self._matrix_t = np.ascontiguousarray(matrix.T)
        super().__init__(with_extent(source, axis, len(matrix)))
        self._swapped = list(range(len(source)))
        self._swapped[axis], self._swapped[-1] = self._swapped[-1], self._swapped[axis]

    @override
    def linear(self, algebra: Algebra[V], *inputs: V) -> V:
        return self._apply(algebra, inputs[0], self._matrix, self._matrix_t)

    @override
    def transpose(self, algebra: Algebra[V], u: V) -> tuple[V, ...]:
        return (self._apply(algebra, u, self._matrix_t, self._matrix),)

    def _apply(self, algebra: Algebra[V], x: V, matrix: Float64, transposed: Float64) -> V:
        behind = len(self._swapped) - 1 - self._axis
        if behind == 0:
            return algebra.matmul(x, transposed)
        if behind == 1:
            return algebra.left_matmul(matrix, x)
        swapped = tuple(self._swapped)
        return algebra.permute(algebra.matmul(algebra.permute(x, swapped), transposed), swapped)


@final
class TransposedLayer(AffineLayer):
    """``y = A^T x + offset`` for the linear part ``A`` of a layer with one input.

    Args:
        layer: the layer.
        shape: sample shape of its input, which is that of y.
        offset: broadcast to this shape, or None.
    """

    def __init__(self, layer: AffineLayer, shape: Shape, offset: Float64 | None = None) -> None:
        super().__init__(shape, *layer.weights, offset, offset=offset)
        self._layer = layer

    @override
    def linear(self, algebra: Algebra[V], *inputs: V) -> V:
        return self._layer.transpose(algebra, *inputs)[0]

    @override
    def transpose(self, algebra: Algebra[V], u: V) -> tuple[V, ...]:
        return (self._layer.linear(algebra, u),)
