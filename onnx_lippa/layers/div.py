"""Div."""

from __future__ import annotations

import numpy as np

from onnx_lippa.layers.node import Computed, Converted, NodeView, Unsupported
from onnx_lippa.layers.registry import converts
from onnx_lippa.layers.scale_shift import ScaleShift, aligned_constant


@converts("Div", since=7)
def convert(node: NodeView) -> Converted:
    """``x / c``."""
    if isinstance(node.operand(1), Computed):
        raise Unsupported("division by a computed tensor is not piecewise linear")
    x = node.computed(0)
    divisor = aligned_constant(node.known(1, "divisor"), x)
    if not np.all(np.abs(divisor) >= np.finfo(np.float32).tiny):
        raise Unsupported("its constant divisor contains a zero, or too small a number to invert")
    return Converted(ScaleShift(x.shape, 1.0 / divisor, None))
