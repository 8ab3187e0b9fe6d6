"""The layers behind Resize and Upsample, one axis after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from onnx_lippa.arrays import Integers, Shape, size
from onnx_lippa.ir.algebra import ConvGeometry
from onnx_lippa.ir.layers.axis_map import AxisMap
from onnx_lippa.ir.layers.base import Layer
from onnx_lippa.ir.layers.coordinates import Axis
from onnx_lippa.ir.layers.frame import framed
from onnx_lippa.ir.layers.node import Converted, NodeView, Unsupported
from onnx_lippa.ir.layers.rearrange import Rearranged
from onnx_lippa.ir.layers.sampling import Sampling
from onnx_lippa.ir.layers.scale_shift import ScaleShift
from onnx_lippa.ir.layers.summed import Repeated
from onnx_lippa.ir.layers.taken import Taken
from onnx_lippa.ir.layers.transposed import Transposed
from onnx_lippa.ir.layers.windowed import Windowed

_SHORT: Final = 256
"""Up to this extent, runtimes multiply by a matrix faster than they gather entries."""


def resampled(
    node: NodeView, sampling: Sampling, axes: Sequence[Axis], value: float = 0.0
) -> Converted:
    """A node that resizes its first operand.

    Args:
        node: the node.
        sampling: how.
        axes: all axes of the operand in the graph.
        value: what stands in places outside the input.
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
        return Converted(())  # the runtime copies, whatever the scales
    frame = framed(x, changed)
    work = {place: axes[axis] for axis, place in zip(changed, frame.axes, strict=True)}
    for axis in work.values():
        if sampling.mode != "nearest":
            node.limits.require_matrix(axis.places, axis.extent)
    if sampling.mode == "nearest":
        layers = _nearest(frame.source, work, sampling)
    else:
        layers = _interpolated(frame.source, work, sampling)
    outside = {place: sampling.outside(axis) for place, axis in work.items()}
    if value != 0.0 and any(map(len, outside.values())):
        shape = layers[-1].shape
        shift = np.zeros(shape)
        for place, entries in outside.items():
            shift[(slice(None),) * place + (entries,)] = value
        layers.append(ScaleShift(shape, None, shift))
    return frame.converted(*layers)


def _interpolated(source: Shape, work: Mapping[int, Axis], sampling: Sampling) -> list[Layer]:
    layers: list[Layer] = []
    # What shrinks most comes first, so that less is left for the others.
    for place, axis in sorted(work.items(), key=lambda item: item[1].places / item[1].extent):
        if sampling.antialias and axis.places == axis.extent:
            continue  # the runtime copies it then, whatever the scale
        matrix = sampling.matrix(axis)
        matrix[sampling.outside(axis)] = 0.0
        layers.append(AxisMap(source, place, matrix))
        source = layers[-1].shape
    return layers


def _nearest(source: Shape, work: Mapping[int, Axis], sampling: Sampling) -> list[Layer]:
    seen = {}
    for place, axis in work.items():
        positions = sampling.positions(axis)
        positions[sampling.outside(axis)] = -1
        seen[place] = positions
    times = {place: _repetitions(positions, source[place]) for place, positions in seen.items()}
    if all(times.values()):
        return list(_repeated(source, times))
    layers: list[Layer] = []
    for place, positions in seen.items():
        extent = source[place]
        if extent > _SHORT or len(positions) > _SHORT or _evenly_spaced(positions):
            layers.append(Taken(source, {place: positions}))
        else:
            chosen = (positions[:, None] == np.arange(extent)).astype(np.float64)
            layers.append(AxisMap(source, place, chosen))
        source = layers[-1].shape
    return layers


def _evenly_spaced(positions: Integers) -> bool:
    steps = np.diff(positions)
    return bool(np.all(positions >= 0) and (np.all(steps == steps[:1]) and np.all(steps > 0)))


def _repetitions(positions: Integers, extent: int) -> int:
    """How often every entry is repeated, 0 where it is not the same for all."""
    times = len(positions) // extent
    even = np.array_equal(positions, np.repeat(np.arange(extent), times))
    return times if even else 0


def _repeated(source: Shape, times: Mapping[int, int]) -> tuple[Layer, ...]:
    """Every entry repeated along some axes."""
    first, behind = min(times), len(source)
    if behind - 1 in times and behind - first <= 2:
        # A transposed convolution of every channel alone copies faster than broadcasting along
        # short runs does.
        channels = (size(source[:first]), *source[first:])
        kernel = tuple(times.get(axis, 1) for axis in range(first, behind))
        spatial = len(kernel)
        geometry = ConvGeometry(kernel, kernel, (1,) * spatial, ((0, 0),) * spatial)
        wide = (channels[0], *(n * k for n, k in zip(channels[1:], kernel, strict=True)))
        sums = Windowed(wide, np.ones((1, *kernel)), geometry)
        before = Rearranged(source, channels)
        after = Rearranged(wide, (*source[:first], *wide[1:]))
        return before, Transposed(sums, wide), after
    split = tuple(n for axis, extent in enumerate(source) for n in _pair(extent, axis in times, 1))
    grown = tuple(
        n
        for axis, extent in enumerate(source)
        for n in _pair(extent, axis in times, times.get(axis, 1))
    )
    shape = tuple(extent * times.get(axis, 1) for axis, extent in enumerate(source))
    return Rearranged(source, split), Repeated(split, grown), Rearranged(grown, shape)


def _pair(extent: int, splits: bool, times: int) -> tuple[int, ...]:
    return (extent, times) if splits else (extent,)
