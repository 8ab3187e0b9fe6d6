"""Piecewise-linear activations: elementwise functions with one kink."""

from __future__ import annotations

from typing import Final, final

import numpy as np
import scipy.sparse as sp
from typing_extensions import override

from onnx_lippa.arrays import Float64, Shape, States, size
from onnx_lippa.ir.algebra import Algebra, V
from onnx_lippa.ir.layers.base import PiecewiseLayer, Split


class Activation(PiecewiseLayer):
    """``z = kink + above * (x - kink)`` where ``x >= kink``, with slope ``below`` elsewhere.

    The state of a unit is 1 where ``x >= kink`` and 0 elsewhere (eq. 8). Slopes and kinks may
    differ from unit to unit: they are broadcast to the sample's shape.

    Attributes:
        below: slope below the kink.
        above: slope above the kink.
        kink: where the slope changes, and the value there.
    """

    def __init__(
        self,
        shape: Shape,
        below: float | Float64,
        above: float | Float64,
        *weights: Float64,
        kink: float | Float64 = 0.0,
    ) -> None:
        super().__init__(shape, *weights)
        self.below: Final = np.asarray(below)
        self.above: Final = np.asarray(above)
        self.kink: Final = np.asarray(kink)

    @override
    def state(self, algebra: Algebra[V], x: V) -> V:
        return algebra.at_least(x, self.kink)

    @override
    def piece(self, algebra: Algebra[V], state: V, x: V) -> V:
        if not np.any(self.kink) and np.any(self.above):
            return self.piece_transpose(algebra, state, x)  # it is diagonal
        # With `x - kink + kink` a kink far away would round off all of x.
        above, below = (
            x
            if np.all(slope == 1.0)
            else algebra.add_constant(algebra.scale(x, slope), (1.0 - slope) * self.kink)
            for slope in (self.above, self.below)
        )
        return algebra.where(state, above, below)

    @override
    def piece_transpose(self, algebra: Algebra[V], state: V, u: V) -> V:
        if not np.any(self.below):
            return algebra.mask(state, _scale(algebra, u, self.above))
        lowered = _scale(algebra, u, self.below)
        if not np.any(self.above):
            return algebra.subtract(lowered, algebra.mask(state, lowered))
        return algebra.where(state, _scale(algebra, u, self.above), lowered)

    @override
    def constraints(self, algebra: Algebra[V], state: V, x: V) -> V:
        """The distance to the kink on the right side of it."""
        moved = algebra.add_constant(x, -self.kink) if np.any(self.kink) else x
        return self.constraints_transpose(algebra, state, moved)

    @override
    def constraints_transpose(self, algebra: Algebra[V], state: V, u: V) -> V:
        return algebra.where(state, u, algebra.negate(u))

    @override
    def split(self) -> Split:
        """``x = kink + p - n``, ``z = kink + a p - b n``."""
        identity = sp.eye_array(size(self.shape))
        above, below, kink = (
            np.broadcast_to(part, self.shape).ravel()
            for part in (self.above, self.below, self.kink)
        )
        return Split(
            link=sp.csr_array(sp.hstack([identity, -identity])),
            link_offset=kink,
            output=sp.csr_array(sp.hstack([sp.diags_array(above), -sp.diags_array(below)])),
            output_offset=kink,
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

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape, 0.0, 1.0)

    @override
    def forward(self, algebra: Algebra[V], *inputs: V) -> V:
        """The one operation every backend has."""
        (x,) = inputs
        return algebra.relu(x)


@final
class LeakyRelu(Activation):
    """``z = x`` where ``x >= 0``, ``alpha x`` elsewhere."""

    def __init__(self, shape: Shape, alpha: float) -> None:
        super().__init__(shape, alpha, 1.0)


@final
class PRelu(Activation):
    """``z = x`` where ``x >= 0``, ``slope * x`` elsewhere; the slope broadcasts to x."""

    def __init__(self, shape: Shape, slope: Float64) -> None:
        super().__init__(shape, slope, 1.0, slope)


@final
class Abs(Activation):
    """``z = |x|``."""

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape, -1.0, 1.0)


@final
class MaxWithConstant(Activation):
    """``z = max(x, bound)``."""

    def __init__(self, shape: Shape, bound: float | Float64) -> None:
        super().__init__(shape, 0.0, 1.0, kink=bound)

    @override
    def forward(self, algebra: Algebra[V], *inputs: V) -> V:
        (x,) = inputs
        return super().forward(algebra, x) if np.any(self.kink) else algebra.relu(x)


@final
class MinWithConstant(Activation):
    """``z = min(x, bound)``."""

    def __init__(self, shape: Shape, bound: float | Float64) -> None:
        super().__init__(shape, 1.0, 0.0, kink=bound)
