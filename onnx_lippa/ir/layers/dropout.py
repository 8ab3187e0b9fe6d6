"""Dropout at inference."""

from __future__ import annotations

from onnx_lippa.ir.layers.node import Converted, Known, NodeView, Unsupported
from onnx_lippa.ir.layers.registry import converts


@converts("Dropout")
def convert(node: NodeView) -> Converted:
    """The identity, unless the training flag of opset 12 is set."""
    node.computed()
    training = node.operand(2)
    if training is not None and not (isinstance(training, Known) and not training.value.any()):
        raise Unsupported("it is in training mode: export the model in evaluation mode")
    return Converted(())
