"""Several affine functions of the same tensors, one behind the other along a new first axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias, TypeVar, final

import numpy as np

from onnx_lippa.arrays import Float64, Shape
from onnx_lippa.ir.algebra import Algebra
from onnx_lippa.ir.layers.addition import Addition
from onnx_lippa.ir.layers.base import AffineLayer

V = TypeVar("V")

Part: TypeAlias = tuple[int, float] | Float64
"""An operand by its index and a factor of it, or a constant."""


@final
class Stacked(AffineLayer):
    """``y[i] = w_i x_{j(i)}``, or a constant, each broadcast to one shape.

    Args:
        sources: sample shape of each operand.
        parts: what the entries of the new axis are; every operand is in one of them.
        shape: the shape of each.
    """

    def __init__(self, sources: Sequence[Shape], parts: Sequence[Part], shape: Shape) -> None:
        self._sources = tuple(sources)
        self._shape: Shape = (len(parts), *shape)
        whole = np.broadcast_to(0.0, shape)  # a summand of this shape broadcasts the operand
        self._places = np.full(len(parts), -1, dtype=np.int64)
        self._parts: list[tuple[int, Addition]] = []
        self._factors: list[float] = []
        constant = np.zeros(self._shape)
        for place, part in enumerate(parts):
            if isinstance(part, np.ndarray):
                constant[place] = part
            else:
                index, factor = part
                self._places[place] = len(self._parts)
                self._factors.append(factor)
                self._parts.append((index, Addition([sources[index]], [factor], whole)))
        self._constant = constant if np.any(constant) else None

    @property
    def shape(self) -> Shape:
        """See :attr:`Layer.shape`."""
        return self._shape

    def source(self, place: int) -> tuple[int, Shape] | None:
        """Which operand an entry of the new axis is a copy of, and its shape; None if of none."""
        number = int(self._places[place])
        if number < 0 or self._factors[number] != 1.0:
            return None
        index = self._parts[number][0]
        return index, self._sources[index]

    def linear(self, algebra: Algebra[V], *inputs: V) -> V:
        """See :meth:`AffineLayer.linear`."""
        row = (1, *self._shape[1:])
        rows = [
            algebra.reshape(part.linear(algebra, inputs[index]), row) for index, part in self._parts
        ]
        joined = algebra.concatenate(rows, 0) if len(rows) > 1 else rows[0]
        if len(rows) == len(self._places):
            return joined
        return algebra.take(joined, 0, (len(rows), *self._shape[1:]), self._places)

    def offset(self) -> Float64 | None:
        """See :meth:`AffineLayer.offset`: the constants in their places."""
        return self._constant

    def transpose(self, algebra: Algebra[V], u: V) -> tuple[V, ...]:
        """See :meth:`AffineLayer.transpose`."""
        total: list[V | None] = [None] * len(self._sources)
        for place, number in enumerate(self._places):
            if number < 0:
                continue
            index, part = self._parts[number]
            row = algebra.take(u, 0, self._shape, np.array([place]))
            (share,) = part.transpose(algebra, algebra.reshape(row, self._shape[1:]))
            known = total[index]
            total[index] = share if known is None else algebra.add(known, share)
        return tuple(share for share in total if share is not None)
