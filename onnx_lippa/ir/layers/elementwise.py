"""Elementwise affine maps: a scale and a shift, and weighted sums of several tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar, final

import numpy as np
from typing_extensions import override

from onnx_lippa.arrays import Float64, Shape
from onnx_lippa.ir.algebra import Algebra
from onnx_lippa.ir.layers.base import AffineLayer

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
    @override
    def shape(self) -> Shape:
        return self._shape

    @property
    @override
    def parameters(self) -> int:
        return sum(part.size for part in (self._scale, self._shift) if part is not None)

    @override
    def linear(self, algebra: Algebra[V], *inputs: V) -> V:
        (x,) = inputs
        if self._shape != self._source:
            wide = (1,) * (len(self._shape) - len(self._source)) + self._source
            x = algebra.broadcast(algebra.reshape(x, wide), self._shape)
        return x if self._scale is None else algebra.scale(x, self._scale)

    @override
    def offset(self) -> Float64 | None:
        return self._shift

    @override
    def transpose(self, algebra: Algebra[V], u: V) -> tuple[V, ...]:
        if self._scale is not None:
            u = algebra.scale(u, self._scale)
        return (u if self._shape == self._source else algebra.sum_to(u, self._shape, self._source),)


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
        self._sources, self._constant = tuple(sources), constant
        self._weights = tuple(np.asarray(weight, dtype=np.float64) for weight in weights)
        factors = [weight.shape for weight in self._weights]
        constants = [] if constant is None else [constant.shape]
        self._shape: Shape = np.broadcast_shapes(*sources, *factors, *constants)

    @property
    @override
    def shape(self) -> Shape:
        return self._shape

    @override
    def linear(self, algebra: Algebra[V], *inputs: V) -> V:
        total: V | None = None
        for x, source, weight in zip(inputs, self._sources, self._weights, strict=True):
            summand = self._wide(algebra, x, source)
            if np.any(weight != 1.0):
                summand = algebra.scale(summand, weight)
            total = summand if total is None else algebra.add(total, summand)
        if total is None:
            raise ValueError("a sum needs at least one summand")
        return total

    @override
    def offset(self) -> Float64 | None:
        return self._constant

    @override
    def transpose(self, algebra: Algebra[V], u: V) -> tuple[V, ...]:
        return tuple(
            algebra.sum_to(part, self._shape, source) if source != self._shape else part
            for part, source in (
                (u if np.all(weight == 1.0) else algebra.scale(u, weight), source)
                for source, weight in zip(self._sources, self._weights, strict=True)
            )
        )

    def _wide(self, algebra: Algebra[V], x: V, source: Shape) -> V:
        if source == self._shape:
            return x
        aligned = (1,) * (len(self._shape) - len(source)) + source
        return algebra.broadcast(algebra.reshape(x, aligned), self._shape)
