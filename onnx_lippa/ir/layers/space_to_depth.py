"""SpaceToDepth: blocks of an image laid out as channels."""

from __future__ import annotations

from onnx_lippa.ir.layers.blocks import block_size, depth_axes, rearranged
from onnx_lippa.ir.layers.node import Converted, NodeView, Unsupported
from onnx_lippa.ir.layers.registry import converts


@converts("SpaceToDepth")
def convert(node: NodeView) -> Converted:
    """SpaceToDepth with the block's place ahead of the channel (DCR) or behind it (CRD)."""
    block = block_size(node)
    *lead, channels, height, width = depth_axes(node)
    if height % block or width % block:
        raise Unsupported(f"its image {height}×{width} does not divide into blocks of {block}")
    front = len(lead)
    split = (*lead, channels, height // block, block, width // block, block)
    deep = (*lead, channels * block**2, height // block, width // block)
    order = (0, 2, 4, 1, 3) if node.text("mode", "DCR") == "CRD" else (2, 4, 0, 1, 3)
    axes = (*range(front), *(front + axis for axis in order))
    return rearranged(node, split, axes, deep)
