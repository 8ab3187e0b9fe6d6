"""Branch selection: units whose relaxation costs most, and among them the best children."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, final

import numpy as np

from onnx_lippa.arrays import Floats, Integers
from onnx_lippa.bounds.dual.back_substitution import (
    ReluRelaxation,
    back_substitute,
    estimate_bounds,
)
from onnx_lippa.bounds.dual.objectives import Objectives, Units
from onnx_lippa.bounds.dual.weighted import WeightedRows
from onnx_lippa.ir.pattern import ACTIVE, INACTIVE, UNDECIDED
from onnx_lippa.search.frontier import Nodes

_LOWER_LINE: Final = 0.05
"""Weight of a unit on its lower line, relative to one on its upper line, which costs most
(docs/performance.md)."""
_EARLY: Final = 1.2
"""Weight of units of all blocks but the last: their signs tighten later units."""
_TRIED: Final = 6
"""Units whose children are bounded before one is chosen (filtered smart branching: De Palma et
al., 2021)."""
_AT_ONCE: Final = 256
"""Children bounded at once: few enough to stay in the processor's cache."""


@dataclass(frozen=True)
class Choice:
    """The branching of some nodes.

    Attributes:
        unit: (n,) the unit to split; -1 where all are stable.
        worth: (n, units) the cost of each unit's relaxation.
        kept: (n, units) α max(m, 0), the part of a lower line in each node's bound.
        lost: (n, units) (1 - α) max(m, 0), which an active unit adds to it.
    """

    unit: Integers
    worth: Floats
    kept: Floats
    lost: Floats

    def choose_beta(self, nodes: Nodes, children: Nodes, owner: Integers) -> Floats:
        """The β with which children are bounded no worse than their parents.

        A unit on its lower line has the multiplier ν = α m. After the split that is
        β = (1 - α) m where it is active, and β = α m where it is inactive; with β = 0 a child may
        be bounded far worse than its parent.

        Args:
            nodes: the parents.
            children: the children, with their signs.
            owner: (children,) the parent of each.
        """
        beta = np.where(children.signs > 0, self.lost[owner], self.kept[owner])
        is_new = (children.signs != UNDECIDED) & (nodes.signs[owner] == 0)
        return np.where(is_new, beta, children.multipliers.beta)


@final
class Branching:
    """Chooses units by the cost of their upper lines, then by the bounds of their children.

    Args:
        units: the units of a reduced network.
        rows: the rows of the disjuncts, float64.
    """

    def __init__(self, units: Units, rows: WeightedRows) -> None:
        self._units = units.astype(np.float32)
        self._rows = rows.astype(np.float32)
        self._weights = np.ones(units.starts[-1], np.float32)
        if len(units.starts) > 2:
            self._weights[: units.starts[-2]] = _EARLY

    @np.errstate(over="ignore", invalid="ignore", under="ignore")
    def choose(self, nodes: Nodes) -> Choice:
        """The unit to split in each node."""
        if nodes.signs.shape[1] == 0:
            nothing = np.zeros(nodes.signs.shape, np.float32)
            return Choice(np.full(nodes.count, -1), nothing, nothing, nothing)
        relaxed = ReluRelaxation.of(
            nodes.lower.astype(np.float32), nodes.upper.astype(np.float32), nodes.signs
        )
        objectives = nodes.objectives(self._rows)
        alpha, beta = relaxed.alphas(nodes.multipliers.alpha), nodes.multipliers.beta
        m = back_substitute(self._units, objectives, relaxed, alpha, beta).coefficients
        worth: Floats = np.abs(m) * relaxed.intercept
        above = np.maximum(m, 0)
        kept: Floats = alpha * above
        lost: Floats = above - kept
        score = worth * self._weights * np.where(m < 0, 1.0, _LOWER_LINE)
        # A unit of no cost is split where no other is left.
        score = np.where(nodes.signs == UNDECIDED, score, -1.0)
        tried = min(_TRIED, score.shape[1])
        top = np.argpartition(-score, tried - 1, axis=1)[:, :tried]
        top = np.take_along_axis(
            top, np.argsort(-np.take_along_axis(score, top, 1), axis=1, kind="stable"), 1
        )
        gain = self._gains(nodes, relaxed, objectives, top, kept, lost)
        gain[np.take_along_axis(score, top, 1) < 0] = -np.inf
        unit = top[np.arange(nodes.count), gain.argmax(axis=1)]
        unit[score.max(axis=1) < 0] = -1
        return Choice(unit, worth, kept, lost)

    def _gains(
        self,
        nodes: Nodes,
        relaxed: ReluRelaxation,
        objectives: Objectives,
        top: Integers,
        kept: Floats,
        lost: Floats,
    ) -> Floats:
        """Sum of both children's bounds, each clipped at 0, with their parent's multipliers."""
        n, tried = top.shape
        owner, unit = np.repeat(np.arange(n), 2 * tried), np.repeat(top.ravel(), 2)
        sign = np.tile(np.array([ACTIVE, INACTIVE], np.int8), n * tried)
        values = np.empty(owner.size, np.float32)
        for first in range(0, owner.size, _AT_ONCE):
            part = slice(first, first + _AT_ONCE)
            rows, places = owner[part], np.arange(len(owner[part]))
            child = relaxed.each(rows).with_sign(places, unit[part], sign[part])
            alpha = child.alphas(nodes.multipliers.alpha[rows])
            beta = nodes.multipliers.beta[rows]
            at = rows, unit[part]
            beta[places, unit[part]] = np.where(sign[part] > 0, lost[at], kept[at])
            left = back_substitute(self._units, objectives.take(rows), child, alpha, beta)
            values[part] = estimate_bounds(self._units, left)
        return np.minimum(values, 0).reshape(n, tried, 2).sum(axis=2)
