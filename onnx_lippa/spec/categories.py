"""Categories of one-hot groups: which ones ball and box allow, and the inputs with some of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import Final, TypeAlias, final

import numpy as np

from onnx_lippa.arrays import Float64
from onnx_lippa.spec.input_set import Grid, InputSet
from onnx_lippa.spec.norms import WeightedNorm

_ROOM: Final = 1e-9
"""Relative room for rounding, by which radii are larger."""

Choice: TypeAlias = tuple[int | None, ...]
"""The active feature of each group, or None for a group that is left open."""


@final
@dataclass(frozen=True)
class Categories:
    """The one-hot groups of an input set, and the categories that ball and box allow in each.

    Attributes:
        inputs: the input set; its clean input meets its groups.
        groups: the features of each group.
        choices: those of them that may be the active one.
    """

    inputs: InputSet
    groups: tuple[tuple[int, ...], ...]
    choices: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, inputs: InputSet) -> Categories | None:
        """The categories of a set; None without one-hot groups."""
        groups = () if inputs.relations is None else inputs.relations.one_hot
        if not groups:
            return None
        return cls(inputs, groups, tuple(_find_allowed(inputs, group) for group in groups))

    @property
    def count(self) -> int:
        """Number of combinations; of these a ball that is no box may hold fewer."""
        return math.prod(map(len, self.choices))

    @cached_property
    def own(self) -> tuple[int, ...]:
        """The active features of the clean input."""
        return tuple(_find_own(self.inputs, group) for group in self.groups)

    def combinations(self) -> Iterator[tuple[int, ...]]:
        """All combinations, that of the clean input among them."""
        return product(*self.choices)

    def swaps(self, choice: Sequence[int]) -> Iterator[tuple[int, ...]]:
        """The combinations that differ from one in one group."""
        for place, allowed in enumerate(self.choices):
            for feature in allowed:
                if feature != choice[place]:
                    yield (*choice[:place], feature, *choice[place + 1 :])

    def hold(self, x: Float64, choice: Choice) -> Float64:
        """Points (..., d) with the categories of a choice."""
        held = x.copy()
        for group, feature in zip(self.groups, choice, strict=True):
            if feature is not None:
                held[..., list(group)] = 0.0
                held[..., feature] = 1.0
        return held

    def restrict(self, choice: Choice) -> InputSet | None:
        """The inputs with some categories, which are fixed; None where they are outside the ball.

        Its ball is centred at the clean input with these categories, and its radius is what they
        leave of the radius, rounded up. In open groups, features that cannot be active are 0.
        """
        inputs = self.inputs
        center = self.hold(inputs.center, choice)
        moved = inputs.length(center)
        if not moved <= inputs.eps * (1 + _ROOM):
            return None
        lower, upper = inputs.lower.copy(), inputs.upper.copy()
        for group, allowed, feature in zip(self.groups, self.choices, choice, strict=True):
            features = list(group)
            if feature is None:
                excluded = [one for one in group if one not in allowed]
                lower[excluded] = upper[excluded] = 0.0
            else:
                lower[features] = upper[features] = center[features]
        left = inputs.eps if moved == 0 else _subtract(inputs.norm.order, inputs.eps, moved)
        return replace(inputs, center=center, lower=lower, upper=upper, eps=left)

    def fix(self, choice: tuple[int, ...]) -> InputSet | None:
        """:meth:`restrict` for a search: the norm and the grid are those of the other features."""
        inputs = self.restrict(choice)
        if inputs is None:
            return None
        grouped = [feature for group in self.groups for feature in group]
        weighted, scale = inputs.norm, np.ones(inputs.size)
        if isinstance(weighted, WeightedNorm):
            scale = weighted.scale.copy()
        norm = weighted.norm if isinstance(weighted, WeightedNorm) else weighted
        scale[grouped] = 0.0
        grid = inputs.grid
        if grid is not None:
            steps = grid.steps.copy()
            steps[grouped] = 0.0
            grid = Grid(steps) if np.any(steps > 0) else None
        return replace(inputs, norm=WeightedNorm(norm, scale), grid=grid)


def _find_own(inputs: InputSet, group: tuple[int, ...]) -> int:
    return next(feature for feature in group if inputs.center[feature] == 1)


def _find_allowed(inputs: InputSet, group: tuple[int, ...]) -> tuple[int, ...]:
    """The features of a group that may be the active one."""
    own = _find_own(inputs, group)
    low = np.maximum(inputs.lower, inputs.center - inputs.radii * (1 + _ROOM))
    high = np.minimum(inputs.upper, inputs.center + inputs.radii * (1 + _ROOM))
    return tuple(one for one in group if one == own or (low[own] <= 0 and high[one] >= 1))


def _subtract(order: float, eps: float, moved: float) -> float:
    """The radius that a move leaves for the other features, rounded up."""
    if order == np.inf or not np.isfinite(eps):
        return eps
    whole, used = eps * (1 + _ROOM), min(moved * (1 - _ROOM), eps)
    return float((whole**order - used**order) ** (1 / order)) * (1 + _ROOM)
