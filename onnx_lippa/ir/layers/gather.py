"""Entries gathered by position along axes: the layer of Slice, Gather, Pad, Split and windows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, final

import numpy as np
from typing_extensions import override

from onnx_lippa.arrays import Integers, Shape
from onnx_lippa.errors import Unsupported
from onnx_lippa.ir.algebra import Algebra, V
from onnx_lippa.ir.layers.base import AffineLayer, Layer, with_extent

_FEW = 8
"""Most summands of an entry along the last axis that are added one by one."""
_MOST_SOURCES: Final = 1 << 25
"""Most positions that the transpose of one axis may store: 256 MB."""


@final
class Gather(AffineLayer):
    """``y[i, j, ...] = x[p_0[i], p_1[j], ...]``, 0 where a position is -1.

    Args:
        source: sample shape of x.
        positions: for every axis that changes, the positions (extent of the output,).
    """

    def __init__(self, source: Shape, positions: Mapping[int, Integers]) -> None:
        self._source = source
        self._positions = {
            axis: taken.astype(np.int64)
            for axis, taken in sorted(positions.items())
            if not np.array_equal(taken, np.arange(source[axis]))
        }
        self._sources = {axis: _sources(p, source[axis]) for axis, p in self._positions.items()}
        super().__init__(
            tuple(len(self._positions.get(i, range(extent))) for i, extent in enumerate(source))
        )

    @property
    def is_identity(self) -> bool:
        """Whether every axis is kept."""
        return not self._positions

    @override
    def linear(self, algebra: Algebra[V], *inputs: V) -> V:
        (x,) = inputs
        reached = self._source
        for axis, positions in self._positions.items():
            x = algebra.take(x, axis, reached, positions)
            reached = with_extent(reached, axis, len(positions))
        return x

    @override
    def transpose(self, algebra: Algebra[V], u: V) -> tuple[V, ...]:
        """An entry gathered m times is the sum over m positions."""
        reached = self.shape
        for axis, rounds in reversed(self._sources.items()):
            u = self._transpose_axis(algebra, u, axis, rounds, reached)
            reached = with_extent(reached, axis, self._source[axis])
        return (u,)

    def _transpose_axis(
        self, algebra: Algebra[V], u: V, axis: int, rounds: list[Integers], reached: Shape
    ) -> V:
        """The transpose along one axis, applied to u of the shape reached so far."""
        # Entries of another axis are longer pieces, which ONNX Runtime gathers faster at once.
        if len(rounds) <= (_FEW if axis == len(reached) - 1 else 1):
            total = algebra.take(u, axis, reached, rounds[0])
            for places in rounds[1:]:
                total = algebra.add(total, algebra.take(u, axis, reached, places))
            return total
        collected = with_extent(reached, axis, self._source[axis])
        stacked = (*collected[:axis], len(rounds), *collected[axis:])
        spread = algebra.take(u, axis, reached, np.concatenate(rounds))
        spread = algebra.reshape(spread, stacked)
        return algebra.reshape(
            algebra.sum_to(spread, stacked, with_extent(stacked, axis, 1)), collected
        )


def gather(source: Shape, positions: Mapping[int, Integers]) -> tuple[Layer, ...]:
    """The layer that gathers these positions, or none where every axis is kept."""
    layer = Gather(source, positions)
    return () if layer.is_identity else (layer,)


def _sources(positions: Integers, extent: int) -> list[Integers]:
    """The output positions of each source entry: the first, the second, ...; -1 for none."""
    places = np.flatnonzero(positions >= 0)
    taken = positions[places].astype(np.int64)
    counts = np.bincount(taken, minlength=extent)
    most = max(1, int(counts.max(initial=0)))
    if most * extent > _MOST_SOURCES:
        raise Unsupported(
            f"it takes one of {extent:,} entries {most:,} times, more than there is memory for"
        )
    # In order of the entry, then of the place: each entry's places have the numbers 0, 1, ...
    order = np.argsort(taken, kind="stable")
    starts = np.cumsum(counts) - counts
    numbers = np.arange(taken.size) - np.repeat(starts, counts)
    rounds = np.full((most, extent), -1, dtype=np.int64)
    rounds[numbers, taken[order]] = places[order]
    return list(rounds)
