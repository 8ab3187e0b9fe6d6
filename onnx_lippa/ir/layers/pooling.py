"""What all pooling operators have in common: which entries every window sees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from onnx_lippa.arrays import Float64, Integers, Shape, size
from onnx_lippa.ir.algebra import ConvGeometry
from onnx_lippa.ir.layers.base import Layer
from onnx_lippa.ir.layers.max_last import MaxAlong
from onnx_lippa.ir.layers.node import Computed, Converted, NodeView, Unsupported
from onnx_lippa.ir.layers.rearrange import Rearranged
from onnx_lippa.ir.layers.scale_shift import ScaleShift
from onnx_lippa.ir.layers.summed import Summed
from onnx_lippa.ir.layers.windowed import Windowed
from onnx_lippa.ir.layers.windows import resolved_pads, steps


@dataclass(frozen=True)
class Images:
    """A tensor as images (channels, *extents): whatever lies in front is taken for channels.

    Attributes:
        leading: the axes of the operand that are taken together, the sample's or the graph's.
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

    def converted(self, *layers: Layer) -> Converted:
        """A node whose layers take the images, and give others with the same channels."""
        before: tuple[Layer, ...] = (Rearranged((*self.leading, *self.extents), self.source),)
        shape = layers[-1].shape if layers else self.source
        after = Rearranged(shape, (*self.leading, *shape[1:]))
        return Converted((*before, *layers, after), batched=self.batched)


def images_of(x: Computed, spatial: int) -> Images:
    """A node's operand with this number of spatial axes as images."""
    if x.rank != spatial + 2 or spatial < 1:
        raise Unsupported(f"its window of {spatial} axes does not fit samples of shape {x.shape}")
    return Images(x.shape[:-spatial], x.shape[-spatial:], x.batched)


@dataclass(frozen=True)
class Pool:
    """A pooling node.

    Attributes:
        images: what it takes.
        geometry: how its window moves; it pads as far behind the input as windows reach.
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


def pool_of(node: NodeView) -> Pool:
    """The pool of a node.

    Raises:
        Unsupported: its window does not fit its operand, or the runtime does not take it.
    """
    kernel = node.integers("kernel_shape", ())
    images = images_of(node.computed(), len(kernel))
    strides, dilations = steps(node, kernel)
    pads = resolved_pads(node, kernel, images.extents, strides)
    if node.text("auto_pad", "NOTSET").startswith("SAME"):
        _check_no_gaps(images.extents, kernel, strides)
    if any(max(pad) >= extent for pad, extent in zip(pads, kernel, strict=True)):
        raise Unsupported(f"its pads {list(pads)} are not smaller than its kernel {list(kernel)}")
    rounds_up = node.integer("ceil_mode", 0) == 1
    reach = tuple(
        (before, _behind(extent, stride, dilation * (taps - 1) + 1, before, after, rounds_up))
        for extent, taps, stride, dilation, (before, after) in zip(
            images.extents, kernel, strides, dilations, pads, strict=True
        )
    )
    pool = Pool(images, ConvGeometry(kernel, strides, dilations, reach), pads)
    node.limits.require_elements((images.source[0], *kernel), "its window")
    node.limits.require_elements((images.source[0], *pool.places))
    for places, taps in zip(pool.places, kernel, strict=True):
        node.limits.require_matrix(places, taps)
    return pool


def _check_no_gaps(
    extents: tuple[int, ...], kernel: tuple[int, ...], strides: tuple[int, ...]
) -> None:
    """Raises Unsupported where a rule for padding would have to crop.

    ONNX Runtime then crops in some of its kernels and refuses in others.
    """
    for extent, taps, stride in zip(extents, kernel, strides, strict=True):
        if (extent - 1) // stride * stride + taps < extent:
            raise Unsupported(
                f"its stride {stride} is larger than its kernel {taps}, for which auto_pad is "
                "not defined: export explicit pads"
            )


def _behind(extent: int, stride: int, span: int, before: int, after: int, rounds_up: bool) -> int:
    """How far windows reach behind an axis of the input."""
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


def window_sums(pool: Pool, factor: Float64 | None = None) -> tuple[Layer, ...]:
    """The sum of every window, multiplied by a factor for each place."""
    source = pool.images.source
    if pool.sees_all:
        summed = Summed(source, range(1, len(source)))
        if factor is None:
            return (summed,)
        return summed, ScaleShift(summed.shape, factor.reshape(-1)[0], None)
    ones = np.ones((1, *pool.geometry.kernel))
    if factor is not None and np.all(factor == factor.flat[0]):
        ones, factor = factor.flat[0] * ones, None
    return (Windowed(source, ones, pool.geometry, factor),)


def largest_of_all(source: Shape) -> tuple[Layer, ...]:
    """The largest entry of every channel, with spatial axes of extent 1."""
    channels = source[0]
    largest = MaxAlong((channels, size(source[1:])), 1)
    shape = (channels, *(1 for _ in source[1:]))
    return Rearranged(source, (channels, size(source[1:]))), largest, Rearranged((channels,), shape)
