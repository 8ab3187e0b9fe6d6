"""Relu."""

from __future__ import annotations

from typing import TypeVar, final

import numpy as np

from onnx_lippa.arrays import Float64
from onnx_lippa.ir.algebra import Algebra
from onnx_lippa.ir.layers.node import Converted, NodeView
from onnx_lippa.ir.layers.registry import converts
from onnx_lippa.ir.layers.two_piece import TwoPiece

V = TypeVar("V")


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


@converts("Relu")
def convert(node: NodeView) -> Converted:
    """``max(x, 0)``."""
    return Converted((Relu(node.computed().shape),))
