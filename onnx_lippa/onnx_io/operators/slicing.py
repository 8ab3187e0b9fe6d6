"""Concat, Split, Slice and Pad."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from onnx_lippa.arrays import Float64, Integers, Shape
from onnx_lippa.errors import Unsupported
from onnx_lippa.ir.layers.base import Layer
from onnx_lippa.ir.layers.concat import Concat
from onnx_lippa.ir.layers.elementwise import ScaleShift
from onnx_lippa.ir.layers.gather import gather
from onnx_lippa.ir.layers.pad import EdgePad
from onnx_lippa.ir.network import OutputActivation
from onnx_lippa.onnx_io.frame import frame_axes, normalize_axes
from onnx_lippa.onnx_io.node import Computed, Conversion, NodeView
from onnx_lippa.onnx_io.operators.registry import converts


@converts("Concat")
def convert_concat(node: NodeView) -> Conversion:
    """Computed and constant tensors, along any axis."""
    positions = node.only_computed()
    computed = [node.computed(position) for position in positions]
    axis = node.axis(computed[0].rank, default=1)
    parts = [
        operand.graph_shape
        if isinstance(operand, Computed)
        else node.constant(position, "part").weight
        for position, operand in enumerate(node.operands)
    ]
    _require_fits(parts, axis)
    shapes = [part.shape if isinstance(part, np.ndarray) else part for part in parts]
    length = sum(shape[axis] for shape in shapes)
    node.limits.require_elements((*shapes[0][:axis], length, *shapes[0][axis + 1 :]))
    # An empty constant adds nothing.
    parts = [part for part in parts if not isinstance(part, np.ndarray) or part.size]
    if len(parts) == 1:
        return Conversion((), positions)
    # The two probabilities of a binary classifier are sigmoids, each with its own score.
    activations = {x.output_activation for x in computed}
    all_sigmoids = activations == {OutputActivation.SIGMOID} and len(parts) == len(computed)
    activation = OutputActivation.SIGMOID if all_sigmoids else None
    if axis > 0 and all(x.batched for x in computed):
        parts = [part[0] if isinstance(part, np.ndarray) else part[1:] for part in parts]
        return Conversion((Concat(parts, axis - 1),), positions, output_activation=activation)
    layer = Concat(parts, axis, [x.shape for x in computed])
    return Conversion((layer,), positions, batched=False, output_activation=activation)


def _require_fits(parts: Sequence[Shape | Float64], axis: int) -> None:
    """Raises Unsupported where extents differ along another axis."""
    shapes = [part.shape if isinstance(part, np.ndarray) else part for part in parts]
    others = {(*shape[:axis], *shape[axis + 1 :]) for shape in shapes}
    if len(others) > 1 or len({len(shape) for shape in shapes}) > 1:
        listed = ", ".join(map(str, shapes))
        raise Unsupported(f"its parts of shapes {listed} do not fit together along axis {axis}")


@converts("Split")
def convert_split(node: NodeView) -> tuple[Conversion, ...]:
    """Constant lengths, or equal ones."""
    lengths, x = node.constant_integers(1, "split"), node.computed()
    frame = frame_axes(x, (node.axis(x.rank),))
    extent, parts = frame.source[frame.axis], len(node.used)
    lengths = lengths or _equal_lengths(extent, parts, node.opset)
    if len(lengths) != parts or min(lengths) < 0 or sum(lengths) != extent:
        raise Unsupported(f"its lengths {list(lengths)} do not cut {extent} into {parts} parts")
    if any(used and length == 0 for used, length in zip(node.used, lengths, strict=True)):
        raise Unsupported(f"its lengths {list(lengths)} leave a part empty that is used")
    ends = np.cumsum(lengths)
    return tuple(
        frame.convert(*gather(frame.source, {frame.axis: np.arange(end - length, end)}))
        for length, end in zip(lengths, ends, strict=True)
    )


def _equal_lengths(extent: int, parts: int, opset: int) -> tuple[int, ...]:
    """Equal lengths; from opset 18 on the last one may be shorter."""
    if extent % parts and opset < 18:
        raise Unsupported(f"its axis of extent {extent} does not split into {parts} equal parts")
    length = -(-extent // parts)
    return (*(length,) * (parts - 1), extent - length * (parts - 1))


@converts("Slice")
def convert_slice(node: NodeView) -> Conversion:
    """Constant starts and ends; steps may be negative."""
    x = node.computed()
    starts, ends = node.constant_integers(1, "starts"), node.constant_integers(2, "ends")
    axes = node.constant_integers(3, "axes", range(len(starts)))
    steps = node.constant_integers(4, "steps", (1,) * len(starts))
    if not len(axes) == len(starts) == len(ends) == len(steps):
        raise Unsupported("its axes, starts, ends and steps are of different length")
    axes = normalize_axes(axes, x.rank)
    chosen = {
        axis: _slice_positions(x.graph_shape[axis], start, end, step)
        for axis, start, end, step in zip(axes, starts, ends, steps, strict=True)
    }
    # An axis of extent 1 is kept whole, so the batch axis need not be named.
    cut = [axis for axis in axes if x.graph_shape[axis] > 1]
    frame = frame_axes(x, cut)
    places = {place: chosen[axis] for axis, place in zip(cut, frame.axes, strict=True)}
    return frame.convert(*gather(frame.source, places))


def _slice_positions(extent: int, start: int, end: int, step: int) -> Integers:
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


@converts("Pad", since=2)
def convert_pad(node: NodeView) -> Conversion:
    """Constant pads, of some axes only where these are an input (from opset 18 on)."""
    x, pads = node.computed(), node.constant_integers(1, "pads")
    constant, value = node.optional(2, "constant value"), node.number("value", 0.0)
    if constant is not None:
        if constant.value.size != 1:
            raise Unsupported(f"its constant value has {constant.value.size} entries, not one")
        value = constant.weight.item()
    axes = normalize_axes(node.constant_integers(3, "axes", range(x.rank)), x.rank)
    if len(pads) != 2 * len(axes):
        raise Unsupported(f"its pads {list(pads)} do not fit {len(axes)} axes")
    changed = {
        axis: (before, after)
        for axis, before, after in zip(axes, pads[: len(axes)], pads[len(axes) :], strict=True)
        if before or after
    }
    frame = frame_axes(x, tuple(changed))
    sides = dict(zip(frame.axes, changed.values(), strict=True))
    layers = list(_crop(frame.source, sides))
    source = layers[-1].shape if layers else frame.source
    grown = {axis: (max(b, 0), max(a, 0)) for axis, (b, a) in sides.items()}
    every = [grown.get(axis, (0, 0)) for axis in range(len(source))]
    node.limits.require_elements([n + sum(pad) for n, pad in zip(source, every, strict=True)])
    mode = node.text("mode", "constant")
    if mode == "edge":
        layers += [EdgePad(source, every)] if any(map(any, every)) else []
    else:
        seen = {axis: _pad_positions(mode, source[axis], *pad) for axis, pad in grown.items()}
        layers += gather(source, seen)
        if mode == "constant" and value != 0.0 and any(map(any, every)):
            shape = layers[-1].shape
            layers.append(ScaleShift(shape, shift=value * _padded_entries(shape, seen)))
    return frame.convert(*layers)


def _crop(source: Shape, sides: dict[int, tuple[int, int]]) -> tuple[Layer, ...]:
    """What negative pads take away; the runtime does so before it pads the rest."""
    kept = {}
    for axis, (before, after) in sides.items():
        start, stop = max(0, -before), source[axis] - max(0, -after)
        if start >= stop:
            raise Unsupported(f"its pads leave nothing of an axis of extent {source[axis]}")
        kept[axis] = np.arange(start, stop)
    return gather(source, kept)


def _pad_positions(mode: str, extent: int, before: int, after: int) -> Integers:
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


def _padded_entries(shape: Shape, seen: dict[int, Integers]) -> Float64:
    """1 where an entry is padded along any axis, 0 elsewhere."""
    inside = np.ones(shape)
    for axis, positions in seen.items():
        inside *= (positions >= 0).reshape(-1, *(1,) * (len(shape) - axis - 1))
    return 1.0 - inside
