"""Sums, means and extremes over axes."""

from __future__ import annotations

from tests.support.random_graphs.draft import Draft, Tensor


def reduce_sum(draft: Draft, x: Tensor) -> str:
    """ReduceSum."""
    return _reduce(draft, "ReduceSum", x, 13)


def reduce_mean(draft: Draft, x: Tensor) -> str:
    """ReduceMean."""
    return _reduce(draft, "ReduceMean", x, 18)


def reduce_max(draft: Draft, x: Tensor) -> str:
    """ReduceMax."""
    return _reduce(draft, "ReduceMax", x, 18)


def reduce_min(draft: Draft, x: Tensor) -> str:
    """ReduceMin."""
    return _reduce(draft, "ReduceMin", x, 18)


def reduce_l1(draft: Draft, x: Tensor) -> str:
    """ReduceL1."""
    return _reduce(draft, "ReduceL1", x, 18)


def cum_sum(draft: Draft, x: Tensor) -> str:
    """CumSum in either direction, the entry itself included or not."""
    draft.need(draft.opset >= 11)
    axis = draft.signed(draft.integer(1, x.rank - 1), x.rank)
    switches = {name: (draft.integer(0, 1), 0) for name in ("exclusive", "reverse")}
    return draft.add("CumSum", [x, draft.ints(axis)], **draft.sparse(**switches))


def _reduce(draft: Draft, op: str, x: Tensor, input_since: int) -> str:
    """A reduction; one that leaves the batch axis alone is followed by Unsqueeze."""
    if draft.opset >= input_since and draft.chance(0.05):
        return draft.add(op, [x], noop_with_empty_axes=1)
    axes = draft.some(range(1, x.rank))
    keeps = draft.chance(0.5)
    attributes = draft.sparse(keepdims=(int(keeps), 1))
    if draft.opset >= 11:
        axes = draft.shuffled([draft.signed(axis, x.rank) for axis in axes])
    result = draft.with_axes(op, x, axes, input_since, **attributes)
    if keeps or len(axes) < x.rank - 1:
        return result
    return draft.with_axes("Unsqueeze", result, [1], 13)
