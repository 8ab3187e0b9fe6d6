"""DepthToSpace: channels laid out as blocks of an image."""

from __future__ import annotations

from onnx_lippa.ir.layers.blocks import block_size, depth_axes, rearranged
from onnx_lippa.ir.layers.node import Converted, NodeView, Unsupported
from onnx_lippa.ir.layers.registry import converts


@converts("DepthToSpace")
def convert(node: NodeView) -> Converted:
    """DepthToSpace with the block's place ahead of the channel (DCR) or behind it (CRD)."""
    block = block_size(node)
    *lead, depth, height, width = depth_axes(node)
    if depth % block**2:
        raise Unsupported(f"its {depth} channels are not divisible into blocks of {block}×{block}")
    channels, front = depth // block**2, len(lead)
    wide = (*lead, channels, height * block, width * block)
    if node.text("mode", "DCR") == "CRD":
        split = (*lead, channels, block, block, height, width)
        order = (0, 3, 1, 4, 2)
    else:
        split = (*lead, block, block, channels, height, width)
        order = (2, 3, 0, 4, 1)
    axes = (*range(front), *(front + axis for axis in order))
    return rearranged(node, split, axes, wide)
