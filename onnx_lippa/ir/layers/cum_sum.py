"""CumSum."""

from __future__ import annotations

from typing import Final

import numpy as np

from onnx_lippa.ir.layers.axis_map import AxisMap
from onnx_lippa.ir.layers.frame import framed
from onnx_lippa.ir.layers.node import Converted, NodeView, Unsupported
from onnx_lippa.ir.layers.registry import converts

_LONGEST: Final = 1 << 12
"""Extent from which on the triangular matrix would take too much memory."""


@converts("CumSum", since=11)
def convert(node: NodeView) -> Converted:
    """Sums of the entries up to each one along a constant axis, in either direction."""
    x = node.computed()
    axes = node.known(1, "axis").integers
    if len(axes) != 1:
        raise Unsupported(f"its axis must be one number, not {list(axes)}")
    frame = framed(x, axes)
    (axis,) = frame.axes
    extent = frame.source[axis]
    if extent > _LONGEST:
        raise Unsupported(f"its axis of extent {extent} is longer than {_LONGEST}")
    matrix = np.tri(extent, k=-1 if node.integer("exclusive", 0) else 0)
    if node.integer("reverse", 0):
        matrix = matrix.T
    return frame.converted(AxisMap(frame.source, axis, matrix))
