"""Div."""

from __future__ import annotations

import numpy as np

from onnx_lippa.ir.layers.node import Computed, Converted, NodeView, Unsupported
from onnx_lippa.ir.layers.registry import converts
from onnx_lippa.ir.layers.scale_shift import ScaleShift, met


@converts("Div", since=7)
def convert(node: NodeView) -> Converted:
    """``x / c``."""
    if isinstance(node.operand(1), Computed):
        raise Unsupported("division by a computed tensor is not piecewise linear")
    frame, divisor = met(node.computed(0), node.known(1, "divisor"))
    if not np.all(np.abs(divisor) >= np.finfo(np.float32).tiny):
        raise Unsupported("its constant divisor contains a zero, or too small a number to invert")
    return frame.converted(ScaleShift(frame.source, 1.0 / divisor, None))
