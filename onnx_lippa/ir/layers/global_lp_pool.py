"""GlobalLpPool, where the norm is piecewise linear."""

from __future__ import annotations

from onnx_lippa.ir.layers.absolute import Absolute
from onnx_lippa.ir.layers.lp_pool import require_l1
from onnx_lippa.ir.layers.node import Converted, NodeView
from onnx_lippa.ir.layers.pooling import images_of
from onnx_lippa.ir.layers.registry import converts
from onnx_lippa.ir.layers.summed import Summed


@converts("GlobalLpPool", since=2)
def convert(node: NodeView) -> Converted:
    """The sum of absolute values in every channel."""
    require_l1(node)
    x = node.computed()
    images = images_of(x, x.rank - 2)
    absolute = Absolute(images.source)
    return images.converted(absolute, Summed(images.source, range(1, len(images.source))))
