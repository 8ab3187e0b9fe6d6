"""Padding that repeats the outermost entries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import numpy as np
from typing_extensions import override

from onnx_lippa.arrays import Integers, Shape
from onnx_lippa.ir.algebra import Algebra, V
from onnx_lippa.ir.layers.base import AffineLayer, with_extent


@final
class EdgePad(AffineLayer):
    """Each axis with its first entry repeated before it and its last one behind it.

    Everything is a slice or a few of them concatenated, which runtimes copy in long runs; only
    edges are summed.

    Args:
        source: sample shape of x.
        pads: (before, after) for every axis of it.
    """

    def __init__(self, source: Shape, pads: Sequence[tuple[int, int]]) -> None:
        self._source, self._pads = source, tuple(pads)
        super().__init__(
            tuple(b + extent + a for extent, (b, a) in zip(source, self._pads, strict=True))
        )

    @override
    def linear(self, algebra: Algebra[V], *inputs: V) -> V:
        (x,) = inputs
        shape = self._source
        for axis, (before, after) in enumerate(self._pads):
            extent = shape[axis]
            parts = [x]
            if before:
                parts.insert(0, self._repeat(algebra, x, axis, shape, 0, before))
            if after:
                parts.append(self._repeat(algebra, x, axis, shape, extent - 1, after))
            x = algebra.concatenate(parts, axis) if len(parts) > 1 else x
            shape = with_extent(shape, axis, before + extent + after)
        return x

    def _repeat(
        self, algebra: Algebra[V], x: V, axis: int, shape: Shape, position: int, count: int
    ) -> V:
        entry = algebra.take(x, axis, shape, np.array([position]))
        return entry if count == 1 else algebra.broadcast(entry, with_extent(shape, axis, count))

    @override
    def transpose(self, algebra: Algebra[V], u: V) -> tuple[V, ...]:
        """The repetitions of an edge are summed into it."""
        shape = self.shape
        for axis, (before, after) in reversed(list(enumerate(self._pads))):
            if not before and not after:
                continue
            extent = self._source[axis]
            if extent == 1:
                u = algebra.sum_to(u, shape, with_extent(shape, axis, 1))
            else:
                u = self._transpose_axis(algebra, u, axis, shape)
            shape = with_extent(shape, axis, extent)
        return (u,)

    def _transpose_axis(self, algebra: Algebra[V], u: V, axis: int, shape: Shape) -> V:
        """The transpose along an axis of at least two entries: its edges are sums."""
        before, after = self._pads[axis]
        head, tail = (before + 1 if before else 0), (after + 1 if after else 0)
        body = shape[axis] - head - tail
        parts = []
        if head:
            parts.append(self._sum_edge(algebra, u, axis, shape, np.arange(head)))
        if body:
            parts.append(algebra.take(u, axis, shape, np.arange(head, head + body)))
        if tail:
            parts.append(
                self._sum_edge(algebra, u, axis, shape, np.arange(head + body, shape[axis]))
            )
        return algebra.concatenate(parts, axis) if len(parts) > 1 else parts[0]

    def _sum_edge(
        self, algebra: Algebra[V], u: V, axis: int, shape: Shape, positions: Integers
    ) -> V:
        edge = algebra.take(u, axis, shape, positions)
        wide = with_extent(shape, axis, len(positions))
        return algebra.sum_to(edge, wide, with_extent(shape, axis, 1))
