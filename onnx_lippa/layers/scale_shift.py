"""Elementwise ``scale * x + shift``, the layer behind Add, Sub, Mul, Div with constants."""

from __future__ import annotations

from typing import TypeVar, final

import numpy as np

from onnx_lippa.algebra import Algebra
from onnx_lippa.arrays import Float64, Shape
from onnx_lippa.layers.base import AffineLayer
from onnx_lippa.layers.node import Computed, Known, Unsupported, without_batch

V = TypeVar("V")


@final
class ScaleShift(AffineLayer):
    """``y = scale * x + shift``, all three broadcast together.

    Args:
        source: sample shape of x.
        scale: factor, or None for 1.
        shift: summand, or None for 0.
    """

    def __init__(self, source: Shape, scale: Float64 | None, shift: Float64 | None) -> None:
        self._source, self._scale, self._shift = source, scale, shift
        parts = [part.shape for part in (scale, shift) if part is not None]
        self._shape: Shape = np.broadcast_shapes(source, *parts)

    @property
    def shape(self) -> Shape:
        """See :attr:`Layer.shape`."""
        return self._shape

    @property
    def parameters(self) -> int:
        """See :attr:`Layer.parameters`."""
        return sum(part.size for part in (self._scale, self._shift) if part is not None)

    def linear(self, algebra: Algebra[V], *inputs: V) -> V:
        """See :meth:`AffineLayer.linear`."""
        (x,) = inputs
        if self._shape != self._source:
            factor = np.array(1.0) if self._scale is None else self._scale
            return algebra.scale(x, np.broadcast_to(factor, self._shape))
        return x if self._scale is None else algebra.scale(x, self._scale)

    def offset(self) -> Float64 | None:
        """See :meth:`AffineLayer.offset`."""
        return self._shift

    def transpose(self, algebra: Algebra[V], u: V) -> tuple[V, ...]:
        """See :meth:`AffineLayer.transpose`."""
        if self._scale is not None:
            u = algebra.scale(u, self._scale)
        return (u if self._shape == self._source else algebra.sum_to(u, self._shape, self._source),)


def aligned_constant(constant: Known, x: Computed) -> Float64:
    """A constant operand in float64, ready to meet the samples of x.

    Raises:
        Unsupported: the constant does not broadcast with x, or varies over the batch.
    """
    rank = x.rank
    if constant.value.ndim > rank and all(e == 1 for e in constant.value.shape):
        raise Unsupported(f"a constant of shape {constant.value.shape} adds axes before the batch")
    value = without_batch(constant.weight, rank)
    try:
        np.broadcast_shapes(value.shape, x.shape)
    except ValueError as error:
        raise Unsupported(
            f"a constant of shape {constant.value.shape} does not broadcast to samples {x.shape}"
        ) from error
    if value.ndim > len(x.shape):
        raise Unsupported(f"a constant of shape {constant.value.shape} meets the batch axis")
    return value
