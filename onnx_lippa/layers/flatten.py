"""Flatten."""

from __future__ import annotations

from onnx_lippa.arrays import size
from onnx_lippa.layers.node import Converted, NodeView, Unsupported
from onnx_lippa.layers.rearrange import Rearranged
from onnx_lippa.layers.registry import converts


@converts("Flatten")
def convert(node: NodeView) -> Converted:
    """Flatten behind the batch axis."""
    x = node.computed()
    axis = node.integer("axis", 1)
    axis = axis + x.rank if axis < 0 else axis
    if axis != 1:
        raise Unsupported(f"with axis {axis} it mixes the batch axis with features")
    return Converted(Rearranged(x.shape, (size(x.shape),)))
