"""Products with a constant matrix."""

from __future__ import annotations

from typing import TypeVar, final

import numpy as np
from typing_extensions import override

from onnx_lippa.arrays import Float64, Shape
from onnx_lippa.ir.algebra import Algebra
from onnx_lippa.ir.layers.base import AffineLayer

V = TypeVar("V")


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
        self._source, self._weight, self._bias = source, weight, bias
        self._weight_t = weight.swapaxes(-1, -2)
        self._shape: Shape = (*source[:-1], weight.shape[-1])
        if weight.ndim > 2:
            front = np.broadcast_shapes(source[:-2], weight.shape[:-2])
            self._shape = (*front, source[-2], weight.shape[-1])

    @property
    @override
    def shape(self) -> Shape:
        return self._shape

    @property
    @override
    def parameters(self) -> int:
        return self._weight.size + (0 if self._bias is None else self._bias.size)

    @override
    def linear(self, algebra: Algebra[V], *inputs: V) -> V:
        return algebra.matmul(inputs[0], self._weight)

    @override
    def offset(self) -> Float64 | None:
        return self._bias

    @override
    def transpose(self, algebra: Algebra[V], u: V) -> tuple[V, ...]:
        pulled = algebra.matmul(u, self._weight_t)
        return (
            _sum_broadcast(algebra, pulled, (*self._shape[:-1], self._source[-1]), self._source),
        )


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
        self._shape: Shape = (*front, weight.shape[-2], source[-1])

    @property
    @override
    def shape(self) -> Shape:
        return self._shape

    @property
    @override
    def parameters(self) -> int:
        return self._weight.size

    @override
    def linear(self, algebra: Algebra[V], *inputs: V) -> V:
        return algebra.left_matmul(self._weight, inputs[0])

    @override
    def transpose(self, algebra: Algebra[V], u: V) -> tuple[V, ...]:
        pulled = algebra.left_matmul(self._weight_t, u)
        reached = (*self._shape[:-2], *self._source[-2:])
        return (_sum_broadcast(algebra, pulled, reached, self._source),)


def _sum_broadcast(algebra: Algebra[V], u: V, reached: Shape, source: Shape) -> V:
    """Sums over the axes that the weight broadcast."""
    return u if reached == source else algebra.sum_to(u, reached, source)


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
        self._shape = (*source[:axis], matrix.shape[0], *source[axis + 1 :])
        self._swapped = list(range(len(source)))
        self._swapped[axis], self._swapped[-1] = self._swapped[-1], self._swapped[axis]

    @property
    @override
    def shape(self) -> Shape:
        return self._shape

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
    """``y = A^T x`` for the linear part ``A`` of a layer with one input.

    Args:
        layer: the layer.
        shape: sample shape of its input, which is that of y.
    """

    def __init__(self, layer: AffineLayer, shape: Shape) -> None:
        self._layer, self._shape = layer, shape

    @property
    @override
    def shape(self) -> Shape:
        return self._shape

    @override
    def linear(self, algebra: Algebra[V], *inputs: V) -> V:
        return self._layer.transpose(algebra, *inputs)[0]

    @override
    def transpose(self, algebra: Algebra[V], u: V) -> tuple[V, ...]:
        return (self._layer.linear(algebra, u),)
