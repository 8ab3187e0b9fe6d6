"""Layers that only move elements: reshape and transpose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeVar, final

import numpy as np
from typing_extensions import override

from onnx_lippa.arrays import Shape
from onnx_lippa.ir.algebra import Algebra
from onnx_lippa.ir.layers.base import AffineLayer, Layer

V = TypeVar("V")


@final
class Reshape(AffineLayer):
    """The same elements in row-major order under another shape.

    Attributes:
        source: shape of the input for one sample.
    """

    def __init__(self, source: Shape, shape: Shape) -> None:
        super().__init__(shape)
        self.source: Final = source

    @override
    def linear(self, algebra: Algebra[V], *inputs: V) -> V:
        return algebra.reshape(inputs[0], self.shape)

    @override
    def transpose(self, algebra: Algebra[V], u: V) -> tuple[V, ...]:
        return (algebra.reshape(u, self.source),)


@final
class Transpose(AffineLayer):
    """Axes in another order; ``axes[i]`` is the source axis of output axis i."""

    def __init__(self, source: Shape, axes: tuple[int, ...]) -> None:
        super().__init__(tuple(source[axis] for axis in axes))
        self._axes = axes
        self._back = tuple(int(axis) for axis in np.argsort(axes))

    @override
    def linear(self, algebra: Algebra[V], *inputs: V) -> V:
        return algebra.permute(inputs[0], self._axes)

    @override
    def transpose(self, algebra: Algebra[V], u: V) -> tuple[V, ...]:
        return (algebra.permute(u, self._back),)


def merge_reshapes(layers: Sequence[Layer]) -> list[Layer]:
    """The same chain with reshapes in a row made one, and none that does nothing."""
    kept: list[Layer] = []
    for layer in layers:
        if not isinstance(layer, Reshape):
            kept.append(layer)
            continue
        last = kept[-1] if kept else None
        source = layer.source
        if isinstance(last, Reshape):
            source = last.source
            kept.pop()
        if source != layer.shape:
            kept.append(Reshape(source, layer.shape))
    return kept
