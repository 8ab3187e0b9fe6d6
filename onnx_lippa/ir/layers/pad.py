"""Pad: an axis grown with a constant or its own entries, or cropped where a pad is negative."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from onnx_lippa.arrays import Float64, Integers, Shape
from onnx_lippa.ir.layers.base import Layer
from onnx_lippa.ir.layers.edge_padded import EdgePadded
from onnx_lippa.ir.layers.frame import framed, normal_axes
from onnx_lippa.ir.layers.node import Converted, NodeView, Unsupported
from onnx_lippa.ir.layers.registry import converts
from onnx_lippa.ir.layers.scale_shift import ScaleShift
from onnx_lippa.ir.layers.taken import taken


@converts("Pad", since=2)
def convert_attributes(node: NodeView) -> Converted:
    """Pads and value stated by attributes, as before opset 11."""
    value = float(np.float32(node.number("value", 0.0)))
    return _padded(node, node.integers("pads", ()), value, range(node.computed().rank))


@converts("Pad", since=11)
def convert(node: NodeView) -> Converted:
    """Constant pads, of some axes only where these are an input (from opset 18 on)."""
    pads = node.known(1, "pads").integers
    constant = node.optional(2, "constant value")
    value = np.zeros(1) if constant is None else constant.weight.ravel()
    if len(value) != 1:
        raise Unsupported(f"its constant value has {len(value)} entries, not one")
    axes = node.optional(3, "axes")
    chosen = range(node.computed().rank) if axes is None else axes.integers
    return _padded(node, pads, float(value[0]), chosen)


def _padded(node: NodeView, pads: Sequence[int], value: float, axes: Sequence[int]) -> Converted:
    x = node.computed()
    axes = normal_axes(axes, x.rank)
    if len(pads) != 2 * len(axes):
        raise Unsupported(f"its pads {list(pads)} do not fit {len(axes)} axes")
    changed = {
        axis: (before, after)
        for axis, before, after in zip(axes, pads[: len(axes)], pads[len(axes) :], strict=True)
        if before or after
    }
    frame = framed(x, tuple(changed))
    sides = dict(zip(frame.axes, changed.values(), strict=True))
    layers = list(_cropped(frame.source, sides))
    source = layers[-1].shape if layers else frame.source
    grown = {axis: (max(b, 0), max(a, 0)) for axis, (b, a) in sides.items()}
    node.limits.require_elements(
        tuple(
            before + extent + after
            for extent, (before, after) in zip(
                source, (grown.get(axis, (0, 0)) for axis in range(len(source))), strict=True
            )
        )
    )
    mode = node.text("mode", "constant")
    if mode == "edge":
        every = [grown.get(axis, (0, 0)) for axis in range(len(source))]
        layers += [EdgePadded(source, every)] if any(map(any, every)) else []
    else:
        seen = {axis: _positions(mode, source[axis], *pad) for axis, pad in grown.items()}
        layers += taken(source, seen)
        if mode == "constant" and value != 0.0 and any(map(any, grown.values())):
            shape = layers[-1].shape
            layers.append(ScaleShift(shape, None, value * _outside(shape, seen)))
    return frame.converted(*layers)


def _cropped(source: Shape, sides: dict[int, tuple[int, int]]) -> tuple[Layer, ...]:
    """What negative pads take away; the runtime does so before it pads the rest."""
    kept = {}
    for axis, (before, after) in sides.items():
        start, stop = max(0, -before), source[axis] - max(0, -after)
        if start >= stop:
            raise Unsupported(f"its pads leave nothing of an axis of extent {source[axis]}")
        kept[axis] = np.arange(start, stop)
    return taken(source, kept)


def _positions(mode: str, extent: int, before: int, after: int) -> Integers:
    """Which entry stands where along an axis, -1 for the constant."""
    positions = np.arange(-before, extent + after)
    if mode == "constant":
        return np.where((positions >= 0) & (positions < extent), positions, -1)
    if mode == "wrap":
        return positions % extent
    if mode == "reflect":
        if max(before, after) >= extent:
            raise Unsupported(
                f"it reflects {max(before, after)} entries of an axis of extent {extent}: "
                "export pads smaller than the axis"
            )
        mirrored = np.abs(positions)
        return np.where(mirrored < extent, mirrored, 2 * (extent - 1) - mirrored)
    raise Unsupported(f"its mode '{mode}' is unknown")


def _outside(shape: Shape, seen: dict[int, Integers]) -> Float64:
    """1 where an entry is padded along any axis, 0 elsewhere."""
    inside = np.ones(shape)
    for axis, positions in seen.items():
        inside *= (positions >= 0).reshape(-1, *(1,) * (len(shape) - axis - 1))
    return 1.0 - inside
