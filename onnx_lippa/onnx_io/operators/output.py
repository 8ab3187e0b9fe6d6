"""Output activations: Softmax, LogSoftmax, Sigmoid."""

from __future__ import annotations

from onnx_lippa.arrays import size
from onnx_lippa.errors import Unsupported
from onnx_lippa.ir.network import OutputActivation
from onnx_lippa.onnx_io.node import Conversion, NodeView
from onnx_lippa.onnx_io.operators.registry import converts


@converts("Sigmoid")
def convert_sigmoid(node: NodeView) -> Conversion:
    """Dropped: it keeps the order of the scores."""
    node.computed()
    return Conversion((), output_activation=OutputActivation.SIGMOID)


@converts("Softmax")
@converts("LogSoftmax")
def convert_softmax(node: NodeView) -> Conversion:
    """Dropped: it keeps the order of the classes."""
    x = node.computed()
    axis = node.axis(x.rank, default=1 if node.opset < 13 else -1)
    # Before opset 13 it is over the axis and all axes after it.
    reduced = x.graph_shape[axis:] if node.opset < 13 else x.graph_shape[axis : axis + 1]
    if size(reduced) != size(x.shape) or (x.batched and axis == 0):
        raise Unsupported(f"over axis {axis} of samples of shape {x.shape}, not over all scores")
    return Conversion((), output_activation=OutputActivation(node.op))
