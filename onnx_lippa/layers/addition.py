"""The sum or difference of two computed tensors, as in a residual connection."""

from __future__ import annotations

from typing import TypeVar, final

import numpy as np

from onnx_lippa.algebra import Algebra
from onnx_lippa.arrays import Shape
from onnx_lippa.layers.base import AffineLayer
from onnx_lippa.layers.node import Computed, Unsupported

V = TypeVar("V")


@final
class Addition(AffineLayer):
    """``y = left + sign * right`` for two samples of shapes that broadcast together."""

    def __init__(self, left: Computed, right: Computed, sign: float = 1.0) -> None:
        self._shapes, self._sign = (left.shape, right.shape), sign
        if len(left.shape) != len(right.shape):
            raise Unsupported(
                f"it adds tensors of different rank (samples {left.shape} and {right.shape}), "
                "which would align the batch axis of one with a feature axis of the other"
            )
        try:
            self._shape: Shape = np.broadcast_shapes(left.shape, right.shape)
        except ValueError as error:
            raise Unsupported(
                f"samples of shapes {left.shape} and {right.shape} do not broadcast"
            ) from error

    @property
    def shape(self) -> Shape:
        """See :attr:`Layer.shape`."""
        return self._shape

    def linear(self, algebra: Algebra[V], *inputs: V) -> V:
        """See :meth:`AffineLayer.linear`."""
        left, right = (
            x if shape == self._shape else algebra.scale(x, np.ones(self._shape))
            for x, shape in zip(inputs, self._shapes, strict=True)
        )
        if self._sign != 1.0:
            right = algebra.scale(right, np.array(self._sign))
        return algebra.add(left, right)

    def transpose(self, algebra: Algebra[V], u: V) -> tuple[V, ...]:
        """See :meth:`AffineLayer.transpose`."""
        signed = u if self._sign == 1.0 else algebra.scale(u, np.array(self._sign))
        left, right = (
            part if shape == self._shape else algebra.sum_to(part, self._shape, shape)
            for part, shape in zip((u, signed), self._shapes, strict=True)
        )
        return left, right
