"""The weighted sum of several computed tensors, as in a residual connection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar, final

import numpy as np

from onnx_lippa.arrays import Float64, Shape
from onnx_lippa.ir.algebra import Algebra
from onnx_lippa.ir.layers.base import AffineLayer
from onnx_lippa.ir.layers.meeting import met_together
from onnx_lippa.ir.layers.node import Converted, NodeView

V = TypeVar("V")


@final
class Addition(AffineLayer):
    """``y = w_1 x_1 + w_2 x_2 + ... + c`` for samples of shapes that broadcast together.

    Args:
        sources: sample shape of each x.
        weights: the factors, numbers or arrays that broadcast with the samples.
        constant: c, broadcast with the samples, or None for 0.
    """

    def __init__(
        self,
        sources: Sequence[Shape],
        weights: Sequence[float | Float64],
        constant: Float64 | None = None,
    ) -> None:
        self._sources, self._constant = tuple(sources), constant
        self._weights = tuple(np.asarray(weight, dtype=np.float64) for weight in weights)
        factors = [weight.shape for weight in self._weights]
        constants = [] if constant is None else [constant.shape]
        self._shape: Shape = np.broadcast_shapes(*sources, *factors, *constants)

    @property
    def shape(self) -> Shape:
        """See :attr:`Layer.shape`."""
        return self._shape

    def linear(self, algebra: Algebra[V], *inputs: V) -> V:
        """See :meth:`AffineLayer.linear`."""
        total: V | None = None
        for x, source, weight in zip(inputs, self._sources, self._weights, strict=True):
            summand = self._wide(algebra, x, source)
            if np.any(weight != 1.0):
                summand = algebra.scale(summand, weight)
            total = summand if total is None else algebra.add(total, summand)
        if total is None:
            raise ValueError("a sum needs at least one summand")
        return total

    def offset(self) -> Float64 | None:
        """See :meth:`AffineLayer.offset`."""
        return self._constant

    def transpose(self, algebra: Algebra[V], u: V) -> tuple[V, ...]:
        """See :meth:`AffineLayer.transpose`."""
        return tuple(
            algebra.sum_to(part, self._shape, source) if source != self._shape else part
            for part, source in (
                (u if np.all(weight == 1.0) else algebra.scale(u, weight), source)
                for source, weight in zip(self._sources, self._weights, strict=True)
            )
        )

    def _wide(self, algebra: Algebra[V], x: V, source: Shape) -> V:
        if source == self._shape:
            return x
        aligned = (1,) * (len(self._shape) - len(source)) + source
        return algebra.broadcast(algebra.reshape(x, aligned), self._shape)


def added(
    node: NodeView, weights: Sequence[float | Float64], constant: Float64 | None = None
) -> Converted:
    """The weighted sum of the computed operands, and a constant that fits their samples.

    Raises:
        Unsupported: the operands do not broadcast.
    """
    meeting = met_together(node)
    return meeting.converted(Addition(meeting.sources, weights, constant))
