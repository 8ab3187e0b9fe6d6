"""Operators that pick, repeat or pad elements."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from tests.support.random_graphs.draft import Draft, Tensor

_FAR = 2**31 - 1


def split(draft: Draft, x: Tensor) -> list[str]:
    """Split into two or three tensors, equal or not."""
    axis = draft.pick([axis for axis, n in enumerate(x.shape, 1) if n > 1] or [0])
    draft.need(axis)
    extent = x.shape[axis - 1]
    count = draft.integer(2, min(3, extent))
    lengths = draft.parts(extent, count)
    if extent % count == 0 and draft.chance(0.4):
        lengths = [extent // count] * count
    even = len(set(lengths)) == 1 and draft.chance(0.5)
    inputs = [x.name]
    attributes: dict[str, Any] = {}
    if draft.opset >= 18 and (even or draft.chance(0.3)):
        attributes["num_outputs"] = count
    elif not even and draft.opset < 13:
        attributes["split"] = lengths
    elif not even:
        inputs.append(draft.ints(lengths))
    signed = draft.signed(axis, x.rank) if draft.opset >= 11 else axis
    return draft.add_many("Split", inputs, count, axis=signed, **attributes)


def slice_(draft: Draft, x: Tensor) -> str:
    """Slice of some axes, from opset 10 on also backwards and in steps."""
    stated = draft.chance(0.8)
    axes = draft.some(range(1, x.rank)) if stated else list(range(x.rank))
    starts, ends, steps = [], [], []
    for axis in axes:
        extent = x.shape[axis - 1] if axis else 1
        low = draft.integer(0, extent - 1) if axis else 0
        high = draft.integer(low + 1, extent) if axis else _FAR
        backwards = axis > 0 and draft.opset >= 10 and draft.chance(0.2)
        steps.append(draft.pick([1, 1, 2]) if axis and draft.opset >= 10 else 1)
        if backwards:
            low, high = high - 1, low - 1 if low else -_FAR
            steps[-1] = -steps[-1]
        elif high == extent and draft.chance(0.5):
            high = _FAR
        starts.append(low - extent if axis and draft.chance(0.3) else low)
        ends.append(high - extent if 0 <= high < extent and draft.chance(0.3) else high)
    if draft.opset < 10:
        attributes = {"axes": axes} if stated else {}
        return draft.add("Slice", [x], starts=starts, ends=ends, **attributes)
    inputs = [x.name, draft.ints(starts), draft.ints(ends)]
    if stated or any(step != 1 for step in steps):
        signed = [draft.signed(axis, x.rank) for axis in axes]
        inputs.append(draft.ints(signed) if stated else "")
    if any(step != 1 for step in steps) or (stated and draft.chance(0.3)):
        inputs.append(draft.ints(steps))
    return draft.add("Slice", inputs)


def gather(draft: Draft, x: Tensor) -> str:
    """Gather with a scalar, a vector or a matrix of indices."""
    axis = draft.integer(1, x.rank - 1)
    extent = x.shape[axis - 1]
    rank = draft.pick([0, 1, 1, 1, 2])
    draft.need((rank or x.rank > 2) and x.rank + rank <= 6)
    low = -extent if draft.opset >= 11 else 0
    indices = draft.generator.integers(low, extent, draft.integers(1, 4, rank))
    name = draft.ints(int(indices)) if rank == 0 else _matrix(draft, indices)
    signed = draft.signed(axis, x.rank) if draft.opset >= 11 else axis
    return draft.add("Gather", [x, name], axis=signed)


def gather_elements(draft: Draft, x: Tensor) -> str:
    """GatherElements, whose indices have a batch axis of their own."""
    draft.need(draft.opset >= 11 and draft.style.fixed)
    axis = draft.integer(1, x.rank - 1)
    extents = [draft.integer(1, extent) for extent in x.shape]
    extents[axis - 1] = draft.integer(1, 4)
    extent = x.shape[axis - 1]
    indices = draft.generator.integers(-extent, extent, (1, *extents))
    signed = draft.signed(axis, x.rank)
    return draft.add("GatherElements", [x, _matrix(draft, indices)], axis=signed)


def gather_nd(draft: Draft, x: Tensor) -> str:
    """GatherND, whose indices have a batch axis of their own."""
    draft.need(draft.opset >= 12 and draft.style.fixed)
    depth = draft.integer(1, x.rank - 1)
    places = [draft.generator.integers(0, n, draft.integer(1, 4)) for n in x.shape[:depth]]
    count = min(len(place) for place in places)
    indices = np.stack([place[:count] for place in places], axis=1)[None]
    return draft.add("GatherND", [x, draft.whole(indices)], batch_dims=1)


def scatter_elements(draft: Draft, x: Tensor) -> str:
    """ScatterElements of constants into x, or of x into constants; Scatter in old opsets."""
    draft.need(draft.opset >= 9 and draft.style.fixed)
    axis = draft.integer(1, x.rank - 1)
    shape = (1, *x.shape)
    if draft.chance(0.5):
        extents = [draft.integer(1, extent) for extent in shape]
        indices = _places(draft, extents, axis, shape[axis])
        inputs = [x.name, _matrix(draft, indices), draft.constant(draft.normal(*extents))]
    else:
        whole = [extent + draft.integer(0, 2) for extent in shape]
        whole[0] = 1
        indices = _places(draft, shape, axis, whole[axis])
        inputs = [draft.constant(draft.normal(*whole)), _matrix(draft, indices), x.name]
    if draft.opset < 11:
        return draft.add("Scatter", inputs, axis=axis)
    return draft.add("ScatterElements", inputs, axis=draft.signed(axis, x.rank))


def scatter_nd(draft: Draft, x: Tensor) -> str:
    """ScatterND of constants into x, or of x as a slice into constants."""
    draft.need(draft.opset >= 11 and draft.style.fixed)
    if draft.chance(0.5):
        depth = draft.integer(1, x.rank - 1)
        cells = draft.shuffled(list(np.ndindex(*x.shape[:depth])))
        chosen = [(0, *cell) for cell in cells[: draft.integer(1, min(3, len(cells)))]]
        updates = draft.constant(draft.normal(len(chosen), *x.shape[depth:]))
        return draft.add("ScatterND", [x, draft.whole(np.array(chosen)), updates])
    extent = x.shape[0] + draft.integer(0, 2)
    rows = draft.shuffled(range(extent))[: x.shape[0]]
    places = np.array([[[0, row] for row in rows]])
    data = draft.constant(draft.normal(1, extent, *x.shape[1:]))
    return draft.add("ScatterND", [data, draft.whole(places), x])


def compress(draft: Draft, x: Tensor) -> str:
    """Compress by a mask that may be shorter than the axis."""
    draft.need(draft.opset >= 9)
    axis = draft.integer(1, x.rank - 1)
    mask = draft.generator.integers(0, 2, draft.integer(1, x.shape[axis - 1]))
    mask[draft.integer(0, len(mask) - 1)] = 1
    signed = draft.signed(axis, x.rank) if draft.opset >= 11 else axis
    return draft.add("Compress", [x, draft.bools(mask)], axis=signed)


def trilu(draft: Draft, x: Tensor) -> str:
    """Trilu, the upper or the lower part."""
    draft.need(draft.opset >= 14 and x.rank > 2)
    inputs = [x.name]
    if draft.chance(0.7):
        inputs.append(draft.ints(draft.integer(-2, 2)))
    return draft.add("Trilu", inputs, **draft.sparse(upper=(draft.integer(0, 1), 1)))


def pad(draft: Draft, x: Tensor) -> str:
    """Pad of every mode, negative ones included."""
    mode = draft.pick(["constant", "constant", "reflect", "edge"])
    before, after = [0] * x.rank, [0] * x.rank
    for axis in draft.some(range(1, x.rank)):
        extent = x.shape[axis - 1]
        most = min(2, extent - 1) if mode == "reflect" else 2
        least = -1 if mode == "constant" and extent > 2 else 0
        before[axis], after[axis] = draft.integers(least, most, 2)
    value = draft.pick([0.0, 0.0, 0.7, -1.5])
    attributes = draft.sparse(mode=(mode, "constant"))
    if draft.opset < 11:
        values = draft.sparse(value=(value, 0.0)) if mode == "constant" else {}
        return draft.add("Pad", [x], pads=before + after, **attributes, **values)
    inputs = [x.name]
    axes = [axis for axis in range(x.rank) if before[axis] or after[axis]]
    short = draft.opset >= 18 and axes and draft.chance(0.5)
    if short:
        pads = [before[axis] for axis in axes] + [after[axis] for axis in axes]
        inputs.append(draft.ints(pads))
    else:
        inputs.append(draft.ints(before + after))
    if mode == "constant" and (value or draft.chance(0.3)):
        inputs.append(draft.constant(value))
    if short:
        inputs += [""] * (3 - len(inputs))
        inputs.append(draft.ints([draft.signed(axis, x.rank) for axis in axes]))
    return draft.add("Pad", inputs, **attributes)


def tile(draft: Draft, x: Tensor) -> str:
    """Tile along any axis but the first."""
    repeats = [1] * x.rank
    for axis in draft.some(range(1, x.rank)):
        repeats[axis] = draft.integer(1, 3)
    return draft.add("Tile", [x, draft.ints(repeats)])


def expand(draft: Draft, x: Tensor) -> str:
    """Expand of axes of extent 1."""
    draft.need(draft.opset >= 8)
    ones = 1 in x.shape
    draft.need(ones or draft.chance(0.2))
    extents = [
        draft.integer(1, 4) if extent == 1 else draft.pick([1, extent]) for extent in x.shape
    ]
    shape = [1, *extents] if draft.chance(0.6) else extents[draft.integer(0, len(extents) - 1) :]
    return draft.add("Expand", [x, draft.ints(shape)])


def resize(draft: Draft, x: Tensor) -> str:
    """Resize to the nearest element or linearly, by factors or to extents."""
    draft.need(draft.opset >= 10 and x.rank > 2)
    mode = draft.pick(["nearest", "linear"])
    attributes = draft.sparse(mode=(mode, "nearest"))
    factors = [1.0, 1.0, *(draft.pick([0.5, 1.0, 1.5, 2.0, 3.0]) for _ in x.shape[1:])]
    if draft.opset == 10:
        return draft.add("Resize", [x, _floats(draft, factors)], **attributes)
    attributes |= _coordinates(draft, mode)
    axes = list(range(x.rank))
    if draft.opset >= 18 and draft.chance(0.5):
        axes = axes[2:]
        attributes["axes"] = axes
    empty = "" if draft.opset >= 13 else _floats(draft, [])
    by_extents = (0 not in axes or draft.style.fixed) and draft.chance(0.5)
    if not by_extents:
        return draft.add(
            "Resize", [x, empty, _floats(draft, [factors[axis] for axis in axes])], **attributes
        )
    extents = [max(1, int(factors[axis] * (1, *x.shape)[axis])) for axis in axes]
    return draft.add("Resize", [x, empty, empty, draft.ints(extents)], **attributes)


def upsample(draft: Draft, x: Tensor) -> str:
    """Upsample, which Resize took the place of."""
    draft.need(draft.opset < 10 and x.rank > 2 and prod(x.shape) <= 48)
    factors = [1.0, 1.0, *(draft.pick([1.0, 1.5, 2.0, 3.0]) for _ in x.shape[1:])]
    mode = draft.sparse(mode=(draft.pick(["nearest", "linear"]), "nearest"))
    if draft.opset < 9:
        return draft.add("Upsample", [x], scales=factors, **mode)
    return draft.add("Upsample", [x, _floats(draft, factors)], **mode)


def _coordinates(draft: Draft, mode: str) -> dict[str, object]:
    kinds = ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"]
    if draft.opset >= 19:
        kinds.append("half_pixel_symmetric")
    kind = draft.pick(kinds)
    attributes = draft.sparse(coordinate_transformation_mode=(kind, "half_pixel"))
    if mode == "nearest":
        rounding = draft.pick(["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"])
        attributes |= draft.sparse(nearest_mode=(rounding, "round_prefer_floor"))
    return attributes


def _floats(draft: Draft, values: list[float]) -> str:
    return draft.constant(np.array(values, dtype=np.float32))


def _matrix(draft: Draft, indices: np.ndarray) -> str:
    return draft.whole(indices.astype(np.int64 if draft.chance(0.7) else np.int32))


def _places(draft: Draft, extents: Sequence[int], axis: int, most: int) -> np.ndarray:
    """Indices along an axis that name no place twice, at times counted from the end."""
    orders = draft.generator.random((*extents[:axis], most, *extents[axis + 1 :]))
    places = np.argsort(orders, axis=axis).take(range(extents[axis]), axis=axis)
    backwards = draft.opset >= 11 and draft.chance(0.2)
    return places - most if backwards else places
