"""Neg."""

from __future__ import annotations

import numpy as np

from onnx_lippa.ir.layers.node import Converted, NodeView
from onnx_lippa.ir.layers.registry import converts
from onnx_lippa.ir.layers.scale_shift import ScaleShift


@converts("Neg", since=6)
def convert(node: NodeView) -> Converted:
    """``-x``."""
    return Converted((ScaleShift(node.computed().shape, np.array(-1.0), None),))
