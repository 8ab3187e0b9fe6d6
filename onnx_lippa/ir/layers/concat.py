"""Several tensors along an axis: concatenated along one that exists, or stacked along a new one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias, final

import numpy as np
from typing_extensions import override

from onnx_lippa.arrays import Float64, Integers, Shape
from onnx_lippa.ir.algebra import Algebra, V
from onnx_lippa.ir.layers.base import AffineLayer, with_extent
from onnx_lippa.ir.layers.elementwise import WeightedSum

Part: TypeAlias = tuple[int, float] | Float64
"""An operand by its index and a factor of it, or a constant."""


@final
class Concat(AffineLayer):
    """``y = [x_1, c, x_2, ...]`` along one axis of the samples.

    Args:
        parts: sample shape of each computed part, or the constant itself, in order; all have
            the same extents but along the axis.
        axis: the axis.
        sources: sample shape of each computed part before it is reshaped, where that differs.
    """

    def __init__(
        self,
        parts: Sequence[Shape | Float64],
        axis: int,
        sources: Sequence[Shape] | None = None,
    ) -> None:
        self._axis = axis
        self._computed = [part for part in parts if not isinstance(part, np.ndarray)]
        self._sources = self._computed if sources is None else list(sources)
        shapes = [p.shape if isinstance(p, np.ndarray) else p for p in parts]
        extents = [shape[axis] for shape in shapes]
        entries = np.split(np.arange(sum(extents)), np.cumsum(extents)[:-1])
        shape = with_extent(shapes[0], axis, sum(extents))
        constant = np.zeros(shape)
        self._slices: list[Integers] = []
        for part, mine in zip(parts, entries, strict=True):
            if isinstance(part, np.ndarray):
                constant[(slice(None),) * axis + (mine,)] = part
            else:
                self._slices.append(mine)
        super().__init__(shape, offset=constant if np.any(constant) else None)
        filled = np.concatenate(self._slices)
        self._extent = filled.size
        self._places = np.full(shape[axis], -1, dtype=np.int64)
        self._places[filled] = np.arange(filled.size)

    @override
    def linear(self, algebra: Algebra[V], *inputs: V) -> V:
        parts = [
            x if source == part else algebra.reshape(x, part)
            for x, source, part in zip(inputs, self._sources, self._computed, strict=True)
        ]
        joined = algebra.concatenate(parts, self._axis) if len(parts) > 1 else parts[0]
        if self._extent == len(self._places):
            return joined
        source = with_extent(self.shape, self._axis, self._extent)
        return algebra.take(joined, self._axis, source, self._places)

    @override
    def transpose(self, algebra: Algebra[V], u: V) -> tuple[V, ...]:
        shares = [algebra.take(u, self._axis, self.shape, mine) for mine in self._slices]
        return tuple(
            share if source == part else algebra.reshape(share, source)
            for share, source, part in zip(shares, self._sources, self._computed, strict=True)
        )


@final
class Stack(AffineLayer):
    """``y[i] = w_i x_{j(i)}``, or a constant, each broadcast to one shape.

    Args:
        sources: sample shape of each operand.
        parts: the entries of the new axis; every operand occurs in one.
        shape: the shape of each.
    """

    def __init__(self, sources: Sequence[Shape], parts: Sequence[Part], shape: Shape) -> None:
        self._sources = tuple(sources)
        whole = np.broadcast_to(0.0, shape)  # a summand of this shape broadcasts the operand
        self._places = np.full(len(parts), -1, dtype=np.int64)
        self._parts: list[tuple[int, WeightedSum]] = []
        self._factors: list[float] = []
        constant = np.zeros((len(parts), *shape))
        for place, part in enumerate(parts):
            if isinstance(part, np.ndarray):
                constant[place] = part
            else:
                index, factor = part
                self._places[place] = len(self._parts)
                self._factors.append(factor)
                self._parts.append((index, WeightedSum([sources[index]], [factor], whole)))
        super().__init__(constant.shape, offset=constant if np.any(constant) else None)

    def source(self, place: int) -> tuple[int, Shape] | None:
        """The operand that an entry of the new axis copies, and its shape, or None."""
        number = int(self._places[place])
        if number < 0 or self._factors[number] != 1.0:
            return None
        index = self._parts[number][0]
        return index, self._sources[index]

    @override
    def linear(self, algebra: Algebra[V], *inputs: V) -> V:
        row = (1, *self.shape[1:])
        rows = [
            algebra.reshape(part.linear(algebra, inputs[index]), row) for index, part in self._parts
        ]
        joined = algebra.concatenate(rows, 0) if len(rows) > 1 else rows[0]
        if len(rows) == len(self._places):
            return joined
        return algebra.take(joined, 0, (len(rows), *self.shape[1:]), self._places)

    @override
    def transpose(self, algebra: Algebra[V], u: V) -> tuple[V, ...]:
        total: list[V | None] = [None] * len(self._sources)
        for place, number in enumerate(self._places):
            if number < 0:
                continue
            index, part = self._parts[number]
            row = algebra.take(u, 0, self.shape, np.array([place]))
            (share,) = part.transpose(algebra, algebra.reshape(row, self.shape[1:]))
            known = total[index]
            total[index] = share if known is None else algebra.add(known, share)
        return tuple(share for share in total if share is not None)
