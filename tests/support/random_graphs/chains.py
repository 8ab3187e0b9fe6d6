"""Shapes that the graph computes for itself, as exporters write them."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, numpy_helper

from tests.support.random_graphs.draft import Draft, Tensor
from tests.support.random_graphs.shapes import new_shape


def reshape_by_chain(draft: Draft, x: Tensor) -> str:
    """Reshape to the batch's own extent and constants."""
    extents = new_shape(draft, x)
    if draft.chance(0.5):
        extents[draft.integer(0, len(extents) - 1)] = -1
    shape = draft.add("Concat", [_batch(draft, x), draft.ints(extents)], axis=0)
    return draft.add("Reshape", [x, _as_it_was(draft, shape)])


def reshape_by_product(draft: Draft, x: Tensor) -> str:
    """Reshape that merges two axes, whose extents are multiplied in the graph."""
    draft.need(x.rank > 2)
    place = draft.integer(1, x.rank - 2)
    merged = draft.add("Mul", [_extent(draft, x, place), _extent(draft, x, place + 1)])
    pieces = [
        _vector(draft, merged if axis == place else _extent(draft, x, axis))
        for axis in range(x.rank)
        if axis != place + 1
    ]
    return draft.add("Reshape", [x, draft.add("Concat", pieces, axis=0)])


def flatten_by_chain(draft: Draft, x: Tensor) -> str:
    """The view(x.size(0), -1) of PyTorch, with the 0th extent as a scalar."""
    pieces = [_vector(draft, _extent(draft, x, 0)), draft.ints([-1])]
    return draft.add("Reshape", [x, draft.add("Concat", pieces, axis=0)])


def constant_of_shape(draft: Draft, x: Tensor) -> str:
    """Add of a tensor filled with one number, as large as x or as its batch and constants."""
    draft.need(draft.opset >= 9)
    shape = draft.add("Shape", [x])
    if draft.chance(0.4):
        extents = [draft.pick([1, extent]) for extent in x.shape]
        shape = draft.add("Concat", [_batch(draft, x), draft.ints(extents)], axis=0)
    value = np.array([draft.number(-1.0, 1.0)], dtype=np.float32)
    attributes = {"value": numpy_helper.from_array(value)} if draft.chance(0.8) else {}
    filled = draft.add("ConstantOfShape", [shape], **attributes)
    return draft.add(draft.pick(["Add", "Sub"]), draft.shuffled([x, filled]))


def expand_by_chain(draft: Draft, x: Tensor) -> str:
    """Expand to the shape of another tensor."""
    draft.need(draft.opset >= 8)

    def fits(t: Tensor) -> bool:
        return t.rank == x.rank and all(
            a in (1, b) or b == 1 for a, b in zip(x.shape, t.shape, strict=True)
        )

    return draft.add("Expand", [x, draft.add("Shape", [draft.mate(x, fits, itself=0.1)])])


def resize_by_chain(draft: Draft, x: Tensor) -> str:
    """Resize to the batch's own extent and constants, as PyTorch writes an upsampling."""
    draft.need(draft.opset >= 11 and x.rank == 4)
    extents = [max(1, int(draft.pick([0.5, 1.0, 2.0, 3.0]) * n)) for n in x.shape[1:]]
    front = _slice(draft, draft.add("Shape", [x]), 0, 2)
    sizes = draft.add("Concat", [front, draft.ints(extents)], axis=0)
    empty = "" if draft.opset >= 13 else draft.constant(np.zeros(0))
    kind = draft.pick(["asymmetric", "pytorch_half_pixel", "align_corners"])
    attributes: dict[str, object] = {"coordinate_transformation_mode": kind}
    if draft.chance(0.5):
        attributes |= {"mode": "linear", "cubic_coeff_a": -0.75}
    else:
        attributes |= {"mode": "nearest", "nearest_mode": "floor"}
    return draft.add("Resize", [x, empty, empty, sizes], **attributes)


def slice_by_chain(draft: Draft, x: Tensor) -> str:
    """Slice of the first half of an axis, which the graph computes, as chunk() is written."""
    draft.need(draft.opset >= 10)
    axes = [axis for axis, extent in enumerate(x.shape, 1) if extent > 1]
    draft.need(axes)
    axis = draft.pick(axes)
    half = draft.add("Div", [_extent(draft, x, axis), draft.ints(2)])
    ends = _vector(draft, half)
    zero = draft.ints([0])
    inputs = [zero, ends] if draft.chance(0.6) else [ends, draft.ints([2**31 - 1])]
    return draft.add("Slice", [x.name, *inputs, draft.ints([axis])])


def scale_by_extent(draft: Draft, x: Tensor) -> str:
    """Division by an extent that the graph computes and casts to float."""
    axis = draft.integer(1, x.rank - 1)
    extent = draft.add("Cast", [_extent(draft, x, axis)], to=TensorProto.FLOAT)
    if draft.chance(0.4):
        extent = draft.add("Sqrt", [extent])
    return draft.add("Div", [x, extent])


def _batch(draft: Draft, x: Tensor) -> str:
    """The extent of the batch axis as a vector of one."""
    if draft.opset >= 15 and draft.chance(0.3):
        return draft.add("Shape", [x], start=0, end=1)
    if draft.chance(0.4):
        return _slice(draft, draft.add("Shape", [x]), 0, 1)
    if draft.chance(0.3):
        return draft.add("Gather", [draft.add("Shape", [x]), draft.ints([0])], axis=0)
    return _vector(draft, _extent(draft, x, 0))


def _extent(draft: Draft, x: Tensor, axis: int) -> str:
    """One extent as a scalar."""
    return draft.add("Gather", [draft.add("Shape", [x]), draft.ints(axis)], axis=0)


def _vector(draft: Draft, scalar: str) -> str:
    return draft.with_axes("Unsqueeze", scalar, [0], 13)


def _slice(draft: Draft, vector: str, start: int, stop: int) -> str:
    if draft.opset < 10:
        return draft.add("Slice", [vector], axes=[0], starts=[start], ends=[stop])
    return draft.add("Slice", [vector, *(draft.ints([n]) for n in (start, stop, 0))])


def _as_it_was(draft: Draft, shape: str) -> str:
    """The shape, at times by way of a Cast that does nothing."""
    return draft.add("Cast", [shape], to=TensorProto.INT64) if draft.chance(0.2) else shape
