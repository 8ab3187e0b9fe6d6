"""Several tensors, some of them constant, one behind the other along an axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar, final

import numpy as np

from onnx_lippa.arrays import Float64, Shape
from onnx_lippa.ir.algebra import Algebra
from onnx_lippa.ir.layers.base import AffineLayer

V = TypeVar("V")


@final
class Joined(AffineLayer):
    """``y = [x_1, c, x_2, ...]`` along one axis of the samples.

    Args:
        parts: sample shape of each computed part, or the constant itself, in order; all have
            the same extents but along the axis.
        axis: the axis.
        sources: sample shape that each computed part comes in, where that is another one.
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
        ends = np.cumsum([shape[axis] for shape in shapes])
        total = int(ends[-1])
        places = np.full(total, -1, dtype=np.int64)
        self._shape: Shape = (*shapes[0][:axis], total, *shapes[0][axis + 1 :])
        self._slices: list[np.ndarray] = []
        constant = np.zeros(self._shape)
        for part, end in zip(parts, ends, strict=True):
            if isinstance(part, np.ndarray):
                begin = end - part.shape[axis]
                constant[(slice(None),) * axis + (slice(begin, end),)] = part
            else:
                mine = np.arange(end - part[axis], end)
                places[mine] = sum(map(len, self._slices)) + np.arange(len(mine))
                self._slices.append(mine)
        self._extent = sum(map(len, self._slices))
        self._places = places
        self._constant = constant if np.any(constant) else None

    @property
    def shape(self) -> Shape:
        """See :attr:`Layer.shape`."""
        return self._shape

    def linear(self, algebra: Algebra[V], *inputs: V) -> V:
        """See :meth:`AffineLayer.linear`."""
        parts = [
            x if source == part else algebra.reshape(x, part)
            for x, source, part in zip(inputs, self._sources, self._computed, strict=True)
        ]
        joined = algebra.concatenate(parts, self._axis) if len(parts) > 1 else parts[0]
        if self._extent == len(self._places):
            return joined
        source = (*self._shape[: self._axis], self._extent, *self._shape[self._axis + 1 :])
        return algebra.take(joined, self._axis, source, self._places)

    def offset(self) -> Float64 | None:
        """See :meth:`AffineLayer.offset`: the constants in their places."""
        return self._constant

    def transpose(self, algebra: Algebra[V], u: V) -> tuple[V, ...]:
        """See :meth:`AffineLayer.transpose`."""
        shares = [algebra.take(u, self._axis, self._shape, mine) for mine in self._slices]
        return tuple(
            share if source == part else algebra.reshape(share, source)
            for share, source, part in zip(shares, self._sources, self._computed, strict=True)
        )
