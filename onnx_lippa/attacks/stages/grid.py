"""Inputs on a grid: every point where there are few, else coordinate descent from end points."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, final

import numpy as np
from typing_extensions import override

from onnx_lippa.arrays import Float64, Floats, Integers
from onnx_lippa.attacks.stages.coordinate_descent import CoordinateDescent
from onnx_lippa.attacks.stages.state import (
    AttackBatch,
    AttackStage,
    AttackState,
    spread_over_disjuncts,
)
from onnx_lippa.spec import InputSet, UnsafeSet
from onnx_lippa.state import find_deadline, timed
from onnx_lippa.witness import FoundBy

_AT_ONCE: Final = 4096
_ROUNDING: Final = 1e-4
"""Points whose margin by the compiled network is no more than this share of its largest output
above zero are evaluated by the model itself, which decides."""
_COUNTING: Final = 1e-6
"""Rounding of a quotient of a bound and a step."""
_FEW_FEATURES: Final = 128
_NEAR: Final = 0.3
"""With many features, only end points that are unsafe are starts. Up to this number of features a
start costs next to nothing: end points whose margin is below this share of the clean one are starts
as well, and so is the clean input."""
_SHRINKS: Final = (0.8, 0.95, 0.99)
"""Radii tried when minimising, as shares of the best distance; then the one just below it, unless
some features take any value, so that there is no next smaller distance."""
_ROUNDS: Final = 64
_STARTS: Final = 3
"""Starts, one for each disjunct before a second one for any."""
_STEPS: Final = 60
"""Moves from one start."""


@final
@dataclass(frozen=True)
class GridEnumeration(AttackStage):
    """Evaluates every allowed input, which decides the question.

    Attributes:
        most: inputs with more grid points are left out.
    """

    most: int

    @override
    def run(self, batch: AttackBatch) -> None:
        for attack in batch.open():
            with timed([attack.state]):
                self._enumerate(attack)

    def _enumerate(self, attack: AttackState) -> None:
        state = attack.state
        inputs = state.improving
        moving = np.flatnonzero(inputs.lower < inputs.upper)
        values = grid_values(inputs, moving, self.most)
        if values is None:
            return
        deadline = find_deadline([state])
        shape = tuple(len(one) for one in values)
        total = math.prod(shape)
        for first in range(0, total, _AT_ONCE):
            if time.monotonic() > deadline:
                return
            numbers = np.arange(first, min(first + _AT_ONCE, total))
            points = np.repeat(inputs.center[None], len(numbers), axis=0)
            if shape:
                for i, one, places in zip(
                    moving, values, np.unravel_index(numbers, shape), strict=True
                ):
                    points[:, i] = one[places]
            if _offer(attack, points) and not state.problem.minimize:
                return
        state.is_exhausted = True


def grid_values(inputs: InputSet, features: Integers, most: int) -> Sequence[Float64] | None:
    """The values that each of some features can take; None where they are too many.

    Args:
        inputs: the allowed inputs.
        features: the features that move.
        most: bound on the number of points that these values make.
    """
    grid = inputs.grid
    if grid is None or np.any(grid.steps[features] == 0.0):
        return None
    reach, steps = inputs.radii, np.where(grid.steps == 0.0, 1.0, grid.steps)
    low = np.maximum(inputs.lower, inputs.center - reach) / steps
    high = np.minimum(inputs.upper, inputs.center + reach) / steps
    first, last = np.ceil(low - _COUNTING)[features], np.floor(high + _COUNTING)[features]
    if not float(np.log2(np.maximum(last - first + 1.0, 1.0)).sum()) <= np.log2(most):
        return None
    values = []
    for i, start, end in zip(features, first, last, strict=True):
        stored = grid.multiples(int(i), np.arange(start, end + 1.0)).astype(inputs.dtype)
        exact = np.unique(stored.astype(np.float64))
        inside = (exact >= inputs.lower[i]) & (exact <= inputs.upper[i])
        values.append(exact[inside & (np.abs(exact - inputs.center[i]) <= reach[i])])
    return values


def _offer(attack: AttackState, points: Float64) -> bool:
    """Offers the unsafe points, the best first; True where one is a witness."""
    state, model = attack.state, attack.model
    problem, inputs = state.problem, state.improving
    logits = model.values.forward(points)
    margins = problem.unsafe.margins(logits).min(axis=1)
    lengths = inputs.norm.lengths(points - inputs.center)
    near = margins <= _ROUNDING * max(1.0, float(np.abs(logits).max()))
    chosen = np.flatnonzero(near & (lengths <= inputs.eps * (1.0 + _COUNTING)))
    if not chosen.size:
        return False
    outputs = model.runtime.forward(points[chosen].astype(inputs.dtype))
    chosen = chosen[_are_unsafe(problem.unsafe, outputs)]
    order = np.argsort((lengths if problem.minimize else margins)[chosen], kind="stable")
    return any(
        inputs.contains(points[row]) and state.offer(points[row], FoundBy.GRID)
        for row in chosen[order]
    )


def _are_unsafe(unsafe: UnsafeSet, outputs: Floats) -> np.ndarray:
    """Which outputs (n, k) are unsafe, with no tolerance."""
    strict = np.array([disjunct.strict for disjunct in unsafe.disjuncts])
    margins = unsafe.margins(outputs)
    return np.any(np.where(strict, margins < 0, margins <= 0), axis=1)


@final
@dataclass(frozen=True)
class GridSearch(AttackStage):
    """Rounds the best end points to the grid and descends on the margin, feature by feature.

    A PGD run ends between the points of the grid, and the nearest one may be far from unsafe where
    the steps are large. When minimising, the search goes on in ever smaller balls.

    Attributes:
        round: the round of PGD runs whose end points count; None for all of them. In round 0
            the clean input is a start as well where features are few, for the nearest disjuncts.
    """

    round: int | None

    @override
    def run(self, batch: AttackBatch) -> None:
        for attack in batch.open():
            state = attack.state
            with timed([state]) as deadline:
                if state.witness is None:
                    for x, disjunct in self._starts(attack):
                        if self._search(attack, attack.inputs, x, disjunct, deadline):
                            break
                if state.problem.minimize:
                    self._shrink(attack, deadline)

    def _starts(self, attack: AttackState) -> list[tuple[Float64, int]]:
        inputs, clean = attack.inputs, attack.clean_margins
        few = inputs.free_features <= _FEW_FEATURES
        near = _NEAR if few else 0.0
        points = [
            point
            for point in attack.end_points
            if self.round in (None, point.round) and point.margin <= near * clean[point.disjunct]
        ]
        chosen = spread_over_disjuncts(points, _STARTS)
        starts = [(point.x, point.disjunct) for point in chosen]
        if self.round == 0 and few:
            starts += [(inputs.center, j) for j in attack.nearest_disjuncts(_STARTS)]
        return starts

    def _search(
        self, attack: AttackState, inputs: InputSet, x: Float64, disjunct: int, deadline: float
    ) -> bool:
        """Coordinate descent from one start; True where it ends in a witness."""
        descent = CoordinateDescent(attack.model, inputs, attack.disjuncts[disjunct])
        offer = partial(attack.state.offer, found_by=FoundBy.GRID)
        return descent.run(x, _STEPS, offer, deadline)

    def _shrink(self, attack: AttackState, deadline: float) -> None:
        """Searches smaller and smaller balls, each from the last witness."""
        state, inputs = attack.state, attack.inputs
        anywhere = (inputs.lower < inputs.upper) & inputs.takes_any_value
        shares = _SHRINKS if anywhere.any() else (*_SHRINKS, 1.0)
        for _ in range(_ROUNDS):
            if state.witness is None or state.witness.distance == attack.settled_distance:
                return
            if not any(self._find_nearer(attack, share, deadline) for share in shares):
                attack.settled_distance = state.witness.distance

    def _find_nearer(self, attack: AttackState, share: float, deadline: float) -> bool:
        witness = attack.state.witness
        if witness is None or time.monotonic() > deadline:
            return False
        radius = float(np.nextafter(share * witness.distance, 0.0))
        inputs = attack.inputs.with_eps(radius)
        x = witness.x.astype(np.float64)
        return self._search(attack, inputs, x, attack.target_disjunct, deadline)
