"""BatchNormalization at inference."""

from __future__ import annotations

import numpy as np

from onnx_lippa.ir.layers.node import Converted, NodeView, Unsupported
from onnx_lippa.ir.layers.registry import converts
from onnx_lippa.ir.layers.scale_shift import ScaleShift


@converts("BatchNormalization", since=7)
def convert(node: NodeView) -> Converted:
    """``gamma * (x - mean) / sqrt(variance + epsilon) + beta``, per channel."""
    # Before opset 14 the training outputs are what says so.
    if node.integer("training_mode", 0) != 0 or (node.opset < 14 and node.outputs > 1):
        raise Unsupported("it is in training mode: export the model in evaluation mode")
    x = node.sample()
    if not x.shape:
        raise Unsupported("its samples have no axis of channels")
    gamma, beta, mean, variance = (
        node.known(position, meaning).weight
        for position, meaning in enumerate(("scale", "bias", "mean", "variance"), start=1)
    )
    channels = x.shape[:1]
    if any(part.shape != channels for part in (gamma, beta, mean, variance)):
        raise Unsupported(f"its statistics do not have one entry for each of {channels} channels")
    spread = variance + float(np.float32(node.number("epsilon", 1e-5)))
    if not np.all(spread > 0.0):
        raise Unsupported("its variance plus epsilon is not positive everywhere")
    scale = gamma / np.sqrt(spread)
    shift = beta - scale * mean
    wide = (channels[0], *(1,) * (len(x.shape) - 1))
    return Converted((ScaleShift(x.shape, scale.reshape(wide), shift.reshape(wide)),))
