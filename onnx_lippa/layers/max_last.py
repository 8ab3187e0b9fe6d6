"""The maximum over an axis, the shape that all max-like operators share."""

from __future__ import annotations

from typing import TypeVar, final

import numpy as np
import scipy.sparse as sp

from onnx_lippa.algebra import Algebra
from onnx_lippa.arrays import Float64, Shape, States, size
from onnx_lippa.layers.base import PiecewiseLayer, Split

V = TypeVar("V")


@final
class MaxLast(PiecewiseLayer):
    """``z = max_j x_j`` over the last axis of a sample, which is dropped.

    The state of a unit is the position of its largest entry, the first one in a tie. Its faces
    are ``x_s - x_j >= 0`` for the largest entry s and every j (trivially so for j = s).

    Args:
        source: sample shape of x; its last extent is the number m of entries compared.
    """

    def __init__(self, source: Shape) -> None:
        self._source = source

    @property
    def shape(self) -> Shape:
        """See :attr:`Layer.shape`."""
        return self._source[:-1]

    @property
    def guard_shape(self) -> Shape:
        """See :attr:`PiecewiseLayer.guard_shape`: one face for each entry."""
        return self._source

    def forward(self, algebra: Algebra[V], x: V) -> V:
        """See :meth:`PiecewiseLayer.forward`."""
        return algebra.maximum(x)

    def state(self, algebra: Algebra[V], x: V) -> V:
        """See :meth:`PiecewiseLayer.state`."""
        return algebra.argmax(x)

    def piece(self, algebra: Algebra[V], state: V, x: V) -> V:
        """See :meth:`PiecewiseLayer.piece`: x_s."""
        return algebra.reshape(self._chosen(algebra, state, x), self.shape)

    def piece_transpose(self, algebra: Algebra[V], state: V, u: V) -> V:
        """See :meth:`PiecewiseLayer.piece_transpose`: all of u to the entry s."""
        column = algebra.reshape(u, (*self.shape, 1))
        return algebra.mask(algebra.one_hot(state, self._source[-1]), column)

    def guard(self, algebra: Algebra[V], state: V, x: V) -> V:
        """See :meth:`PiecewiseLayer.guard`."""
        chosen = algebra.broadcast(self._chosen(algebra, state, x), self._source)
        return algebra.add(chosen, algebra.scale(x, np.array(-1.0)))

    def guard_transpose(self, algebra: Algebra[V], state: V, u: V) -> V:
        """See :meth:`PiecewiseLayer.guard_transpose`."""
        total = algebra.sum_to(u, self._source, (*self.shape, 1))
        to_chosen = algebra.mask(algebra.one_hot(state, self._source[-1]), total)
        return algebra.add(to_chosen, algebra.scale(u, np.array(-1.0)))

    def _chosen(self, algebra: Algebra[V], state: V, x: V) -> V:
        """x_s, with a last axis of extent 1."""
        masked = algebra.mask(algebra.one_hot(state, self._source[-1]), x)
        return algebra.sum_to(masked, self._source, (*self.shape, 1))

    def split(self) -> Split:
        """See :meth:`PiecewiseLayer.split`: ``x_j = z - d_j`` with d >= 0; auxiliaries (z, d)."""
        units, entries = size(self.shape), size(self._source)
        owner = np.repeat(np.arange(units), self._source[-1])
        spread = sp.csr_array((np.ones(entries), (np.arange(entries), owner)), (entries, units))
        nothing = sp.csr_array((units, entries))
        return Split(
            link=sp.csr_array(sp.hstack([spread, -sp.eye_array(entries)])),
            link_offset=np.zeros(entries),
            output=sp.csr_array(sp.hstack([sp.eye_array(units), nothing])),
            output_offset=np.zeros(units),
        )

    def split_bounds(self, state: States) -> tuple[Float64, Float64]:
        """See :meth:`PiecewiseLayer.split_bounds`: z is free, and d_s is 0."""
        units, m = size(self.shape), self._source[-1]
        chosen = state.ravel()[:, None] == np.arange(m)
        below = np.where(chosen, 0.0, np.inf).ravel()
        lower = np.concatenate([np.full(units, -np.inf), np.zeros(units * m)])
        return lower, np.concatenate([np.full(units, np.inf), below])
