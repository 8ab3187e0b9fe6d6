"""One of two tensors by the sign of a third, the layer behind Where of a comparison."""

from __future__ import annotations

from typing import Final, final

import numpy as np
import scipy.sparse as sp
from typing_extensions import override

from onnx_lippa.arrays import Float64, States, size
from onnx_lippa.ir.algebra import Algebra, V
from onnx_lippa.ir.layers.base import PiecewiseLayer, Split

_ZERO: Final = np.array(0.0)
_BRANCHES: Final = np.array([-1, 0, 1])
_SIGN: Final = np.array([0, -1, -1])


@final
class Select(PiecewiseLayer):
    """``z = a`` where ``d >= 0`` and ``z = b`` elsewhere, for the stack (d, a, b).

    The state of a unit is 1 where ``d >= 0``; its face is d = 0. The two pieces may jump there:
    then an optimum on the face belongs to the piece, and z may be the other branch's.

    Args:
        shape: sample shape of d, a, b and z.
    """

    @override
    def state(self, algebra: Algebra[V], x: V) -> V:
        return algebra.at_least(self._part(algebra, x, 0), _ZERO)

    @override
    def piece(self, algebra: Algebra[V], state: V, x: V) -> V:
        return algebra.where(state, self._part(algebra, x, 1), self._part(algebra, x, 2))

    @override
    def piece_transpose(self, algebra: Algebra[V], state: V, u: V) -> V:
        """All of u to the branch that is taken."""
        to_a = algebra.mask(state, u)
        to_b = algebra.subtract(u, to_a)
        row = (1, *self.shape)
        rows = [algebra.reshape(part, row) for part in (to_a, to_b)]
        return algebra.take(algebra.concatenate(rows, 0), 0, (2, *self.shape), _BRANCHES)

    @override
    def constraints(self, algebra: Algebra[V], state: V, x: V) -> V:
        """The size of d on the right side of 0."""
        d = self._part(algebra, x, 0)
        return algebra.where(state, d, algebra.negate(d))

    @override
    def constraints_transpose(self, algebra: Algebra[V], state: V, u: V) -> V:
        signed = algebra.where(state, u, algebra.negate(u))
        row = (1, *self.shape)
        return algebra.take(algebra.reshape(signed, row), 0, row, _SIGN)

    def _part(self, algebra: Algebra[V], x: V, place: int) -> V:
        row = algebra.take(x, 0, (3, *self.shape), np.array([place]))
        return algebra.reshape(row, self.shape)

    @override
    def split(self) -> Split:
        """``d = p - n``, ``a = z - e``, ``b = z - f``; auxiliaries (p, n, z, e, f)."""
        units = size(self.shape)
        one = sp.eye_array(units)
        link = sp.block_array(
            [
                [one, -one, None, None, None],
                [None, None, one, -one, None],
                [None, None, one, None, -one],
            ]
        )
        nothing = sp.csr_array((units, 2 * units))
        return Split(
            link=sp.csr_array(link),
            link_offset=np.zeros(3 * units),
            output=sp.csr_array(sp.hstack([nothing, one, nothing])),
            output_offset=np.zeros(units),
        )

    @override
    def split_bounds(self, state: States) -> tuple[Float64, Float64]:
        """``p >= 0``, f free, ``n = e = 0`` where d >= 0; n >= 0, e free, ``p = f = 0`` else."""
        active = state.ravel() != 0
        here, there = np.where(active, np.inf, 0.0), np.where(active, 0.0, np.inf)
        free, none = np.full(active.size, np.inf), np.zeros(active.size)
        upper = np.concatenate([here, there, free, there, here])
        return np.concatenate([none, none, -free, -there, -here]), upper
