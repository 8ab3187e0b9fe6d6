"""Sums, extremes and the like, of computed tensors and of constants."""

from __future__ import annotations

import numpy as np

from tests.support.random_graphs.draft import Draft, Shape, Tensor

_BROADCASTS = 8
"""Sum, Mean, Max and Min broadcast from this opset on."""


def add_two(draft: Draft, x: Tensor) -> str:
    """Add of two computed tensors."""
    return _two(draft, "Add", x)


def sub_two(draft: Draft, x: Tensor) -> str:
    """Sub of two computed tensors."""
    return _two(draft, "Sub", x)


def add_constant(draft: Draft, x: Tensor) -> str:
    """Add with a constant on either side."""
    return _with_constant(draft, "Add", x)


def sub_constant(draft: Draft, x: Tensor) -> str:
    """Sub of a constant, or from one."""
    return _with_constant(draft, "Sub", x)


def mul_constant(draft: Draft, x: Tensor) -> str:
    """Mul with a constant on either side."""
    return _with_constant(draft, "Mul", x)


def div_constant(draft: Draft, x: Tensor) -> str:
    """Div by a constant of either sign."""
    shape = draft.broadcasting(x.shape, grow=0.1)
    divisor = draft.generator.uniform(0.5, 2.0, shape) * draft.generator.choice([-1, 1], shape)
    return draft.add("Div", [x, draft.constant(divisor)])


def negative(draft: Draft, x: Tensor) -> str:
    """Neg."""
    return draft.add("Neg", [x])


def maximum(draft: Draft, x: Tensor) -> str:
    """Max of one to three tensors, some of them constants."""
    return _many(draft, "Max", x)


def minimum(draft: Draft, x: Tensor) -> str:
    """Min of one to three tensors, some of them constants."""
    return _many(draft, "Min", x)


def total(draft: Draft, x: Tensor) -> str:
    """Sum of one to three tensors, some of them constants."""
    return _many(draft, "Sum", x)


def mean(draft: Draft, x: Tensor) -> str:
    """Mean of one to three tensors, some of them constants."""
    return _many(draft, "Mean", x)


def where(draft: Draft, x: Tensor) -> str:
    """Where with a constant mask between two computed tensors, or one and a constant."""
    draft.need(draft.opset >= 9)
    mask = draft.generator.integers(0, 2, draft.broadcasting(x.shape, grow=0.1)).astype(bool)
    if draft.chance(0.5):
        other: Tensor | str = draft.mate(x, lambda t: broadcast(draft, x, t))
    else:
        other = draft.constant(draft.normal(*draft.broadcasting(x.shape)))
    return draft.add("Where", [draft.bools(mask), *draft.shuffled([x, other])])


def concat(draft: Draft, x: Tensor) -> str:
    """Concat of two or three tensors along any axis but the first."""
    axis = draft.integer(1, x.rank - 1)

    def fits(t: Tensor) -> bool:
        return t.rank == x.rank and _without(t.shape, axis - 1) == _without(x.shape, axis - 1)

    pieces: list[Tensor | str] = [x]
    if not draft.chance(0.03):
        pieces += [draft.mate(x, fits, itself=0.1) for _ in range(draft.integer(1, 2))]
    if draft.style.fixed and draft.chance(0.3):
        pieces.append(draft.constant(draft.normal(1, *x.shape)))
    return draft.add("Concat", draft.shuffled(pieces), axis=_axis(draft, axis, x.rank))


def broadcast(draft: Draft, x: Tensor, other: Tensor) -> bool:
    """Whether two tensors broadcast with their batch axes upon each other.

    With a batch axis fixed at 1, ranks may differ.
    """
    if x.rank != other.rank and not draft.style.fixed:
        return False
    try:
        np.broadcast_shapes((1, *x.shape), (1, *other.shape))
    except ValueError:
        return False
    return True


def _axis(draft: Draft, axis: int, rank: int) -> int:
    return draft.signed(axis, rank) if draft.opset >= 11 else axis


def _without(shape: Shape, axis: int) -> Shape:
    return shape[:axis] + shape[axis + 1 :]


def _two(draft: Draft, op: str, x: Tensor) -> str:
    mate = draft.mate(x, lambda t: broadcast(draft, x, t))
    return draft.add(op, draft.shuffled([x, mate]))


def _with_constant(draft: Draft, op: str, x: Tensor) -> str:
    constant = draft.constant(draft.normal(*draft.broadcasting(x.shape, grow=0.1)))
    operands = [x, constant] if draft.chance(0.6) else [constant, x]
    return draft.add(op, operands)


def _many(draft: Draft, op: str, x: Tensor) -> str:
    operands: list[Tensor | str] = [x]
    for _ in range(0 if draft.chance(0.05) else draft.integer(1, 2)):
        if draft.opset < _BROADCASTS:
            operands.append(draft.mate(x, lambda t: t.shape == x.shape))
        elif draft.chance(0.6):
            operands.append(draft.mate(x, lambda t: broadcast(draft, x, t)))
        else:
            operands.append(draft.constant(draft.normal(*draft.broadcasting(x.shape, grow=0.1))))
    return draft.add(op, draft.shuffled(operands))
