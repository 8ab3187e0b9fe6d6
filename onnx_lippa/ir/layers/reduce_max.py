"""The maximum over an axis, the layer behind pools, Max and ReduceMax."""

from __future__ import annotations

from typing import Final, TypeVar, final

import numpy as np
import scipy.sparse as sp
from typing_extensions import override

from onnx_lippa.arrays import Float64, Shape, States, size
from onnx_lippa.ir.algebra import Algebra
from onnx_lippa.ir.layers.base import PiecewiseLayer, Split

V = TypeVar("V")

_SHORT: Final = 16
"""Broadcasting along shorter runs is slow, so the axis is moved to the front."""


@final
class ReduceMax(PiecewiseLayer):
    """``z = max_j x_j`` over one axis of a sample, which is dropped.

    The state of a unit is the position of its largest entry, the first one in a tie. Its faces
    are ``x_s - x_j >= 0`` for the largest entry s and every j (trivially so for j = s).

    Args:
        source: sample shape of x.
        axis: the axis; its extent is the number m of entries.
    """

    def __init__(self, source: Shape, axis: int) -> None:
        self._source, self._axis = source, axis
        self._m = source[axis]
        self._shape: Shape = (*source[:axis], *source[axis + 1 :])
        self._column: Shape = (*source[:axis], 1, *source[axis + 1 :])

    @property
    @override
    def shape(self) -> Shape:
        return self._shape

    @property
    @override
    def constraints_shape(self) -> Shape:
        """One face for each entry."""
        return self._source

    @property
    def axis(self) -> int:
        """The axis of a sample."""
        return self._axis

    @property
    def entries(self) -> int:
        """The number m of entries."""
        return self._m

    @override
    def forward(self, algebra: Algebra[V], x: V) -> V:
        return algebra.maximum(x, self._axis)

    @override
    def state(self, algebra: Algebra[V], x: V) -> V:
        return algebra.argmax(x, self._axis)

    @override
    def piece(self, algebra: Algebra[V], state: V, x: V) -> V:
        """x_s."""
        return algebra.reshape(self._chosen(algebra, state, x), self._shape)

    @override
    def piece_transpose(self, algebra: Algebra[V], state: V, u: V) -> V:
        """All of u to the entry s."""
        if self._axis == 0 or size(self._source[self._axis + 1 :]) >= _SHORT:
            hot = algebra.one_hot(state, self._source, self._axis)
            return algebra.mask(hot, algebra.reshape(u, self._column))
        hot = algebra.one_hot(state, (self._m, *self._shape), 0)
        spread = algebra.mask(hot, algebra.reshape(u, (1, *self._shape)))
        axes = list(range(1, len(self._source)))
        axes.insert(self._axis, 0)
        return algebra.permute(spread, tuple(axes))

    @override
    def constraints(self, algebra: Algebra[V], state: V, x: V) -> V:
        chosen = algebra.broadcast(self._chosen(algebra, state, x), self._source)
        return algebra.add(chosen, algebra.scale(x, np.array(-1.0)))

    @override
    def constraints_transpose(self, algebra: Algebra[V], state: V, u: V) -> V:
        total = algebra.sum_to(u, self._source, self._column)
        to_chosen = algebra.mask(algebra.one_hot(state, self._source, self._axis), total)
        return algebra.add(to_chosen, algebra.scale(u, np.array(-1.0)))

    def _chosen(self, algebra: Algebra[V], state: V, x: V) -> V:
        """x_s, with an axis of extent 1."""
        masked = algebra.mask(algebra.one_hot(state, self._source, self._axis), x)
        return algebra.sum_to(masked, self._source, self._column)

    @override
    def split(self) -> Split:
        """``x_j = z - d_j`` with d >= 0; auxiliaries (z, d)."""
        units, entries = size(self._shape), size(self._source)
        owner = np.broadcast_to(np.arange(units).reshape(self._column), self._source).ravel()
        spread = sp.csr_array((np.ones(entries), (np.arange(entries), owner)), (entries, units))
        nothing = sp.csr_array((units, entries))
        return Split(
            link=sp.csr_array(sp.hstack([spread, -sp.eye_array(entries)])),
            link_offset=np.zeros(entries),
            output=sp.csr_array(sp.hstack([sp.eye_array(units), nothing])),
            output_offset=np.zeros(units),
        )

    @override
    def split_bounds(self, state: States) -> tuple[Float64, Float64]:
        """Z is free, and d_s is 0."""
        units, entries = size(self._shape), size(self._source)
        places = np.arange(self._m).reshape(-1, *(1,) * (len(self._shape) - self._axis))
        chosen = state.reshape(self._column) == places
        below = np.where(chosen, 0.0, np.inf).ravel()
        lower = np.concatenate([np.full(units, -np.inf), np.zeros(entries)])
        return lower, np.concatenate([np.full(units, np.inf), below])
