"""MaxPool: a window's entries side by side, and the largest of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from onnx_lippa.arrays import Integers, Shape
from onnx_lippa.ir.layers.base import Layer
from onnx_lippa.ir.layers.edge_padded import EdgePadded
from onnx_lippa.ir.layers.max_last import MaxAlong
from onnx_lippa.ir.layers.node import Converted, NodeView, Unsupported
from onnx_lippa.ir.layers.pooling import Pool, largest_of_all, pool_of
from onnx_lippa.ir.layers.rearrange import Permuted, Rearranged
from onnx_lippa.ir.layers.registry import converts
from onnx_lippa.ir.layers.taken import Taken
from onnx_lippa.ir.layers.windowed import Windowed, one_tap_each

_LARGE: Final = 32
"""Windows of more entries are copied; taking them apart with kernels grows with their square."""


@converts("MaxPool")
def convert(node: NodeView) -> Converted:
    """MaxPool in one to three dimensions, without the positions it found."""
    if any(node.used[1:]):
        raise Unsupported("its second output, the positions of the maxima, is not supported")
    pool = pool_of(node)
    images = pool.images
    if pool.sees_all:
        return images.converted(*largest_of_all(images.source))
    seen = [_inside(pool, axis) for axis in range(len(images.extents))]
    if pool.taps == 1:
        return images.converted(_taken(images.source, seen))
    layers = list(_taken_apart(pool, seen))
    return images.converted(*layers, MaxAlong(layers[-1].shape, 1))


def _inside(pool: Pool, axis: int) -> Integers:
    """The entries that windows see along a spatial axis, each in place of a padded one as well.

    Padding never wins, so the nearest entry of the window itself may stand there.
    """
    extent = pool.images.extents[axis]
    positions = pool.positions(axis)
    exists = (positions >= 0) & (positions < extent)
    if not np.all(np.any(exists, axis=1)):
        raise Unsupported("one of its windows lies wholly in the padding")
    first = positions[np.arange(len(positions)), np.argmax(exists, axis=1)]
    last = positions[np.arange(len(positions)), -1 - np.argmax(exists[:, ::-1], axis=1)]
    return np.clip(positions, first[:, None], last[:, None])


def _taken(source: Shape, seen: list[Integers]) -> Taken:
    return Taken(source, {axis + 1: positions.ravel() for axis, positions in enumerate(seen)})


def _taken_apart(pool: Pool, seen: list[Integers]) -> tuple[Layer, ...]:
    """Layers from (channels, *extents) to (channels, taps, *places)."""
    source, geometry, places = pool.images.source, pool.geometry, pool.places
    spatial = len(places)
    shape = (source[0], pool.taps, *places)
    at_edges = all(
        np.array_equal(np.clip(pool.positions(axis), 0, extent - 1), seen[axis])
        for axis, extent in enumerate(pool.images.extents)
    )
    if pool.taps <= _LARGE and at_edges:
        layers: list[Layer] = []
        if any(map(any, geometry.pads)):
            layers.append(EdgePadded(source, [(0, 0), *geometry.pads]))
            source = layers[-1].shape
        unpadded = replace(geometry, pads=((0, 0),) * spatial)
        windows = Windowed(source, one_tap_each(geometry.kernel), unpadded)
        return (*layers, windows, Rearranged(windows.shape, shape))
    taken = _taken(source, seen)
    sides = [n for pair in zip(places, geometry.kernel, strict=True) for n in pair]
    order = (0, *range(2, 2 + 2 * spatial, 2), *range(1, 1 + 2 * spatial, 2))
    blocks = Permuted((source[0], *sides), order)
    return (
        taken,
        Rearranged(taken.shape, (source[0], *sides)),
        blocks,
        Rearranged(blocks.shape, shape),
    )
