"""GlobalMaxPool."""

from __future__ import annotations

from onnx_lippa.ir.layers.node import Converted, NodeView
from onnx_lippa.ir.layers.pooling import images_of, largest_of_all
from onnx_lippa.ir.layers.registry import converts


@converts("GlobalMaxPool")
def convert(node: NodeView) -> Converted:
    """The largest entry of every channel."""
    x = node.computed()
    images = images_of(x, x.rank - 2)
    return images.converted(*largest_of_all(images.source))
