"""Sub."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from onnx_lippa.ir.layers.addition import added
from onnx_lippa.ir.layers.node import Converted, NodeView
from onnx_lippa.ir.layers.readout import Readout
from onnx_lippa.ir.layers.registry import converts
from onnx_lippa.ir.layers.scale_shift import ScaleShift, met


@converts("Sub", since=7)
def convert(node: NodeView) -> Converted:
    """``x - c``, ``c - x`` or ``x - y``."""
    positions = node.only_computed()
    if len(positions) == 2:
        return added(node, (1.0, -1.0))
    (position,) = positions
    x = node.computed(position)
    frame, constant = met(x, node.known(1 - position, "constant"))
    if position == 0:
        return frame.converted(ScaleShift(frame.source, None, -constant))
    if x.readout is Readout.SIGMOID and np.all(constant == 1.0):
        # 1 - sigmoid(x) = sigmoid(-x): the other score of a classifier with two classes.
        negated = frame.converted(ScaleShift(frame.source, np.array(-1.0), None), position=1)
        return replace(negated, readout=Readout.SIGMOID)
    return frame.converted(ScaleShift(frame.source, np.array(-1.0), constant), position=1)
