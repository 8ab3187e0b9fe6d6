"""The weighted sum of several computed tensors, as in a residual connection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar, final

import numpy as np

from onnx_lippa.algebra import Algebra
from onnx_lippa.arrays import Float64, Shape
from onnx_lippa.layers.base import AffineLayer
from onnx_lippa.layers.node import Converted, NodeView, Unsupported

V = TypeVar("V")


@final
class Addition(AffineLayer):
    """``y = w_1 x_1 + w_2 x_2 + ... + c`` for samples of shapes that broadcast together.

    Args:
        sources: sample shape of each x.
        weights: the factors.
        constant: c, broadcast with the samples, or None for 0.
    """

    def __init__(
        self, sources: Sequence[Shape], weights: Sequence[float], constant: Float64 | None = None
    ) -> None:
        self._sources, self._weights, self._constant = tuple(sources), tuple(weights), constant
        constants = [] if constant is None else [constant.shape]
        self._shape: Shape = np.broadcast_shapes(*sources, *constants)

    @property
    def shape(self) -> Shape:
        """See :attr:`Layer.shape`."""
        return self._shape

    def linear(self, algebra: Algebra[V], *inputs: V) -> V:
        """See :meth:`AffineLayer.linear`."""
        total: V | None = None
        for x, source, weight in zip(inputs, self._sources, self._weights, strict=True):
            summand = self._wide(algebra, x, source)
            if weight != 1.0:
                summand = algebra.scale(summand, np.array(weight))
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
                (u if weight == 1.0 else algebra.scale(u, np.array(weight)), source)
                for source, weight in zip(self._sources, self._weights, strict=True)
            )
        )

    def _wide(self, algebra: Algebra[V], x: V, source: Shape) -> V:
        if source == self._shape:
            return x
        aligned = (1,) * (len(self._shape) - len(source)) + source
        return algebra.broadcast(algebra.reshape(x, aligned), self._shape)


def together(node: NodeView, positions: Sequence[int]) -> tuple[list[Shape], bool]:
    """Sample shapes of computed operands that broadcast, and whether the result has a batch axis.

    A batch axis has extent 1 here, so where it meets a feature axis it is broadcast, as an axis
    that the sample does not have.

    Raises:
        Unsupported: they do not broadcast.
    """
    operands = [node.computed(position) for position in positions]
    shapes = [operand.shape for operand in operands]
    rank = max(operand.rank for operand in operands)
    _check_broadcast(shapes)
    return shapes, rank > len(np.broadcast_shapes(*shapes))


def _check_broadcast(shapes: Sequence[Shape]) -> None:
    try:
        np.broadcast_shapes(*shapes)
    except ValueError as error:
        listed = " and ".join(map(str, shapes))
        raise Unsupported(f"samples of shapes {listed} do not broadcast") from error


def added(
    node: NodeView,
    positions: Sequence[int],
    weights: Sequence[float],
    constant: Float64 | None = None,
) -> Converted:
    """The weighted sum of computed operands, and a constant that fits their samples."""
    shapes, batched = together(node, positions)
    if constant is not None:
        _check_broadcast([*shapes, constant.shape])
    return Converted((Addition(shapes, weights, constant),), tuple(positions), batched)
