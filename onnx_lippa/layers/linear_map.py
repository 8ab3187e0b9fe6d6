"""Products with a constant matrix, the layers behind Gemm and MatMul."""

from __future__ import annotations

from typing import TypeVar, final

import numpy as np

from onnx_lippa.algebra import Algebra
from onnx_lippa.arrays import Float64, Shape
from onnx_lippa.layers.base import AffineLayer

V = TypeVar("V")


@final
class LinearMap(AffineLayer):
    """``y = x @ weight + bias`` over the last axis of a sample.

    Args:
        source: sample shape of x; its last extent is the number of rows of the weight.
        weight: (inputs, outputs).
        bias: broadcast to the output's shape, or None.
    """

    def __init__(self, source: Shape, weight: Float64, bias: Float64 | None = None) -> None:
        self._weight, self._bias = np.ascontiguousarray(weight), bias
        self._weight_t = np.ascontiguousarray(weight.T)
        self._shape = (*source[:-1], weight.shape[1])

    @property
    def shape(self) -> Shape:
        """See :attr:`Layer.shape`."""
        return self._shape

    @property
    def parameters(self) -> int:
        """See :attr:`Layer.parameters`."""
        return self._weight.size + (0 if self._bias is None else self._bias.size)

    def linear(self, algebra: Algebra[V], *inputs: V) -> V:
        """See :meth:`AffineLayer.linear`."""
        return algebra.matmul(inputs[0], self._weight)

    def offset(self) -> Float64 | None:
        """See :meth:`AffineLayer.offset`."""
        return self._bias

    def transpose(self, algebra: Algebra[V], u: V) -> tuple[V, ...]:
        """See :meth:`AffineLayer.transpose`."""
        return (algebra.matmul(u, self._weight_t),)


@final
class LeftLinearMap(AffineLayer):
    """``y = weight @ x`` over the last but one axis of a sample of rank two or more."""

    def __init__(self, source: Shape, weight: Float64) -> None:
        self._weight = np.ascontiguousarray(weight)
        self._weight_t = np.ascontiguousarray(weight.T)
        self._shape = (*source[:-2], weight.shape[0], source[-1])

    @property
    def shape(self) -> Shape:
        """See :attr:`Layer.shape`."""
        return self._shape

    @property
    def parameters(self) -> int:
        """See :attr:`Layer.parameters`."""
        return self._weight.size

    def linear(self, algebra: Algebra[V], *inputs: V) -> V:
        """See :meth:`AffineLayer.linear`."""
        return algebra.left_matmul(self._weight, inputs[0])

    def transpose(self, algebra: Algebra[V], u: V) -> tuple[V, ...]:
        """See :meth:`AffineLayer.transpose`."""
        return (algebra.left_matmul(self._weight_t, u),)
