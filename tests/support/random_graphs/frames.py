"""Pieces of a graph in which the batch axis is elsewhere, merged with another one, or gone."""

from __future__ import annotations

from math import prod, sqrt

from tests.support.random_graphs.draft import Draft, Tensor


def batch_behind(draft: Draft, x: Tensor) -> str:
    """Some nodes with the batch axis behind others, as recurrent layers want it."""
    draft.need(x.rank > 2)
    place = draft.integer(1, x.rank - 1)
    others = draft.shuffled(range(1, x.rank))
    order = [*others[:place], 0, *others[place:]]
    back = [order.index(axis) for axis in range(x.rank)]
    moved = draft.add("Transpose", [x], perm=order)
    shape = [1 if axis == 0 else x.shape[axis - 1] for axis in order]
    result = _some_nodes(draft, moved, shape, draft.chance(0.5) and order[-1] != 0)
    return draft.add("Transpose", [result], perm=back)


def batch_merged(draft: Draft, x: Tensor) -> str:
    """Some nodes with the batch axis and others as one, as dense layers on sequences have it."""
    draft.need(x.rank > 2)
    kept = draft.integer(1, x.rank - 2)
    inner = list(x.shape[-kept:])
    merged = draft.add("Reshape", [x, draft.ints([-1, *inner])])
    grows = draft.chance(0.6)
    result = _some_nodes(draft, merged, [1, *inner], grows)
    outer = list(x.shape[:-kept])
    if not grows:
        return draft.add("Reshape", [result, draft.ints([-1, *outer, *inner])])
    inner[-1] = -1  # it is another one now
    if draft.style.fixed:
        return draft.add("Reshape", [result, draft.ints([1, *outer, *inner])])
    batch = draft.add("Gather", [draft.add("Shape", [x]), draft.ints([0])], axis=0)
    shape = draft.add("Concat", [batch, draft.ints([*outer, *inner])], axis=0)
    return draft.add("Reshape", [result, shape])


def batch_gone(draft: Draft, x: Tensor) -> str:
    """Some nodes without a batch axis, where that has the extent 1."""
    draft.need(draft.style.fixed)
    if draft.chance(0.5):
        bare = draft.with_axes("Squeeze", x, [0], 13)
        shape = list(x.shape)
    else:
        shape = draft.factors(prod(x.shape), draft.integer(1, 3))
        bare = draft.add("Reshape", [x, draft.ints(shape)])
    result = _some_nodes(draft, bare, shape, draft.chance(0.5))
    return draft.with_axes("Unsqueeze", result, [0], 13)


def batch_alone(draft: Draft, x: Tensor) -> str:
    """One number for each sample, without any other axis, and back."""
    axes = list(range(1, x.rank))
    op = draft.pick(["ReduceSum", "ReduceMax", "ReduceMean"])
    single = draft.with_axes(op, x, axes, 13 if op == "ReduceSum" else 18, keepdims=0)
    if draft.chance(0.7):
        single = draft.add(draft.pick(["Relu", "Neg", "Abs"]), [single])
    if draft.chance(0.5):
        single = draft.add("Sub", [single, draft.constant(draft.number(-1.0, 1.0))])
    return draft.with_axes("Unsqueeze", single, [1], 13)


def _some_nodes(draft: Draft, name: str, shape: list[int], grows: bool) -> str:
    """Up to three nodes; the last axis gets another extent where it grows."""
    for _ in range(draft.integer(0, 2)):
        match draft.integer(0, 3):
            case 0:
                name = draft.add(draft.pick(["Relu", "LeakyRelu", "Abs", "Neg"]), [name])
            case 1:
                constant = draft.constant(draft.normal(*_within(draft, shape)))
                name = draft.add(
                    draft.pick(["Add", "Sub", "Mul"]), draft.shuffled([name, constant])
                )
            case 2 if draft.opset >= 8:
                constant = draft.constant(draft.normal(*_within(draft, shape)))
                name = draft.add(draft.pick(["Max", "Min"]), draft.shuffled([name, constant]))
            case _:
                name = draft.add(draft.pick(["Relu", "Identity"]), [name])
    if not grows:
        return name
    weight = draft.normal(shape[-1], draft.integer(1, 4), scale=1 / sqrt(shape[-1]))
    if len(shape) == 2 and draft.chance(0.5):
        bias = draft.constant(draft.normal(weight.shape[1], scale=0.5))
        return draft.add("Gemm", [name, draft.constant(weight), bias])
    return draft.add("MatMul", [name, draft.constant(weight)])


def _within(draft: Draft, shape: list[int]) -> list[int]:
    """The shape of a constant that broadcasts to a tensor; the batch axis has the extent 1."""
    extents = [extent if draft.chance(0.6) else 1 for extent in shape]
    return extents[draft.integer(0, len(extents)) if draft.chance(0.4) else 0 :]
