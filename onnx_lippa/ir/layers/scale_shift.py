"""Elementwise ``scale * x + shift``, the layer behind Add, Sub, Mul, Div with constants."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar, final

import numpy as np

from onnx_lippa.arrays import Float64, Shape
from onnx_lippa.ir.algebra import Algebra
from onnx_lippa.ir.layers.base import AffineLayer
from onnx_lippa.ir.layers.frame import Frame, whole
from onnx_lippa.ir.layers.node import Computed, Known, Unsupported, without_batch
from onnx_lippa.ir.layers.rearrange import Rearranged

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
            wide = (1,) * (len(self._shape) - len(self._source)) + self._source
            x = algebra.broadcast(algebra.reshape(x, wide), self._shape)
        return x if self._scale is None else algebra.scale(x, self._scale)

    def offset(self) -> Float64 | None:
        """See :meth:`AffineLayer.offset`."""
        return self._shift

    def transpose(self, algebra: Algebra[V], u: V) -> tuple[V, ...]:
        """See :meth:`AffineLayer.transpose`."""
        if self._scale is not None:
            u = algebra.scale(u, self._scale)
        return (u if self._shape == self._source else algebra.sum_to(u, self._shape, self._source),)


def met(x: Computed, constant: Known) -> tuple[Frame, Float64]:
    """The frame in which x meets a constant elementwise, and the constant there.

    Raises:
        Unsupported: the constant does not broadcast with x.
    """
    value = constant.weight
    if x.batched and (value.ndim < x.rank or (value.ndim == x.rank and value.shape[0] == 1)):
        frame, value = Frame((), x.shape, (), True), without_batch(value, x.rank)
    else:
        frame = whole(x)
        missing = value.ndim - len(frame.source)
        if missing > 0:
            wide = (*(1,) * missing, *frame.source)
            before = (*frame.before, Rearranged(frame.source, wide))
            frame = replace(frame, before=before, source=wide)
    try:
        np.broadcast_shapes(value.shape, frame.source)
    except ValueError as error:
        raise Unsupported(
            f"a constant of shape {constant.value.shape} does not broadcast to samples {x.shape}"
        ) from error
    return frame, value
