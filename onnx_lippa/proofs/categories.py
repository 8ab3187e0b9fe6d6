"""Proofs over one-hot groups: one proof for each combination of categories that the ball allows."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np

from onnx_lippa.ending import Ending, Reason
from onnx_lippa.spec import InputSet
from onnx_lippa.state import InputState

_MOST: Final = 64
"""Combinations up to which each has a proof of its own; with more, mixtures of categories are
covered too."""
_ROOM: Final = 1e-9
_REFUSED: Final = Reason(Ending.REFUSED, "a category's witness lies outside the ball by rounding")


def prove_by_category(state: InputState, prove: Callable[[InputState], None]) -> None:
    """Runs a proof on each combination of categories, and reports the least bound.

    Args:
        state: the state of the input.
        prove: a proof of one state, within its deadline.
    """
    problem = state.problem
    sets = None if problem.claim is not None else split_categories(problem.inputs)
    if sets is None:
        prove(state)
        return
    parts, reason = [], None
    for inputs in sets:
        part = InputState(replace(problem, inputs=inputs), state.model, state.time_limit)
        part.deadline = state.deadline
        prove(part)
        state.effort += part.effort
        state.observe(part.best_margin)
        if part.witness is not None:
            if state.offer(part.witness.x, part.found_by):
                return
            reason = reason or _REFUSED
        elif not part.is_robust:
            reason = reason or part.reason
        parts.append(part)
    state.reason = reason
    if all(part.is_robust and part.witness is None for part in parts):
        state.prove_by_parts(parts)


def split_categories(inputs: InputSet) -> list[InputSet] | None:
    """The sets with each combination of categories, which cover the input set.

    Returns:
        The sets; None without one-hot groups, or where there are too many combinations.
    """
    groups = () if inputs.relations is None else inputs.relations.one_hot
    if not groups:
        return None
    choices = [_allowed(inputs, group) for group in groups]
    if math.prod(map(len, choices)) > _MOST:
        return None
    grouped = [feature for group in groups for feature in group]
    sets = []
    for chosen in itertools.product(*choices):
        center, lower, upper = inputs.center.copy(), inputs.lower.copy(), inputs.upper.copy()
        center[grouped] = 0.0
        center[list(chosen)] = 1.0
        moved = inputs.length(center)
        if moved > inputs.eps * (1 + _ROOM):
            continue
        lower[grouped] = upper[grouped] = center[grouped]
        eps = inputs.eps if moved == 0 else _left(inputs.norm.order, inputs.eps, moved)
        sets.append(replace(inputs, center=center, lower=lower, upper=upper, eps=eps))
    return sets


def _allowed(inputs: InputSet, group: tuple[int, ...]) -> list[int]:
    """The features of a group that may be the active one."""
    own = next(feature for feature in group if inputs.center[feature] == 1)
    low = np.maximum(inputs.lower, inputs.center - inputs.radii * (1 + _ROOM))
    high = np.minimum(inputs.upper, inputs.center + inputs.radii * (1 + _ROOM))
    return [one for one in group if one == own or (low[own] <= 0 and high[one] >= 1)]


def _left(order: float, eps: float, moved: float) -> float:
    """The radius that the categories leave for the other features, rounded up."""
    if order == np.inf or not np.isfinite(eps):
        return eps
    whole, used = eps * (1 + _ROOM), min(moved * (1 - _ROOM), eps)
    return float((whole**order - used**order) ** (1 / order)) * (1 + _ROOM)
