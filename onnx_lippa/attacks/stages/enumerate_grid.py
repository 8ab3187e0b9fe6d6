"""Every point of a grid, where there are few."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

import numpy as np

from onnx_lippa.arrays import Float64, Floats, Integers
from onnx_lippa.attacks.ledger import Ledger
from onnx_lippa.attacks.stages.base import Stage
from onnx_lippa.spec import InputSet, UnsafeSet
from onnx_lippa.witness import FoundBy

_AT_ONCE: Final = 4096
_ROUNDING: Final = 1e-4
"""Points whose margin by the compiled network is no more than this share of its largest output
above zero are given to the model itself, which decides."""
_COUNTING: Final = 1e-6
"""Rounding of a quotient of a bound and a step."""


@final
@dataclass(frozen=True)
class EnumerateGrid(Stage):
    """Looks at every input allowed, so that whatever there is to be found is found.

    Attributes:
        most: inputs that could take more values are left out.
    """

    most: int

    def run(self, ledger: Ledger) -> None:
        """See :meth:`Stage.run`."""
        for position in ledger.unsettled():
            with ledger.timed([position]):
                self._enumerate(ledger, position)

    def _enumerate(self, ledger: Ledger, position: int) -> None:
        entry = ledger.progress[position]
        inputs = entry.state.improving
        moving = np.flatnonzero(inputs.lower < inputs.upper)
        values = values_on_grid(inputs, moving, self.most)
        if values is None:
            return
        deadline = ledger.deadline([position])
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
            if _offer(ledger, position, points) and not ledger.settings.minimize:
                return
        entry.state.is_exhausted = True


def values_on_grid(inputs: InputSet, features: Integers, most: int) -> Sequence[Float64] | None:
    """What each of some features can take; None where that is not a few values each.

    Args:
        inputs: the inputs allowed.
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


def _offer(ledger: Ledger, position: int, points: Float64) -> bool:
    """Offers the unsafe ones among some points, the best first; True where one is a witness."""
    entry = ledger.progress[position]
    inputs, unsafe = entry.state.improving, entry.state.problem.unsafe
    logits = ledger.model.values.forward(points)
    margins = unsafe.margins(logits).min(axis=1)
    lengths = inputs.norm.lengths(points - inputs.center)
    near = margins <= _ROUNDING * max(1.0, float(np.abs(logits).max()))
    chosen = np.flatnonzero(near & (lengths <= inputs.eps * (1.0 + _COUNTING)))
    if not chosen.size:
        return False
    outputs = ledger.model.runtime.forward(points[chosen].astype(inputs.dtype))
    chosen = chosen[_unsafe(unsafe, outputs)]
    order = np.argsort((lengths if ledger.settings.minimize else margins)[chosen], kind="stable")
    return any(
        inputs.contains(points[row]) and ledger.accept(position, points[row], FoundBy.GRID)
        for row in chosen[order]
    )


def _unsafe(unsafe: UnsafeSet, outputs: Floats) -> np.ndarray:
    """Which outputs (n, k) are unsafe, with no tolerance."""
    strict = np.array([disjunct.strict for disjunct in unsafe.disjuncts])
    margins = unsafe.margins(outputs)
    return np.any(np.where(strict, margins < 0, margins <= 0), axis=1)
