"""Operators that change the shape or the order of axes, or repeat entries."""

from __future__ import annotations

from collections.abc import Sequence

from onnx_lippa.arrays import Shape, size
from onnx_lippa.errors import Unsupported
from onnx_lippa.ir.layers.reshape import Expand, Reshape, Transpose, repeat
from onnx_lippa.onnx_io.frame import (
    broadcast_shapes,
    frame_axes,
    frame_whole,
    normalize_axes,
    reshape_to,
)
from onnx_lippa.onnx_io.node import Conversion, NodeView
from onnx_lippa.onnx_io.operators.registry import converts


@converts("Reshape", since=5)
def convert_reshape(node: NodeView) -> Conversion:
    """To any constant shape, its 0 and -1 resolved for one sample."""
    x = node.computed()
    shape = _resolve_shape(x.graph_shape, node.constant(1, "shape").integers, node)
    return Conversion((Reshape(x.shape, shape),), batched=False)


def _resolve_shape(source: Shape, wanted: Sequence[int], node: NodeView) -> Shape:
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


@converts("Flatten")
def convert_flatten(node: NodeView) -> Conversion:
    """Along any axis."""
    x = node.computed()
    named = node.integer("axis", 1)
    axis = named + x.rank if named < 0 else named
    if x.batched and axis == 1:
        return Conversion((Reshape(x.shape, (size(x.shape),)),))
    if not 0 <= axis <= x.rank:
        raise Unsupported(f"its axis {named} is outside a tensor of rank {x.rank}")
    flat = (size(x.graph_shape[:axis]), size(x.graph_shape[axis:]))
    return Conversion((Reshape(x.shape, flat),), batched=False)


@converts("Squeeze")
def convert_squeeze(node: NodeView) -> Conversion:
    """Constant axes of extent 1; all such axes where none are given."""
    x = node.computed()
    singletons = [axis for axis, extent in enumerate(x.graph_shape) if extent == 1]
    axes = normalize_axes(node.constant_integers(1, "axes"), x.rank) or singletons
    if not set(axes) <= set(singletons):
        raise Unsupported(f"its axes {list(axes)} are not of extent 1 in a tensor {x.graph_shape}")
    kept = tuple(extent for i, extent in enumerate(x.graph_shape) if i not in axes)
    return reshape_to(x.shape, kept)


@converts("Unsqueeze")
def convert_unsqueeze(node: NodeView) -> Conversion:
    """Constant axes."""
    x, axes = node.computed(), node.constant_integers(1, "axes")
    added = normalize_axes(axes, x.rank + len(axes))
    extents = iter(x.graph_shape)
    shape = tuple(1 if i in added else next(extents) for i in range(x.rank + len(axes)))
    return reshape_to(x.shape, shape)


@converts("Transpose")
def convert_transpose(node: NodeView) -> Conversion:
    """Axes in any order."""
    x = node.computed()
    order = node.integers("perm", tuple(reversed(range(x.rank))))
    if sorted(order) != list(range(x.rank)):
        raise Unsupported(f"its perm {list(order)} does not fit a tensor of rank {x.rank}")
    if x.batched and order[0] == 0:
        return Conversion((Transpose(x.shape, tuple(axis - 1 for axis in order[1:])),))
    frame = frame_whole(x)
    return frame.convert(Transpose(frame.source, order))


@converts("Expand", since=8)
def convert_expand(node: NodeView) -> Conversion:
    """Axes of extent 1 repeated, and axes added in front, up to a constant shape."""
    x = node.computed()
    wanted = node.constant(1, "shape").integers
    if min(wanted, default=1) < 1:
        raise Unsupported(f"its shape {list(wanted)} has extents below 1")
    shape = broadcast_shapes(x.graph_shape, wanted)
    if shape is None:
        raise Unsupported(
            f"its shape {list(wanted)} does not fit a tensor of shape {x.graph_shape}"
        )
    source = (1,) * (len(shape) - x.rank) + x.graph_shape
    batched = len(shape) > 1 and shape[0] == 1
    if batched:
        source, shape = source[1:], shape[1:]
    layers = (Reshape(x.shape, source), *((Expand(source, shape),) * (source != shape)))
    return Conversion(layers, batched=batched)


@converts("Tile", since=6)
def convert_tile(node: NodeView) -> Conversion:
    """The tensor repeated a constant number of times along each axis."""
    x = node.computed()
    repeats = node.constant(1, "repeats").integers
    if len(repeats) != x.rank or min(repeats, default=1) < 1:
        raise Unsupported(f"its repeats {list(repeats)} do not fit a tensor of rank {x.rank}")
    repeated = [axis for axis, times in enumerate(repeats) if times > 1]
    frame = frame_axes(x, repeated)
    times = dict(zip(frame.axes, (repeats[axis] for axis in repeated), strict=True))
    return frame.convert(*(repeat(frame.source, times, together=False) if times else ()))


@converts("DepthToSpace")
def convert_depth_to_space(node: NodeView) -> Conversion:
    """DepthToSpace with the block's place ahead of the channel (DCR) or behind it (CRD)."""
    block, blocks_first = _read_blocks(node)
    *lead, depth, height, width = node.computed().shape
    if depth % block**2:
        raise Unsupported(f"its {depth} channels are not divisible into blocks of {block}×{block}")
    channels = depth // block**2
    wide = (*lead, channels, height * block, width * block)
    if blocks_first:
        split = (*lead, block, block, channels, height, width)
        return _rearrange_blocks(node, split, (2, 3, 0, 4, 1), wide)
    split = (*lead, channels, block, block, height, width)
    return _rearrange_blocks(node, split, (0, 3, 1, 4, 2), wide)


@converts("SpaceToDepth")
def convert_space_to_depth(node: NodeView) -> Conversion:
    """SpaceToDepth with the block's place ahead of the channel (DCR) or behind it (CRD)."""
    block, blocks_first = _read_blocks(node)
    *lead, channels, height, width = node.computed().shape
    if height % block or width % block:
        raise Unsupported(f"its image {height}×{width} does not divide into blocks of {block}")
    split = (*lead, channels, height // block, block, width // block, block)
    deep = (*lead, channels * block**2, height // block, width // block)
    order = (2, 4, 0, 1, 3) if blocks_first else (0, 2, 4, 1, 3)
    return _rearrange_blocks(node, split, order, deep)


def _read_blocks(node: NodeView) -> tuple[int, bool]:
    """The extent of a block, and whether its place comes ahead of the channel (DCR)."""
    block, mode, x = node.integer("blocksize", 0), node.text("mode", "DCR"), node.computed()
    if block < 1:
        raise Unsupported(f"its blocksize {block} is not positive")
    if mode not in ("DCR", "CRD"):
        raise Unsupported(f"its mode '{mode}' is unknown")
    if x.rank != 4:
        raise Unsupported(f"it takes images of three axes, not samples of shape {x.shape}")
    return block, mode == "DCR"


def _rearrange_blocks(
    node: NodeView, split: Shape, order: tuple[int, ...], shape: Shape
) -> Conversion:
    """The operand with its axes split, the last ones permuted, and merged again."""
    front = len(split) - len(order)
    permuted = Transpose(split, (*range(front), *(front + axis for axis in order)))
    before = Reshape(node.computed().shape, split)
    return Conversion((before, permuted, Reshape(permuted.shape, shape)))
