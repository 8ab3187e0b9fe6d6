"""Proofs over one-hot groups: one proof for each combination of categories that the ball allows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from onnx_lippa.ending import Ending, Reason
from onnx_lippa.spec import Categories, InputSet
from onnx_lippa.state import InputState

_MOST: Final = 64
"""Combinations up to which each has a proof of its own; with more, mixtures of categories are
covered too."""
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
    categories = Categories.of(inputs)
    if categories is None or categories.count > _MOST:
        return None
    sets = map(categories.restrict, categories.combinations())
    return [one for one in sets if one is not None]
