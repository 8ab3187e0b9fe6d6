"""The absolute value: Abs, and what sums it."""

from __future__ import annotations

from typing import final

import numpy as np

from onnx_lippa.arrays import Float64
from onnx_lippa.ir.layers.node import Converted, NodeView
from onnx_lippa.ir.layers.registry import converts
from onnx_lippa.ir.layers.two_piece import TwoPiece


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


@converts("Abs", since=6)
def convert(node: NodeView) -> Converted:
    """``|x|``."""
    return Converted((Absolute(node.computed().shape),))
