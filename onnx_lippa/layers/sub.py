"""Sub."""

from __future__ import annotations

import numpy as np

from onnx_lippa.layers.addition import Addition
from onnx_lippa.layers.node import Converted, NodeView
from onnx_lippa.layers.registry import converts
from onnx_lippa.layers.scale_shift import ScaleShift, aligned_constant


@converts("Sub", since=7)
def convert(node: NodeView) -> Converted:
    """``x - c``, ``c - x`` or ``x - y``."""
    positions = node.only_computed()
    if len(positions) == 2:
        return Converted(Addition(node.computed(0), node.computed(1), sign=-1.0), (0, 1))
    (position,) = positions
    x = node.computed(position)
    constant = aligned_constant(node.known(1 - position, "constant"), x)
    if position == 0:
        return Converted(ScaleShift(x.shape, None, -constant), (0,))
    return Converted(ScaleShift(x.shape, np.array(-1.0), constant), (1,))
