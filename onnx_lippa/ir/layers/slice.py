"""Slice."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from onnx_lippa.arrays import Integers
from onnx_lippa.ir.layers.frame import framed, normal_axes
from onnx_lippa.ir.layers.node import Converted, NodeView, Unsupported
from onnx_lippa.ir.layers.registry import converts
from onnx_lippa.ir.layers.taken import taken


@converts("Slice")
def convert_attributes(node: NodeView) -> Converted:
    """A slice stated by attributes, as before opset 10."""
    starts, ends = node.integers("starts", ()), node.integers("ends", ())
    axes = node.integers("axes", tuple(range(len(starts))))
    return _sliced(node, axes, starts, ends, (1,) * len(starts))


@converts("Slice", since=10)
def convert(node: NodeView) -> Converted:
    """A slice with constant ends; steps may be negative."""
    starts, ends = (node.known(i, n).integers for i, n in ((1, "starts"), (2, "ends")))
    axes, steps = (node.optional(i, n) for i, n in ((3, "axes"), (4, "steps")))
    return _sliced(
        node,
        tuple(range(len(starts))) if axes is None else axes.integers,
        starts,
        ends,
        (1,) * len(starts) if steps is None else steps.integers,
    )


def _sliced(
    node: NodeView,
    axes: Sequence[int],
    starts: Sequence[int],
    ends: Sequence[int],
    steps: Sequence[int],
) -> Converted:
    x = node.computed()
    if not len(axes) == len(starts) == len(ends) == len(steps):
        raise Unsupported("its axes, starts, ends and steps are of different length")
    axes = normal_axes(axes, x.rank)
    chosen = {
        axis: _positions(x.whole[axis], start, end, step)
        for axis, start, end, step in zip(axes, starts, ends, steps, strict=True)
    }
    # An axis of extent 1 is kept whole, so the batch axis need not be named.
    cut = [axis for axis in axes if x.whole[axis] > 1]
    frame = framed(x, cut)
    places = {place: chosen[axis] for axis, place in zip(cut, frame.axes, strict=True)}
    return frame.converted(*taken(frame.source, places))


def _positions(extent: int, start: int, end: int, step: int) -> Integers:
    """What a slice takes of an axis; ends beyond it are brought back as ONNX Runtime does."""
    if step == 0:
        raise Unsupported("its step is 0")
    first, last = (0, extent) if step > 0 else (0, extent - 1)
    start = min(max(start + extent if start < 0 else start, first), last)
    first, last = (0, extent) if step > 0 else (-1, extent)
    end = min(max(end + extent if end < 0 else end, first), last)
    positions = np.arange(start, end, step)
    if positions.size == 0:
        raise Unsupported(f"it takes nothing of an axis of extent {extent}")
    return positions
