"""Softmax and LogSoftmax as the last step of a classifier."""

from __future__ import annotations

from onnx_lippa.arrays import size
from onnx_lippa.ir.layers.node import Converted, NodeView, Unsupported
from onnx_lippa.ir.layers.readout import Readout
from onnx_lippa.ir.layers.registry import converts


def _convert(node: NodeView, readout: Readout) -> Converted:
    x = node.computed()
    axis = node.axis("axis", 1 if node.opset < 13 else -1, x.rank)
    # Before opset 13 it is over the axis and all behind it.
    together = x.whole[axis:] if node.opset < 13 else x.whole[axis : axis + 1]
    if size(together) != size(x.shape) or (x.batched and axis == 0):
        raise Unsupported(f"over axis {axis} of samples of shape {x.shape}, not over all scores")
    return Converted((), readout=readout)


@converts("Softmax")
def convert_softmax(node: NodeView) -> Converted:
    """Dropped: it keeps the order of the classes."""
    return _convert(node, Readout.SOFTMAX)


@converts("LogSoftmax")
def convert_log_softmax(node: NodeView) -> Converted:
    """Dropped: it keeps the order of the classes."""
    return _convert(node, Readout.LOG_SOFTMAX)
