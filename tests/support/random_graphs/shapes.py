"""Operators that give the same elements another shape, or do nothing at all."""

from __future__ import annotations

from math import prod

from onnx import TensorProto

from tests.support.random_graphs.draft import Draft, Tensor

MOST_AXES = 5


def new_shape(draft: Draft, x: Tensor) -> list[int]:
    """Extents of another shape for the elements of a sample."""
    return draft.factors(prod(x.shape), draft.integer(1, MOST_AXES - 1))


def reshape(draft: Draft, x: Tensor) -> str:
    """Reshape by a constant, with 0 and -1 wherever they may stand."""
    extents = new_shape(draft, x)
    batch = draft.pick([0, -1, 1] if draft.style.fixed else [0, -1])
    attributes = {}
    if draft.opset >= 14:
        zeros_are_kept = batch != 0 and draft.chance(0.2)
        attributes = draft.sparse(allowzero=(int(zeros_are_kept), 0))
    if not attributes.get("allowzero"):
        copied = [
            0 if i < len(x.shape) and n == x.shape[i] and draft.chance(0.3) else n
            for i, n in enumerate(extents)
        ]
        extents = copied
    if batch != -1 and draft.chance(0.5):
        extents[draft.integer(0, len(extents) - 1)] = -1
    return draft.add("Reshape", [x, draft.ints([batch, *extents])], **attributes)


def flatten(draft: Draft, x: Tensor) -> str:
    """Flatten behind the batch axis; where that has the extent 1, also before it."""
    axis = draft.signed(1, x.rank) if draft.opset >= 11 else 1
    if draft.style.fixed and draft.chance(0.2):
        axis = 0
    return draft.add("Flatten", [x], **draft.sparse(axis=(axis, 1)))


def squeeze(draft: Draft, x: Tensor) -> str:
    """Squeeze of some axes of extent 1."""
    ones = [axis for axis, extent in enumerate(x.shape, 1) if extent == 1]
    draft.need(ones)
    axes = draft.some(ones)
    draft.need(len(axes) < x.rank - 1)
    if draft.opset >= 11:
        axes = [draft.signed(axis, x.rank) for axis in axes]
    return draft.with_axes("Squeeze", x, axes, 13)


def unsqueeze(draft: Draft, x: Tensor) -> str:
    """Unsqueeze of one axis or two."""
    draft.need(x.rank < MOST_AXES)
    count = draft.integer(1, min(2, MOST_AXES - x.rank))
    rank = x.rank + count
    places = draft.generator.choice(range(1, rank), count, replace=False)
    axes = sorted(int(axis) for axis in places)
    if draft.opset >= 11:
        axes = [draft.signed(axis, rank) for axis in axes]
    return draft.with_axes("Unsqueeze", x, axes, 13)


def transpose(draft: Draft, x: Tensor) -> str:
    """Transpose of all axes but the first."""
    draft.need(x.rank > 2)
    return draft.add("Transpose", [x], perm=[0, *draft.shuffled(range(1, x.rank))])


def depth_to_space(draft: Draft, x: Tensor) -> str:
    """DepthToSpace in either order; channels in fours are made by Concat where there are none."""
    draft.need(x.rank == 4 and prod(x.shape) <= 48)
    block = 2
    source: Tensor | str = x
    if x.shape[0] % 4:
        source = draft.add("Concat", [x] * 4, axis=1)
    mode = draft.sparse(mode=(draft.pick(["DCR", "CRD"]), "DCR")) if draft.opset >= 11 else {}
    return draft.add("DepthToSpace", [source], blocksize=block, **mode)


def space_to_depth(draft: Draft, x: Tensor) -> str:
    """SpaceToDepth."""
    draft.need(x.rank == 4)
    blocks = [n for n in (1, 2, 3) if x.shape[1] % n == 0 and x.shape[2] % n == 0]
    block = blocks[-1]
    draft.need(block > 1 or draft.chance(0.05))
    return draft.add("SpaceToDepth", [x], blocksize=block)


def identity(draft: Draft, x: Tensor) -> str:
    """Identity."""
    return draft.add("Identity", [x])


def cast(draft: Draft, x: Tensor) -> str:
    """Cast of floats to floats."""
    return draft.add("Cast", [x], to=TensorProto.FLOAT)


def cast_like(draft: Draft, x: Tensor) -> str:
    """CastLike of floats to floats."""
    draft.need(draft.opset >= 15)
    return draft.add("CastLike", [x, draft.constant(1.0) if draft.chance(0.5) else x])


def dropout(draft: Draft, x: Tensor) -> str:
    """Dropout at inference, its mask asked for or not."""
    outputs = 2 if draft.chance(0.2) else 1
    if draft.opset < 12:
        return draft.add_many("Dropout", [x], outputs, **draft.sparse(ratio=(0.5, 0.5)))[0]
    inputs = [x.name]
    if draft.chance(0.5):
        inputs.append(draft.constant(0.3))
    return draft.add_many("Dropout", inputs, outputs)[0]
