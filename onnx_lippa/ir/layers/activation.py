"""Piecewise-linear activations: elementwise functions with one kink."""

from __future__ import annotations

from abc import abstractmethod
from typing import Final, TypeVar, final

import numpy as np
import scipy.sparse as sp

from onnx_lippa.arrays import Float64, Shape, States, size
from onnx_lippa.ir.algebra import Algebra
from onnx_lippa.ir.layers.base import PiecewiseLayer, Split

V = TypeVar("V")


_ZERO: Final = np.array(0.0)


_MINUS: Final = np.array(-1.0)


class TwoPiece(PiecewiseLayer):
    """``z = value + above * (x - kink)`` where ``x >= kink``, with slope ``below`` elsewhere.

    The state of a unit is 1 where ``x >= kink`` and 0 elsewhere (eq. 8). A subclass gives the
    kink, the value there, and the two slopes; slopes may differ from unit to unit.
    """

    def __init__(self, shape: Shape) -> None:
        self._shape = shape

    @property
    def kink(self) -> Float64:
        """Where the slope changes, broadcast to the sample's shape."""
        return _ZERO

    @property
    def value(self) -> Float64:
        """The function at the kink, broadcast to the sample's shape."""
        return _ZERO

    @property
    @abstractmethod
    def below(self) -> Float64:
        """Slope below the kink, broadcast to the sample's shape."""

    @property
    @abstractmethod
    def above(self) -> Float64:
        """Slope above the kink, broadcast to the sample's shape."""

    @property
    def shape(self) -> Shape:
        """See :attr:`Layer.shape`."""
        return self._shape

    @property
    def guard_shape(self) -> Shape:
        """See :attr:`PiecewiseLayer.guard_shape`: one face a unit."""
        return self._shape

    def forward(self, algebra: Algebra[V], x: V) -> V:
        """See :meth:`PiecewiseLayer.forward`."""
        return self.piece(algebra, self.state(algebra, x), x)

    def state(self, algebra: Algebra[V], x: V) -> V:
        """See :meth:`PiecewiseLayer.state`."""
        return algebra.at_least(x, self.kink)

    def piece(self, algebra: Algebra[V], state: V, x: V) -> V:
        """See :meth:`PiecewiseLayer.piece`."""
        z = self.piece_transpose(algebra, state, self._above_kink(algebra, x))  # it is diagonal
        return algebra.add_constant(z, self.value) if np.any(self.value) else z

    def _above_kink(self, algebra: Algebra[V], x: V) -> V:
        """``x - kink``."""
        return algebra.add_constant(x, -self.kink) if np.any(self.kink) else x

    def piece_transpose(self, algebra: Algebra[V], state: V, u: V) -> V:
        """See :meth:`PiecewiseLayer.piece_transpose`."""
        if not np.any(self.below):
            return algebra.mask(state, _scaled(algebra, u, self.above))
        lowered = _scaled(algebra, u, self.below)
        if not np.any(self.above):
            return algebra.add(lowered, algebra.scale(algebra.mask(state, lowered), _MINUS))
        return algebra.where(state, _scaled(algebra, u, self.above), lowered)

    def guard(self, algebra: Algebra[V], state: V, x: V) -> V:
        """See :meth:`PiecewiseLayer.guard`: the distance to the kink on the right side of it."""
        return self.guard_transpose(algebra, state, self._above_kink(algebra, x))

    def guard_transpose(self, algebra: Algebra[V], state: V, u: V) -> V:
        """See :meth:`PiecewiseLayer.guard_transpose`."""
        return algebra.where(state, u, algebra.scale(u, _MINUS))

    def split(self) -> Split:
        """See :meth:`PiecewiseLayer.split`: ``x = kink + p - n``, ``z = value + a p - b n``."""
        units = size(self._shape)
        identity = sp.eye_array(units)
        above, below, kink, value = (
            np.broadcast_to(part, self._shape).ravel()
            for part in (self.above, self.below, self.kink, self.value)
        )
        return Split(
            link=sp.csr_array(sp.hstack([identity, -identity])),
            link_offset=kink,
            output=sp.csr_array(sp.hstack([sp.diags_array(above), -sp.diags_array(below)])),
            output_offset=value,
        )

    def split_bounds(self, state: States) -> tuple[Float64, Float64]:
        """See :meth:`PiecewiseLayer.split_bounds`: p is free above the kink, n below."""
        active = state.ravel() != 0
        upper = np.concatenate([np.where(active, np.inf, 0.0), np.where(active, 0.0, np.inf)])
        return np.zeros(upper.size), upper


def _scaled(algebra: Algebra[V], u: V, slope: Float64) -> V:
    return u if np.all(slope == 1.0) else algebra.scale(u, slope)


@final
class Relu(TwoPiece):
    """``z = max(x, 0)``."""

    @property
    def below(self) -> Float64:
        """See :attr:`TwoPiece.below`."""
        return np.array(0.0)

    @property
    def above(self) -> Float64:
        """See :attr:`TwoPiece.above`."""
        return np.array(1.0)

    def forward(self, algebra: Algebra[V], x: V) -> V:
        """See :meth:`PiecewiseLayer.forward`; the one operation every backend has."""
        return algebra.relu(x)


@final
class LeakyRelu(TwoPiece):
    """``z = x`` where ``x >= 0``, ``alpha x`` elsewhere."""

    def __init__(self, shape: Shape, alpha: float) -> None:
        super().__init__(shape)
        self._alpha = np.array(alpha)

    @property
    def below(self) -> Float64:
        """See :attr:`TwoPiece.below`."""
        return self._alpha

    @property
    def above(self) -> Float64:
        """See :attr:`TwoPiece.above`."""
        return np.array(1.0)


@final
class PRelu(TwoPiece):
    """``z = x`` where ``x >= 0``, ``slope * x`` elsewhere; the slope broadcasts to x."""

    def __init__(self, shape: Shape, slope: Float64) -> None:
        super().__init__(shape)
        self._slope = slope

    @property
    def parameters(self) -> int:
        """See :attr:`Layer.parameters`."""
        return self._slope.size

    @property
    def below(self) -> Float64:
        """See :attr:`TwoPiece.below`."""
        return self._slope

    @property
    def above(self) -> Float64:
        """See :attr:`TwoPiece.above`."""
        return np.array(1.0)


@final
class Absolute(TwoPiece):
    """``z = |x|``."""

    @property
    def below(self) -> Float64:
        """See :attr:`TwoPiece.below`."""
        return np.array(-1.0)

    @property
    def above(self) -> Float64:
        """See :attr:`TwoPiece.above`."""
        return np.array(1.0)


class _WithConstant(TwoPiece):
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
class NotBelow(_WithConstant):
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
class NotAbove(_WithConstant):
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
