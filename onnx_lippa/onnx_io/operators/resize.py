"""Resize and Upsample: nearest entries, or interpolation along one axis after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from onnx_lippa.arrays import Float32, Integers, Shape, size
from onnx_lippa.errors import Unsupported
from onnx_lippa.ir.algebra import ConvGeometry
from onnx_lippa.ir.layers.base import Layer
from onnx_lippa.ir.layers.convolution import DepthwiseConv
from onnx_lippa.ir.layers.elementwise import ScaleShift
from onnx_lippa.ir.layers.gather import Gather
from onnx_lippa.ir.layers.linear_map import AxisLinearMap, TransposedLayer
from onnx_lippa.ir.layers.reshape import Reshape, repeat
from onnx_lippa.onnx_io.frame import frame_axes, normalize_axes
from onnx_lippa.onnx_io.node import Constant, Conversion, NodeView
from onnx_lippa.onnx_io.operators.interpolation import CROPPING, Axis, Sampling
from onnx_lippa.onnx_io.operators.registry import converts

_POLICIES = ("stretch", "not_larger", "not_smaller")
_MOST_PLACES = 2.0**31
"""No axis is as long; longer ones would overflow."""
_SHORT_AXIS: Final = 256
"""Up to this extent, runtimes multiply by a matrix faster than they gather entries."""


@converts("Resize", since=11)
def convert_resize(node: NodeView) -> Conversion:
    """Constant scales or sizes, of some axes only where these are named (from opset 18 on)."""
    x = node.computed()
    chosen = normalize_axes(node.integers("axes", tuple(range(x.rank))), x.rank)
    scales, sizes = _optional_nonempty(node, 2, "scales"), _optional_nonempty(node, 3, "sizes")
    if (scales is None) == (sizes is None):
        raise Unsupported("it needs either scales or sizes")
    if scales is not None:
        factors = np.ones(x.rank, dtype=np.float32)
        _require_count(scales.value.size, len(chosen), "scales")
        factors[list(chosen)] = _scales(scales)
        axes = scale_axes(x.graph_shape, factors)
    elif sizes is not None:
        _require_count(sizes.value.size, len(chosen), "sizes")
        policy = node.text("keep_aspect_ratio_policy", "stretch")
        axes = _size_axes(x.graph_shape, dict(zip(chosen, sizes.integers, strict=True)), policy)
    sampling = Sampling(
        node.text("mode", "nearest"),
        node.text("coordinate_transformation_mode", "half_pixel"),
        node.text("nearest_mode", "round_prefer_floor"),
        node.number("cubic_coeff_a", -0.75),
        node.integer("exclude_outside", 0) != 0,
        node.integer("antialias", 0) != 0,
    )
    if sampling.coordinates == CROPPING:
        if sampling.antialias:
            raise Unsupported("antialias with tf_crop_and_resize is not supported")
        region = _scales(node.constant(1, "region"))
        _require_count(len(region), 2 * len(chosen), "region")
        for axis, start, end in zip(chosen, *np.split(region, 2), strict=True):
            axes[axis] = replace(axes[axis], start=start, end=end)
    return resample(node, sampling, axes, node.number("extrapolation_value", 0.0))


def scale_axes(shape: Shape, scales: Float32) -> list[Axis]:
    """Every axis of a tensor, its extent scaled and rounded down."""
    if len(scales) != len(shape):
        raise Unsupported(f"its {len(scales)} scales do not fit a tensor of rank {len(shape)}")
    if not np.all(scales > 0):
        raise Unsupported(f"its scales {scales.tolist()} are not positive")
    places = [float(scale) * extent for extent, scale in zip(shape, scales, strict=True)]
    if max(places, default=0.0) > _MOST_PLACES:
        raise Unsupported(f"its scales {scales.tolist()} are too large for a tensor of {shape}")
    return [
        Axis(extent, int(scale * np.float32(extent)), scale)
        for extent, scale in zip(shape, scales, strict=True)
    ]


def _size_axes(shape: Shape, wanted: Mapping[int, int], policy: str) -> list[Axis]:
    """Every axis of a tensor with its new extent, which may keep the aspect ratio."""
    if policy not in _POLICIES:
        raise Unsupported(f"its keep_aspect_ratio_policy '{policy}' is unknown")
    places = {axis: wanted.get(axis, extent) for axis, extent in enumerate(shape)}
    scales = {axis: np.float32(places[axis]) / np.float32(shape[axis]) for axis in places}
    if policy != "stretch" and wanted:
        fit = min if policy == "not_larger" else max
        scale = fit(scales[axis] for axis in wanted)
        for axis in wanted:
            scales[axis] = scale
            places[axis] = int(np.floor(float(scale * np.float32(shape[axis])) + 0.5))
    return [Axis(extent, places[axis], scales[axis]) for axis, extent in enumerate(shape)]


def _optional_nonempty(node: NodeView, position: int, meaning: str) -> Constant | None:
    """A constant input; an empty one counts as absent."""
    given = node.optional(position, meaning)
    return None if given is None or given.value.size == 0 else given


def _scales(given: Constant) -> Float32:
    return given.weight.ravel().astype(np.float32)


def _require_count(count: int, wanted: int, meaning: str) -> None:
    if count != wanted:
        raise Unsupported(f"its {meaning} have {count} entries, not {wanted}")


@converts("Upsample", since=7)
@converts("Resize", since=10)
def convert_upsample(node: NodeView) -> Conversion:
    """Constant scales and a mode; Upsample takes scales of at least 1."""
    given = node.optional(1, "scales")
    scales = np.array(node.numbers("scales", 1.0), np.float32) if given is None else _scales(given)
    if node.op == "Upsample" and np.any(scales < 1):
        raise Unsupported(f"its scales {scales.tolist()} are below 1")
    axes = scale_axes(node.computed().graph_shape, scales)
    return resample(node, Sampling(node.text("mode", "nearest")), axes)


def resample(
    node: NodeView, sampling: Sampling, axes: Sequence[Axis], value: float = 0.0
) -> Conversion:
    """A node that resizes its first operand.

    Args:
        node: the node.
        sampling: how.
        axes: all axes of the operand in the graph.
        value: the value at places outside the input.
    """
    x = node.computed()
    places = [axis.places for axis in axes]
    if min(places, default=1) < 1:
        raise Unsupported(f"its result of shape {tuple(places)} is empty")
    node.limits.require_elements(places)
    if sampling.mode not in ("nearest", "linear", "cubic"):
        raise Unsupported(f"its mode '{sampling.mode}' is unknown")
    if sampling.mode == "nearest" and sampling.antialias:
        raise Unsupported("antialias is for interpolation, not for the nearest entry")
    changed = [i for i, axis in enumerate(axes) if axis.places != axis.extent or axis.scale != 1]
    if all(axis.places == axis.extent for axis in axes):
        return Conversion(())  # the runtime copies, whatever the scales
    frame = frame_axes(x, changed)
    work = {place: axes[axis] for axis, place in zip(changed, frame.axes, strict=True)}
    for axis in work.values():
        if sampling.mode != "nearest":
            node.limits.require_matrix(axis.places, axis.extent)
    if sampling.mode == "nearest":
        layers = _gather_nearest(frame.source, work, sampling)
    else:
        layers = _interpolate(frame.source, work, sampling)
    outside = {place: sampling.outside(axis) for place, axis in work.items()}
    if value != 0.0 and any(map(len, outside.values())):
        shape = layers[-1].shape
        shift = np.zeros(shape)
        for place, entries in outside.items():
            shift[(slice(None),) * place + (entries,)] = value
        layers.append(ScaleShift(shape, shift=shift))
    return frame.convert(*layers)


def _interpolate(source: Shape, work: Mapping[int, Axis], sampling: Sampling) -> list[Layer]:
    layers: list[Layer] = []
    # The axis that shrinks most comes first, which leaves the least work for the others.
    for place, axis in sorted(work.items(), key=lambda item: item[1].places / item[1].extent):
        if sampling.antialias and axis.places == axis.extent:
            continue  # the runtime copies it then, whatever the scale
        matrix = sampling.matrix(axis)
        matrix[sampling.outside(axis)] = 0.0
        layers.append(AxisLinearMap(source, place, matrix))
        source = layers[-1].shape
    return layers


def _gather_nearest(source: Shape, work: Mapping[int, Axis], sampling: Sampling) -> list[Layer]:
    seen = {}
    for place, axis in work.items():
        positions = sampling.positions(axis)
        positions[sampling.outside(axis)] = -1
        seen[place] = positions
    times = {place: _repetitions(positions, source[place]) for place, positions in seen.items()}
    if all(times.values()):
        return list(_repeat(source, times))
    layers: list[Layer] = []
    for place, positions in seen.items():
        extent = source[place]
        if extent > _SHORT_AXIS or len(positions) > _SHORT_AXIS or _evenly_spaced(positions):
            layers.append(Gather(source, {place: positions}))
        else:
            chosen = (positions[:, None] == np.arange(extent)).astype(np.float64)
            layers.append(AxisLinearMap(source, place, chosen))
        source = layers[-1].shape
    return layers


def _evenly_spaced(positions: Integers) -> bool:
    steps = np.diff(positions)
    return bool(np.all(positions >= 0) and (np.all(steps == steps[:1]) and np.all(steps > 0)))


def _repetitions(positions: Integers, extent: int) -> int:
    """How often every entry is repeated; 0 where entries differ in that."""
    times = len(positions) // extent
    even = np.array_equal(positions, np.repeat(np.arange(extent), times))
    return times if even else 0


def _repeat(source: Shape, times: Mapping[int, int]) -> tuple[Layer, ...]:
    """Every entry repeated along some axes."""
    first, behind = min(times), len(source)
    if behind - 1 in times and behind - first <= 2:
        # A transposed depthwise convolution copies faster than broadcasting along short runs.
        channels = (size(source[:first]), *source[first:])
        kernel = tuple(times.get(axis, 1) for axis in range(first, behind))
        spatial = len(kernel)
        geometry = ConvGeometry(kernel, kernel, (1,) * spatial, ((0, 0),) * spatial)
        wide = (channels[0], *(n * k for n, k in zip(channels[1:], kernel, strict=True)))
        sums = DepthwiseConv(wide, np.ones((1, *kernel)), geometry)
        before = Reshape(source, channels)
        after = Reshape(wide, (*source[:first], *wide[1:]))
        return before, TransposedLayer(sums, wide), after
    return repeat(source, times, together=True)
