"""The transpose of a linear layer as a layer of its own."""

from __future__ import annotations

from typing import TypeVar, final

from onnx_lippa.arrays import Shape
from onnx_lippa.ir.algebra import Algebra
from onnx_lippa.ir.layers.base import AffineLayer

V = TypeVar("V")


@final
class Transposed(AffineLayer):
    """``y = A^T x`` for the linear part ``A`` of a layer with one input.

    Args:
        layer: the layer.
        shape: sample shape of its input, which is that of y.
    """

    def __init__(self, layer: AffineLayer, shape: Shape) -> None:
        self._layer, self._shape = layer, shape

    @property
    def shape(self) -> Shape:
        """See :attr:`Layer.shape`."""
        return self._shape

    def linear(self, algebra: Algebra[V], *inputs: V) -> V:
        """See :meth:`AffineLayer.linear`."""
        return self._layer.transpose(algebra, *inputs)[0]

    def transpose(self, algebra: Algebra[V], u: V) -> tuple[V, ...]:
        """See :meth:`AffineLayer.transpose`."""
        return (self._layer.linear(algebra, u),)
