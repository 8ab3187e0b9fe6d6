"""Reshape."""

from __future__ import annotations

from collections.abc import Sequence

from onnx_lippa.arrays import Shape, size
from onnx_lippa.ir.layers.node import Converted, NodeView, Unsupported
from onnx_lippa.ir.layers.rearrange import Rearranged
from onnx_lippa.ir.layers.registry import converts


@converts("Reshape", since=5)
def convert(node: NodeView) -> Converted:
    """To any constant shape, its 0 and -1 resolved for one sample."""
    x = node.computed()
    wanted = node.known(1, "shape").integers
    return Converted((Rearranged(x.shape, _whole_shape(x.whole, wanted, node)),), batched=False)


def _whole_shape(source: Shape, wanted: Sequence[int], node: NodeView) -> Shape:
    """The wanted shape of a tensor with all its axes, its 0 and -1 resolved."""
    copies = node.integer("allowzero", 0) == 0
    shape = [
        source[i] if extent == 0 and copies and i < len(source) else extent
        for i, extent in enumerate(wanted)
    ]
    known = size(tuple(extent for extent in shape if extent != -1))
    if shape.count(-1) == 1 and known > 0 and size(source) % known == 0:
        shape = [size(source) // known if extent == -1 else extent for extent in shape]
    if min(shape, default=0) < 0 or size(tuple(shape)) != size(source):
        raise Unsupported(f"its shape {list(wanted)} does not fit a tensor of shape {source}")
    return tuple(shape)
