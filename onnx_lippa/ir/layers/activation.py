"""Piecewise-linear activations: elementwise functions with one kink."""

from __future__ import annotations

from abc import abstractmethod
from typing import Final, TypeVar, final

import numpy as np
import scipy.sparse as sp
from typing_extensions import override

from onnx_lippa.arrays import Float64, Shape, States, size
from onnx_lippa.ir.algebra import Algebra
from onnx_lippa.ir.layers.base import PiecewiseLayer, Split

V = TypeVar("V")

_ZERO: Final = np.array(0.0)
_MINUS: Final = np.array(-1.0)


class Activation(PiecewiseLayer):
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
    @override
    def shape(self) -> Shape:
        return self._shape

    @property
    @override
    def constraints_shape(self) -> Shape:
        """One face a unit."""
        return self._shape

    @override
    def forward(self, algebra: Algebra[V], x: V) -> V:
        return self.piece(algebra, self.state(algebra, x), x)

    @override
    def state(self, algebra: Algebra[V], x: V) -> V:
        return algebra.at_least(x, self.kink)

    @override
    def piece(self, algebra: Algebra[V], state: V, x: V) -> V:
        z = self.piece_transpose(algebra, state, self._above_kink(algebra, x))  # it is diagonal
        return algebra.add_constant(z, self.value) if np.any(self.value) else z

    def _above_kink(self, algebra: Algebra[V], x: V) -> V:
        """``x - kink``."""
        return algebra.add_constant(x, -self.kink) if np.any(self.kink) else x

    @override
    def piece_transpose(self, algebra: Algebra[V], state: V, u: V) -> V:
        if not np.any(self.below):
            return algebra.mask(state, _scale(algebra, u, self.above))
        lowered = _scale(algebra, u, self.below)
        if not np.any(self.above):
            return algebra.add(lowered, algebra.scale(algebra.mask(state, lowered), _MINUS))
        return algebra.where(state, _scale(algebra, u, self.above), lowered)

    @override
    def constraints(self, algebra: Algebra[V], state: V, x: V) -> V:
        """The distance to the kink on the right side of it."""
        return self.constraints_transpose(algebra, state, self._above_kink(algebra, x))

    @override
    def constraints_transpose(self, algebra: Algebra[V], state: V, u: V) -> V:
        return algebra.where(state, u, algebra.scale(u, _MINUS))

    @override
    def split(self) -> Split:
        """``x = kink + p - n``, ``z = value + a p - b n``."""
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

    @override
    def split_bounds(self, state: States) -> tuple[Float64, Float64]:
        """Above the kink p is free and n = 0; below it n is free and p = 0."""
        active = state.ravel() != 0
        upper = np.concatenate([np.where(active, np.inf, 0.0), np.where(active, 0.0, np.inf)])
        return np.zeros(upper.size), upper


def _scale(algebra: Algebra[V], u: V, slope: Float64) -> V:
    return u if np.all(slope == 1.0) else algebra.scale(u, slope)


@final
class Relu(Activation):
    """``z = max(x, 0)``."""

    @property
    @override
    def below(self) -> Float64:
        return np.array(0.0)

    @property
    @override
    def above(self) -> Float64:
        return np.array(1.0)

    @override
    def forward(self, algebra: Algebra[V], x: V) -> V:
        """The one operation every backend has."""
        return algebra.relu(x)


@final
class LeakyRelu(Activation):
    """``z = x`` where ``x >= 0``, ``alpha x`` elsewhere."""

    def __init__(self, shape: Shape, alpha: float) -> None:
        super().__init__(shape)
        self._alpha = np.array(alpha)

    @property
    @override
    def below(self) -> Float64:
        return self._alpha

    @property
    @override
    def above(self) -> Float64:
        return np.array(1.0)


@final
class PRelu(Activation):
    """``z = x`` where ``x >= 0``, ``slope * x`` elsewhere; the slope broadcasts to x."""

    def __init__(self, shape: Shape, slope: Float64) -> None:
        super().__init__(shape)
        self._slope = slope

    @property
    @override
    def parameters(self) -> int:
        return self._slope.size

    @property
    @override
    def below(self) -> Float64:
        return self._slope

    @property
    @override
    def above(self) -> Float64:
        return np.array(1.0)


@final
class Abs(Activation):
    """``z = |x|``."""

    @property
    @override
    def below(self) -> Float64:
        return np.array(-1.0)

    @property
    @override
    def above(self) -> Float64:
        return np.array(1.0)


class _WithConstant(Activation):
    """``z = bound`` on one side of the bound, ``z = x`` on the other.

    Args:
        shape: sample shape of x.
        bound: broadcasts to x.
    """

    def __init__(self, shape: Shape, bound: Float64) -> None:
        super().__init__(shape)
        self._bound = bound

    @property
    @override
    def kink(self) -> Float64:
        return self._bound

    @property
    @override
    def value(self) -> Float64:
        return self._bound

    def _constant(self, algebra: Algebra[V], x: V) -> V:
        """The bound in the shape of x.

        With ``x - bound + bound`` instead, a bound far away would round off all of x.
        """
        return algebra.add_constant(algebra.scale(x, np.array(0.0)), self._bound)


@final
class MaxWithConstant(_WithConstant):
    """``z = max(x, bound)``."""

    @property
    @override
    def below(self) -> Float64:
        return np.array(0.0)

    @property
    @override
    def above(self) -> Float64:
        return np.array(1.0)

    @override
    def piece(self, algebra: Algebra[V], state: V, x: V) -> V:
        if not np.any(self._bound):
            return algebra.mask(state, x)
        return algebra.where(state, x, self._constant(algebra, x))

    @override
    def forward(self, algebra: Algebra[V], x: V) -> V:
        return super().forward(algebra, x) if np.any(self._bound) else algebra.relu(x)


@final
class MinWithConstant(_WithConstant):
    """``z = min(x, bound)``."""

    @property
    @override
    def below(self) -> Float64:
        return np.array(1.0)

    @property
    @override
    def above(self) -> Float64:
        return np.array(0.0)

    @override
    def piece(self, algebra: Algebra[V], state: V, x: V) -> V:
        return algebra.where(state, self._constant(algebra, x), x)
