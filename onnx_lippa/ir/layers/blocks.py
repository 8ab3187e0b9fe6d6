"""Channels and blocks of an image in exchange, behind DepthToSpace and SpaceToDepth."""

from __future__ import annotations

from onnx_lippa.arrays import Shape
from onnx_lippa.ir.layers.node import Converted, NodeView, Unsupported
from onnx_lippa.ir.layers.rearrange import Permuted, Rearranged


def block_size(node: NodeView) -> int:
    """The extent of a block; the mode must be one there is."""
    block, mode = node.integer("blocksize", 0), node.text("mode", "DCR")
    if block < 1:
        raise Unsupported(f"its blocksize {block} is not positive")
    if mode not in ("DCR", "CRD"):
        raise Unsupported(f"its mode '{mode}' is unknown")
    return block


def depth_axes(node: NodeView) -> Shape:
    """The operand's shape, (channels, height, width) with what may stand in front."""
    x = node.computed()
    if x.rank != 4:
        raise Unsupported(f"it takes images of three axes, not samples of shape {x.shape}")
    return x.shape


def rearranged(node: NodeView, split: Shape, axes: tuple[int, ...], shape: Shape) -> Converted:
    """The operand with some axes split, put in another order and taken together again."""
    before = Rearranged(node.computed().shape, split)
    permuted = Permuted(split, axes)
    return Converted((before, permuted, Rearranged(permuted.shape, shape)))
