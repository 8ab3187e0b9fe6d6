"""The maximum over an axis, the layer behind pools, Max and ReduceMax."""

from __future__ import annotations

from typing import Final, final

import numpy as np
import scipy.sparse as sp
from typing_extensions import override

from onnx_lippa.arrays import Float64, Shape, States, size
from onnx_lippa.ir.algebra import Algebra, V
from onnx_lippa.ir.algebra.base import place_numbers
from onnx_lippa.ir.layers.base import PiecewiseLayer, Split, with_extent

_SHORT: Final = 16
"""Broadcasting along shorter runs is slow, so the axis is moved to the front."""


@final
class ReduceMax(PiecewiseLayer):
    """``z = max_j x_j`` over one axis of a sample, which is dropped.

    The state of a unit is the position of its largest entry, the first one in a tie. Its faces
    are ``x_s - x_j >= 0`` for the largest entry s and every j (trivially so for j = s).

    Args:
        source: sample shape of x.
        axis: the axis.

    Attributes:
        axis: the axis.
        entries: its extent, the number m of entries.
    """

    def __init__(self, source: Shape, axis: int) -> None:
        super().__init__((*source[:axis], *source[axis + 1 :]), constraints_shape=source)
        self._source = source
        self._column = with_extent(source, axis, 1)
        self.axis: Final = axis
        self.entries: Final = source[axis]

    @override
    def forward(self, algebra: Algebra[V], *inputs: V) -> V:
        (x,) = inputs
        return algebra.maximum(x, self.axis)

    @override
    def state(self, algebra: Algebra[V], x: V) -> V:
        return algebra.argmax(x, self.axis)

    @override
    def piece(self, algebra: Algebra[V], state: V, x: V) -> V:
        """x_s."""
        return algebra.reshape(self._chosen(algebra, state, x), self.shape)

    @override
    def piece_transpose(self, algebra: Algebra[V], state: V, u: V) -> V:
        """All of u to the entry s."""
        if self.axis == 0 or size(self._source[self.axis + 1 :]) >= _SHORT:
            hot = algebra.one_hot(state, self._source, self.axis)
            return algebra.mask(hot, algebra.reshape(u, self._column))
        hot = algebra.one_hot(state, (self.entries, *self.shape), 0)
        spread = algebra.mask(hot, algebra.reshape(u, (1, *self.shape)))
        axes = list(range(1, len(self._source)))
        axes.insert(self.axis, 0)
        return algebra.permute(spread, tuple(axes))

    @override
    def constraints(self, algebra: Algebra[V], state: V, x: V) -> V:
        chosen = algebra.broadcast(self._chosen(algebra, state, x), self._source)
        return algebra.subtract(chosen, x)

    @override
    def constraints_transpose(self, algebra: Algebra[V], state: V, u: V) -> V:
        total = algebra.sum_to(u, self._source, self._column)
        to_chosen = algebra.mask(algebra.one_hot(state, self._source, self.axis), total)
        return algebra.subtract(to_chosen, u)

    def _chosen(self, algebra: Algebra[V], state: V, x: V) -> V:
        """x_s, with an axis of extent 1."""
        masked = algebra.mask(algebra.one_hot(state, self._source, self.axis), x)
        return algebra.sum_to(masked, self._source, self._column)

    @override
    def split(self) -> Split:
        """``x_j = z - d_j`` with d >= 0; auxiliaries (z, d)."""
        units, entries = size(self.shape), size(self._source)
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
        """``-inf < z < inf``, and ``d_s = 0``."""
        units, entries = size(self.shape), size(self._source)
        chosen = state.reshape(self._column) == place_numbers(self._source, self.axis)
        below = np.where(chosen, 0.0, np.inf).ravel()
        lower = np.concatenate([np.full(units, -np.inf), np.zeros(entries)])
        return lower, np.concatenate([np.full(units, np.inf), below])
