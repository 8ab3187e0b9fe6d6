"""Flatten."""

from __future__ import annotations

from onnx_lippa.arrays import size
from onnx_lippa.ir.layers.node import Converted, NodeView, Unsupported
from onnx_lippa.ir.layers.rearrange import Rearranged
from onnx_lippa.ir.layers.registry import converts


@converts("Flatten")
def convert(node: NodeView) -> Converted:
    """Along any axis."""
    x = node.computed()
    named = node.integer("axis", 1)
    axis = named + x.rank if named < 0 else named
    if x.batched and axis == 1:
        return Converted((Rearranged(x.shape, (size(x.shape),)),))
    if not 0 <= axis <= x.rank:
        raise Unsupported(f"its axis {named} is outside a tensor of rank {x.rank}")
    flat = (size(x.whole[:axis]), size(x.whole[axis:]))
    return Converted((Rearranged(x.shape, flat),), batched=False)
