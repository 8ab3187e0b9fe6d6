"""Transpose."""

from __future__ import annotations

from onnx_lippa.ir.layers.frame import whole
from onnx_lippa.ir.layers.node import Converted, NodeView, Unsupported
from onnx_lippa.ir.layers.rearrange import Permuted
from onnx_lippa.ir.layers.registry import converts


@converts("Transpose")
def convert(node: NodeView) -> Converted:
    """Axes in any order."""
    x = node.computed()
    order = node.integers("perm", tuple(reversed(range(x.rank))))
    if sorted(order) != list(range(x.rank)):
        raise Unsupported(f"its perm {list(order)} does not fit a tensor of rank {x.rank}")
    if x.batched and order[0] == 0:
        return Converted((Permuted(x.shape, tuple(axis - 1 for axis in order[1:])),))
    frame = whole(x)
    return frame.converted(Permuted(frame.source, order))
