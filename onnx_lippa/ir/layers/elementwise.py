"""Elementwise affine maps: a scale and a shift, and weighted sums of several tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import numpy as np
from typing_extensions import override

from onnx_lippa.arrays import Float64, Shape
from onnx_lippa.ir.algebra import Algebra, V
from onnx_lippa.ir.layers.base import AffineLayer


@final
class ScaleShift(AffineLayer):
    """``y = scale * x + shift``, all three broadcast together.

    Args:
        source: sample shape of x.
        scale: factor, or None for 1.
        shift: summand, or None for 0.
    """

    def __init__(
        self,
        source: Shape,
        scale: float | Float64 | None = None,
        shift: float | Float64 | None = None,
    ) -> None:
        scale, shift = (None if part is None else np.asarray(part) for part in (scale, shift))
        self._source, self._scale = source, scale
        parts = [part.shape for part in (scale, shift) if part is not None]
        super().__init__(np.broadcast_shapes(source, *parts), scale, shift, offset=shift)

    @override
    def linear(self, algebra: Algebra[V], *inputs: V) -> V:
        x = _broadcast(algebra, inputs[0], self._source, self.shape)
        return x if self._scale is None else algebra.scale(x, self._scale)

    @override
    def transpose(self, algebra: Algebra[V], u: V) -> tuple[V, ...]:
        if self._scale is not None:
            u = algebra.scale(u, self._scale)
        return (sum_back(algebra, u, self.shape, self._source),)


@final
class WeightedSum(AffineLayer):
    """``y = w_1 x_1 + w_2 x_2 + ... + c`` for samples of shapes that broadcast together.

    Args:
        sources: sample shape of each x.
        weights: the factors, numbers or arrays that broadcast with the samples.
        constant: c, broadcast with the samples, or None for 0.
    """

    def __init__(
        self,
        sources: Sequence[Shape],
        weights: Sequence[float | Float64],
        constant: Float64 | None = None,
    ) -> None:
        self._sources = tuple(sources)
        self._weights = tuple(np.asarray(weight, dtype=np.float64) for weight in weights)
        arrays = self._weights if constant is None else (*self._weights, constant)
        shape = np.broadcast_shapes(*sources, *(array.shape for array in arrays))
        super().__init__(shape, offset=constant)

    @override
    def linear(self, algebra: Algebra[V], *inputs: V) -> V:
        total: V | None = None
        for x, source, weight in zip(inputs, self._sources, self._weights, strict=True):
            summand = _broadcast(algebra, x, source, self.shape)
            if np.any(weight != 1.0):
                summand = algebra.scale(summand, weight)
            total = summand if total is None else algebra.add(total, summand)
        if total is None:
            raise ValueError("a sum needs at least one summand")
        return total

    @override
    def transpose(self, algebra: Algebra[V], u: V) -> tuple[V, ...]:
        return tuple(
            sum_back(
                algebra,
                u if np.all(weight == 1.0) else algebra.scale(u, weight),
                self.shape,
                source,
            )
            for source, weight in zip(self._sources, self._weights, strict=True)
        )


def _broadcast(algebra: Algebra[V], x: V, source: Shape, shape: Shape) -> V:
    """Samples of shape ``source`` broadcast to ``shape``, which may have more axes."""
    if source == shape:
        return x
    aligned = (1,) * (len(shape) - len(source)) + source
    return algebra.broadcast(algebra.reshape(x, aligned), shape)


def sum_back(algebra: Algebra[V], u: V, shape: Shape, source: Shape) -> V:
    """The transpose of broadcasting ``source`` to ``shape``."""
    return u if source == shape else algebra.sum_to(u, shape, source)
