"""HardSigmoid."""

from __future__ import annotations

import numpy as np

from onnx_lippa.ir.layers.clip import clipped
from onnx_lippa.ir.layers.node import Converted, NodeView
from onnx_lippa.ir.layers.registry import converts
from onnx_lippa.ir.layers.scale_shift import ScaleShift


@converts("HardSigmoid", since=6)
def convert(node: NodeView) -> Converted:
    """``max(0, min(1, alpha * x + beta))``."""
    shape = node.computed().shape
    alpha, beta = (
        np.array(np.float32(node.number(name, default)), dtype=np.float64)
        for name, default in (("alpha", 0.2), ("beta", 0.5))
    )
    return Converted((ScaleShift(shape, alpha, beta), *clipped(shape, 0.0, 1.0)))
