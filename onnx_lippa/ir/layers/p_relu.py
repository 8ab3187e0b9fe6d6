"""PRelu."""

from __future__ import annotations

from typing import final

import numpy as np

from onnx_lippa.arrays import Float64, Shape
from onnx_lippa.ir.layers.node import Converted, NodeView, Unsupported
from onnx_lippa.ir.layers.registry import converts
from onnx_lippa.ir.layers.scale_shift import met
from onnx_lippa.ir.layers.two_piece import TwoPiece


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


@converts("PRelu", since=7)
def convert(node: NodeView) -> Converted:
    """A constant slope of any sign that broadcasts to x."""
    x, slope = node.computed(), node.known(1, "slope")
    frame, value = met(x, slope)
    if np.broadcast_shapes(frame.source, value.shape) != frame.source:
        raise Unsupported(
            f"its slope of shape {slope.value.shape} does not fit samples of shape {x.shape}"
        )
    return frame.converted(PRelu(frame.source, value))
