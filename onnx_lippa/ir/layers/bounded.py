"""The larger and the smaller of a tensor and a constant."""

from __future__ import annotations

from typing import TypeVar, final

import numpy as np

from onnx_lippa.arrays import Float64, Shape
from onnx_lippa.ir.algebra import Algebra
from onnx_lippa.ir.layers.two_piece import TwoPiece

V = TypeVar("V")


class _Bounded(TwoPiece):
    """``z = bound`` on one side of the bound, ``z = x`` on the other.

    Args:
        shape: sample shape of x.
        bound: broadcasts to x.
    """

    def __init__(self, shape: Shape, bound: Float64) -> None:
        super().__init__(shape)
        self._bound = bound

    @property
    def kink(self) -> Float64:
        """See :attr:`TwoPiece.kink`."""
        return self._bound

    @property
    def value(self) -> Float64:
        """See :attr:`TwoPiece.value`."""
        return self._bound

    def _constant(self, algebra: Algebra[V], x: V) -> V:
        """The bound in the shape of x.

        With ``x - bound + bound`` instead, a bound far away would round off all of x.
        """
        return algebra.add_constant(algebra.scale(x, np.array(0.0)), self._bound)


@final
class NotBelow(_Bounded):
    """``z = max(x, bound)``."""

    @property
    def below(self) -> Float64:
        """See :attr:`TwoPiece.below`."""
        return np.array(0.0)

    @property
    def above(self) -> Float64:
        """See :attr:`TwoPiece.above`."""
        return np.array(1.0)

    def piece(self, algebra: Algebra[V], state: V, x: V) -> V:
        """See :meth:`PiecewiseLayer.piece`."""
        if not np.any(self._bound):
            return algebra.mask(state, x)
        return algebra.where(state, x, self._constant(algebra, x))

    def forward(self, algebra: Algebra[V], x: V) -> V:
        """See :meth:`PiecewiseLayer.forward`."""
        return super().forward(algebra, x) if np.any(self._bound) else algebra.relu(x)


@final
class NotAbove(_Bounded):
    """``z = min(x, bound)``."""

    @property
    def below(self) -> Float64:
        """See :attr:`TwoPiece.below`."""
        return np.array(1.0)

    @property
    def above(self) -> Float64:
        """See :attr:`TwoPiece.above`."""
        return np.array(0.0)

    def piece(self, algebra: Algebra[V], state: V, x: V) -> V:
        """See :meth:`PiecewiseLayer.piece`."""
        return algebra.where(state, self._constant(algebra, x), x)
