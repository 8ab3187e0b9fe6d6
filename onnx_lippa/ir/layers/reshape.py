"""Layers without weights: reshape, transpose, sums over axes and repetition along axes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final, final

import numpy as np
from typing_extensions import override

from onnx_lippa.arrays import Shape
from onnx_lippa.ir.algebra import Algebra, V
from onnx_lippa.ir.layers.base import AffineLayer, Layer


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


def repeat(source: Shape, times: Mapping[int, int], together: bool) -> tuple[Layer, ...]:
    """Layers that repeat samples along some axes.

    Args:
        source: sample shape of x.
        times: how often, for each of these axes.
        together: whether the repetitions of an entry are neighbours, not those of the whole axis.
    """
    narrow: list[int] = []
    wide: list[int] = []
    for axis, extent in enumerate(source):
        count = times.get(axis)
        if count is None:
            narrow.append(extent)
            wide.append(extent)
        else:
            narrow += (extent, 1) if together else (1, extent)
            wide += (extent, count) if together else (count, extent)
    shape = tuple(extent * times.get(axis, 1) for axis, extent in enumerate(source))
    expanded = Expand(tuple(narrow), tuple(wide))
    return Reshape(source, tuple(narrow)), expanded, Reshape(expanded.shape, shape)


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
