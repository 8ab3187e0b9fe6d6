"""Activations written with comparisons, as some frameworks and people write them."""

from __future__ import annotations

from onnx import TensorProto

from tests.support.random_graphs.arithmetic import broadcast
from tests.support.random_graphs.draft import Draft, Tensor


def leaky_by_where(draft: Draft, x: Tensor) -> str:
    """A kink at a threshold: x on one side, and a line through the same point on the other."""
    draft.need(draft.opset >= 9)
    threshold, slope = draft.pick([0.0, 0.0, 0.3, -0.5]), draft.pick([0.0, 0.1, -0.5, 2.0])
    mine = draft.constant(threshold)
    line = draft.add("Mul", [x, draft.constant(slope)])
    if threshold:
        line = draft.add("Add", [line, draft.constant(threshold * (1 - slope))])
    either: list[Tensor | str] = [x, line]
    return draft.add("Where", [_truth(draft, x, mine), *draft.shuffled(either)])


def clip_by_where(draft: Draft, x: Tensor) -> str:
    """x up to a bound, or from one on, and the bound elsewhere."""
    draft.need(draft.opset >= 9)
    bound = draft.constant(draft.normal(*draft.broadcasting(x.shape), scale=0.5))
    either: list[Tensor | str] = [x, bound]
    return draft.add("Where", [_truth(draft, x, bound), *draft.shuffled(either)])


def extreme_by_where(draft: Draft, x: Tensor) -> str:
    """The larger or the smaller one of two computed tensors."""
    draft.need(draft.opset >= 9)
    mate = draft.mate(x, lambda t: broadcast(draft, x, t), itself=0.0)
    return draft.add("Where", [_truth(draft, x, mate), *draft.shuffled([x, mate])])


def chosen_by_where(draft: Draft, x: Tensor) -> str:
    """One of two tensors that need not meet where the choice changes."""
    draft.need(draft.opset >= 9)
    condition = draft.mate(x, lambda t: broadcast(draft, x, t), itself=0.3)
    other: Tensor | str = draft.mate(x, lambda t: broadcast(draft, x, t))
    if draft.chance(0.3):
        other = draft.constant(draft.normal(*draft.broadcasting(x.shape)))
    bound = draft.constant(draft.normal(*draft.broadcasting(condition.shape), scale=0.5))
    return draft.add("Where", [_truth(draft, condition, bound), *draft.shuffled([x, other])])


def masked_by_truth(draft: Draft, x: Tensor) -> str:
    """x times the truth of a comparison, cast to 0 or 1."""
    truth = _truth(draft, x, draft.constant(draft.pick([0.0, 0.0, 0.4])))
    number = draft.add("Cast", [truth], to=TensorProto.FLOAT)
    return draft.add("Mul", draft.shuffled([x, number]))


def _truth(draft: Draft, first: Tensor, second: Tensor | str) -> str:
    """Whether one is greater or less than the other, said in any way."""
    ops = ["Greater", "Less"]
    if draft.opset >= 12:
        ops += ["GreaterOrEqual", "LessOrEqual"]
    truth = draft.add(draft.pick(ops), draft.shuffled([first, second]))
    return draft.add("Not", [truth]) if draft.chance(0.25) else truth
