"""LeakyRelu."""

from __future__ import annotations

from typing import final

import numpy as np

from onnx_lippa.arrays import Float64, Shape
from onnx_lippa.ir.layers.node import Converted, NodeView
from onnx_lippa.ir.layers.registry import converts
from onnx_lippa.ir.layers.two_piece import TwoPiece


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


@converts("LeakyRelu")
def convert(node: NodeView) -> Converted:
    """``x`` where it is not negative, ``alpha * x`` elsewhere; alpha of any sign."""
    alpha = float(np.float32(node.number("alpha", 0.01)))
    return Converted((LeakyRelu(node.computed().shape, alpha),))
