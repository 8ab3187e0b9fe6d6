"""Layers that only move elements: reshape and transpose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar, final

import numpy as np

from onnx_lippa.arrays import Shape
from onnx_lippa.ir.algebra import Algebra
from onnx_lippa.ir.layers.base import AffineLayer, Layer

V = TypeVar("V")


@final
class Rearranged(AffineLayer):
    """The same elements in row-major order under another shape."""

    def __init__(self, source: Shape, shape: Shape) -> None:
        self._source, self._shape = source, shape

    @property
    def shape(self) -> Shape:
        """See :attr:`Layer.shape`."""
        return self._shape

    @property
    def source(self) -> Shape:
        """Shape of the input for one sample."""
        return self._source

    def linear(self, algebra: Algebra[V], *inputs: V) -> V:
        """See :meth:`AffineLayer.linear`."""
        return algebra.reshape(inputs[0], self._shape)

    def transpose(self, algebra: Algebra[V], u: V) -> tuple[V, ...]:
        """See :meth:`AffineLayer.transpose`."""
        return (algebra.reshape(u, self._source),)


@final
class Permuted(AffineLayer):
    """Axes in another order; ``axes[i]`` is the source axis of output axis i."""

    def __init__(self, source: Shape, axes: tuple[int, ...]) -> None:
        self._axes = axes
        self._back = tuple(int(axis) for axis in np.argsort(axes))
        self._shape = tuple(source[axis] for axis in axes)

    @property
    def shape(self) -> Shape:
        """See :attr:`Layer.shape`."""
        return self._shape

    def linear(self, algebra: Algebra[V], *inputs: V) -> V:
        """See :meth:`AffineLayer.linear`."""
        return algebra.permute(inputs[0], self._axes)

    def transpose(self, algebra: Algebra[V], u: V) -> tuple[V, ...]:
        """See :meth:`AffineLayer.transpose`."""
        return (algebra.permute(u, self._back),)


def merged(layers: Sequence[Layer]) -> list[Layer]:
    """The same chain with reshapes in a row made one, and none that does nothing."""
    kept: list[Layer] = []
    for layer in layers:
        if not isinstance(layer, Rearranged):
            kept.append(layer)
            continue
        last = kept[-1] if kept else None
        source = layer.source
        if isinstance(last, Rearranged):
            source = last.source
            kept.pop()
        if source != layer.shape:
            kept.append(Rearranged(source, layer.shape))
    return kept
