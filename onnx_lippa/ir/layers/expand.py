"""Expand."""

from __future__ import annotations

import numpy as np

from onnx_lippa.ir.layers.node import Converted, NodeView, Unsupported
from onnx_lippa.ir.layers.rearrange import Rearranged
from onnx_lippa.ir.layers.registry import converts
from onnx_lippa.ir.layers.summed import Repeated


@converts("Expand", since=8)
def convert(node: NodeView) -> Converted:
    """Axes of extent 1 repeated, and axes added in front, up to a constant shape."""
    x = node.computed()
    wanted = node.known(1, "shape").integers
    if min(wanted, default=1) < 1:
        raise Unsupported(f"its shape {list(wanted)} has extents below 1")
    try:
        shape = np.broadcast_shapes(x.whole, wanted)
    except ValueError as error:
        raise Unsupported(
            f"its shape {list(wanted)} does not fit a tensor of shape {x.whole}"
        ) from error
    source = (1,) * (len(shape) - x.rank) + x.whole
    batched = len(shape) > 1 and shape[0] == 1
    if batched:
        source, shape = source[1:], shape[1:]
    layers = (Rearranged(x.shape, source), *((Repeated(source, shape),) * (source != shape)))
    return Converted(layers, batched=batched)
