"""Pools: MaxPool, AveragePool, LpPool and their global forms."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from onnx_lippa.arrays import Float64, Integers, Shape, size
from onnx_lippa.errors import Unsupported
from onnx_lippa.ir.algebra import ConvGeometry
from onnx_lippa.ir.layers.activation import Abs
from onnx_lippa.ir.layers.base import Layer
from onnx_lippa.ir.layers.convolution import DepthwiseConv, one_tap_kernels
from onnx_lippa.ir.layers.gather import Gather
from onnx_lippa.ir.layers.pad import EdgePad
from onnx_lippa.ir.layers.reduce_max import ReduceMax
from onnx_lippa.ir.layers.reshape import Reshape, Transpose
from onnx_lippa.onnx_io.frame import frame_axes
from onnx_lippa.onnx_io.node import Conversion, NodeView
from onnx_lippa.onnx_io.operators.convolution import read_steps, resolve_pads
from onnx_lippa.onnx_io.operators.reduction import Reduction
from onnx_lippa.onnx_io.operators.registry import converts

_LARGE: Final = 32
"""Larger windows are gathered: the cost of one-tap kernels grows with the square of the taps."""


@dataclass(frozen=True)
class Images:
    """A tensor as images (channels, *extents): all leading axes are merged into channels.

    Attributes:
        leading: extents of the axes that are merged, of a sample or of the graph.
        extents: its spatial extents.
        batched: whether the batch axis is left out of the leading ones.
    """

    leading: Shape
    extents: tuple[int, ...]
    batched: bool

    @property
    def source(self) -> Shape:
        """The shape (channels, *extents)."""
        return (size(self.leading), *self.extents)

    def convert(self, *layers: Layer) -> Conversion:
        """The node as layers from images to images with the same channels."""
        before: tuple[Layer, ...] = (Reshape((*self.leading, *self.extents), self.source),)
        shape = layers[-1].shape if layers else self.source
        after = Reshape(shape, (*self.leading, *shape[1:]))
        return Conversion((*before, *layers, after), batched=self.batched)


@dataclass(frozen=True)
class Pool:
    """A pooling node.

    Attributes:
        images: its operand.
        geometry: how its window moves, padded after the input as far as windows reach.
        pads: (before, after) as the node states them.
    """

    images: Images
    geometry: ConvGeometry
    pads: tuple[tuple[int, int], ...]

    @property
    def places(self) -> tuple[int, ...]:
        """Spatial extents of the result."""
        return self.geometry.output_extents(self.images.extents)

    @property
    def taps(self) -> int:
        """Number of entries a window sees."""
        return size(self.geometry.kernel)

    @property
    def sees_all(self) -> bool:
        """Whether there is one window, which sees every entry once."""
        padded = any(map(any, self.geometry.pads))
        return self.geometry.kernel == self.images.extents and not padded

    def positions(self, axis: int) -> Integers:
        """Entries that the windows see along a spatial axis: (places, kernel), some outside."""
        g = self.geometry
        starts = np.arange(self.places[axis]) * g.strides[axis] - g.pads[axis][0]
        return starts[:, None] + np.arange(g.kernel[axis]) * g.dilations[axis]


def read_pool(node: NodeView) -> Pool:
    """The pool of a node.

    Raises:
        Unsupported: its window does not fit its operand, or the runtime does not take it.
    """
    x, kernel = node.computed(), node.integers("kernel_shape")
    spatial = len(kernel)
    if x.rank != spatial + 2 or spatial < 1:
        raise Unsupported(f"its window of {spatial} axes does not fit samples of shape {x.shape}")
    images = Images(x.shape[:-spatial], x.shape[-spatial:], x.batched)
    strides, dilations = read_steps(node, kernel)
    pads = resolve_pads(node, kernel, images.extents, strides)
    is_same = node.text("auto_pad", "NOTSET").startswith("SAME")
    rounds_up = node.integer("ceil_mode", 0) == 1
    geometry = ConvGeometry(kernel, strides, dilations, pads)
    padded = []
    for extent, taps, span, stride, (before, after) in zip(
        images.extents, kernel, geometry.spans, strides, pads, strict=True
    ):
        # There auto_pad would crop: ONNX Runtime does in some kernels and refuses in others.
        if is_same and (extent - 1) // stride * stride + taps < extent:
            raise Unsupported(
                f"its stride {stride} is larger than its kernel {taps}, for which auto_pad is "
                "not defined: export explicit pads"
            )
        if max(before, after) >= taps:
            raise Unsupported(
                f"its pads {list(pads)} are not smaller than its kernel {list(kernel)}"
            )
        reached = _padding_after(extent, stride, span, before, after, rounds_up)
        padded.append((before, reached))
    pool = Pool(images, replace(geometry, pads=tuple(padded)), pads)
    node.limits.require_elements((images.source[0], *kernel), "its window")
    node.limits.require_elements((images.source[0], *pool.places))
    for places, taps in zip(pool.places, kernel, strict=True):
        node.limits.require_matrix(places, taps)
    return pool


def _padding_after(
    extent: int, stride: int, span: int, before: int, after: int, rounds_up: bool
) -> int:
    """How far windows reach beyond the end of an axis."""
    room = extent + before + after - span
    steps_taken = -(-room // stride) if rounds_up else room // stride
    if rounds_up and steps_taken * stride >= extent + before:
        steps_taken -= 1  # the last window must begin inside the image
    if steps_taken < 0:
        raise Unsupported(
            f"its window of extent {span} is larger than the padded input "
            f"({before} + {extent} + {after})"
        )
    return max(0, steps_taken * stride + span - extent - before)


def sum_windows(pool: Pool, factor: Float64) -> tuple[Layer, ...]:
    """The sum of every window, multiplied by a factor for each place."""
    ones = np.ones((1, *pool.geometry.kernel))
    if np.all(factor == factor.flat[0]):
        return (DepthwiseConv(pool.images.source, factor.flat[0] * ones, pool.geometry),)
    return (DepthwiseConv(pool.images.source, ones, pool.geometry, factor),)


@converts("MaxPool")
def convert_max_pool(node: NodeView) -> Conversion:
    """MaxPool in one to three dimensions, without the positions of the maxima."""
    if any(node.used[1:]):
        raise Unsupported("its second output, the positions of the maxima, is not supported")
    pool = read_pool(node)
    if pool.sees_all:
        return convert_global_max_pool(node)
    images = pool.images
    seen = [_seen_entries(pool, axis) for axis in range(len(images.extents))]
    if pool.taps == 1:
        return images.convert(_gather_windows(images.source, seen))
    layers = list(_window_entries(pool, seen))
    return images.convert(*layers, ReduceMax(layers[-1].shape, 1))


def _seen_entries(pool: Pool, axis: int) -> Integers:
    """The entries that windows see along a spatial axis, with entries in place of padding.

    Padding never is the maximum, so the window's own nearest entry may replace it.
    """
    extent = pool.images.extents[axis]
    positions = pool.positions(axis)
    exists = (positions >= 0) & (positions < extent)
    if not np.all(np.any(exists, axis=1)):
        raise Unsupported("one of its windows lies wholly in the padding")
    first = positions[np.arange(len(positions)), np.argmax(exists, axis=1)]
    last = positions[np.arange(len(positions)), -1 - np.argmax(exists[:, ::-1], axis=1)]
    return np.clip(positions, first[:, None], last[:, None])


def _gather_windows(source: Shape, seen: list[Integers]) -> Gather:
    return Gather(source, {axis + 1: positions.ravel() for axis, positions in enumerate(seen)})


def _window_entries(pool: Pool, seen: list[Integers]) -> tuple[Layer, ...]:
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
            layers.append(EdgePad(source, [(0, 0), *geometry.pads]))
            source = layers[-1].shape
        kernels = one_tap_kernels(geometry.kernel)
        windows = DepthwiseConv(source, kernels, geometry.without_pads())
        return (*layers, windows, Reshape(windows.shape, shape))
    gathered = _gather_windows(source, seen)
    sides = [n for pair in zip(places, geometry.kernel, strict=True) for n in pair]
    order = (0, *range(2, 2 + 2 * spatial, 2), *range(1, 1 + 2 * spatial, 2))
    blocks = Transpose((source[0], *sides), order)
    return (
        gathered,
        Reshape(gathered.shape, (source[0], *sides)),
        blocks,
        Reshape(blocks.shape, shape),
    )


@converts("AveragePool", since=7)
def convert_average_pool(node: NodeView) -> Conversion:
    """AveragePool in one to three dimensions, the padding counted or not."""
    pool = read_pool(node)
    if pool.sees_all:
        return convert_global_average_pool(node)
    counts = _entry_counts(pool, bool(node.integer("count_include_pad", 0)))
    return pool.images.convert(*sum_windows(pool, 1.0 / counts))


def _entry_counts(pool: Pool, with_padding: bool) -> Float64:
    """The divisor of the sum at each place."""
    counts = np.ones(())
    for axis, extent in enumerate(pool.images.extents):
        before, after = pool.pads[axis] if with_padding else (0, 0)
        positions = pool.positions(axis)
        counted = np.sum((positions >= -before) & (positions < extent + after), axis=1)
        counts = counts[..., None] * counted
    return np.maximum(counts, 1.0)  # a window of padding alone sums to 0


@converts("LpPool", since=2)
def convert_lp_pool(node: NodeView) -> Conversion:
    """The sum of absolute values in every window."""
    _require_l1(node)
    pool = read_pool(node)
    if pool.sees_all:
        return convert_global_lp_pool(node)
    return pool.images.convert(Abs(pool.images.source), *sum_windows(pool, np.ones(pool.places)))


def _require_l1(node: NodeView) -> None:
    """Raises Unsupported for a pool of any norm but the sum of absolute values."""
    p = node.integer("p", 2)
    if p != 1:
        raise Unsupported(f"the norm with p = {p} is not piecewise linear (that with p = 1 is)")


@converts("GlobalMaxPool")
def convert_global_max_pool(node: NodeView) -> Conversion:
    """The largest entry of every channel."""
    reduction = _reduce_channels(node)
    return reduction.convert(*reduction.largest())


@converts("GlobalAveragePool")
def convert_global_average_pool(node: NodeView) -> Conversion:
    """The mean of every channel."""
    reduction = _reduce_channels(node)
    return reduction.convert(*reduction.mean())


@converts("GlobalLpPool", since=2)
def convert_global_lp_pool(node: NodeView) -> Conversion:
    """The sum of absolute values in every channel."""
    _require_l1(node)
    reduction = _reduce_channels(node)
    return reduction.convert(Abs(reduction.frame.source), *reduction.total())


def _reduce_channels(node: NodeView) -> Reduction:
    """The reduction of a global pool: over all spatial axes, which are kept with extent 1."""
    x = node.computed()
    if x.rank < 3:
        raise Unsupported(f"a tensor of shape {x.graph_shape} has no spatial axes")
    return Reduction(frame_axes(x, range(2, x.rank)), keep=True)
