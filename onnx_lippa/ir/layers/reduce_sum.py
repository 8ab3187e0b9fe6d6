"""Sums over axes, and their transpose: repetition along axes."""

from __future__ import annotations

from collections.abc import Collection
from typing import final

from typing_extensions import override

from onnx_lippa.arrays import Shape
from onnx_lippa.ir.algebra import Algebra, V
from onnx_lippa.ir.layers.base import AffineLayer


@final
class ReduceSum(AffineLayer):
    """The sum over some axes of the samples, which keep the extent 1."""

    def __init__(self, source: Shape, axes: Collection[int]) -> None:
        super().__init__(tuple(1 if i in axes else extent for i, extent in enumerate(source)))
        self._source = source

    @override
    def linear(self, algebra: Algebra[V], *inputs: V) -> V:
        return algebra.sum_to(inputs[0], self._source, self.shape)

    @override
    def transpose(self, algebra: Algebra[V], u: V) -> tuple[V, ...]:
        return (algebra.broadcast(u, self._source),)


@final
class Expand(AffineLayer):
    """A sample repeated along its axes of extent 1; the shape has as many axes as the source."""

    def __init__(self, source: Shape, shape: Shape) -> None:
        super().__init__(shape)
        self._source = source

    @override
    def linear(self, algebra: Algebra[V], *inputs: V) -> V:
        return algebra.broadcast(inputs[0], self.shape)

    @override
    def transpose(self, algebra: Algebra[V], u: V) -> tuple[V, ...]:
        return (algebra.sum_to(u, self.shape, self._source),)
