"""Sigmoid as the last step of a classifier."""

from __future__ import annotations

from onnx_lippa.ir.layers.node import Converted, NodeView
from onnx_lippa.ir.layers.readout import Readout
from onnx_lippa.ir.layers.registry import converts


@converts("Sigmoid")
def convert(node: NodeView) -> Converted:
    """Dropped: it keeps the order of the scores."""
    node.computed()
    return Converted((), readout=Readout.SIGMOID)
