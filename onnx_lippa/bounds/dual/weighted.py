"""Conjunctions refuted by weighing their rows.

An input is unsafe for a conjunction where all its rows ``g_i`` are at most 0. So for any weights
``w_i >= 0`` it is safe where ``Σ w_i g_i`` is positive, although each row alone may be met. The
least value of that sum is concave in the weights and in the multipliers of the units together; its
derivative by a weight is the row's value at the minimiser.

Some rows of each conjunction are its *objective*, with weights that sum to 1; the others are
constraints, whose weights may be as large as they like, as those of a Lagrangian. Were they to sum
to 1 as well, two rows that make an equation would give 0 at once, and tell nothing of the others.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, final

import numpy as np
import scipy.sparse as sp

from onnx_lippa.arrays import Float64, Floats, Integers
from onnx_lippa.bounds.dual.objectives import Objectives
from onnx_lippa.bounds.proven import Proven
from onnx_lippa.bounds.rounding import EPSILON, UNDERFLOW

_ROUGH: Final = 64
"""Rows of an objective are scaled where they differ by more than this factor."""
_FEW: Final = 4
"""Times as many rows as a conjunction has are few enough to be evaluated all at once."""


@final
@dataclass(frozen=True)
class WeightedRows:
    """The rows of some conjunctions, of which sums with weights are bounded.

    Rows are scaled by powers of two, which is exact, to about the size of the objective, so that
    steps of the weights mean the same for all of them.

    Attributes:
        rows: the rows of all conjunctions, one after the other, each divided by its scale.
        members: (n, r) the rows of each conjunction; short ones are filled up with their first.
        present: (n, r) which of these are not filled up.
        objective: (n, r) which of these are the objective, at least one of each conjunction.
        scale: (rows,) what each row was divided by.
    """

    rows: Objectives
    members: Integers
    present: np.ndarray
    objective: np.ndarray
    scale: Float64

    @classmethod
    def of(cls, rows: Objectives, counts: Integers, spans: Float64) -> WeightedRows:
        """From the rows of conjunctions.

        Args:
            rows: the rows of the first conjunction, then those of the second, and so on.
            counts: (n,) how many rows each has, at least one.
            spans: (rows,) about how much each row varies over the inputs.
        """
        first = np.cumsum(counts) - counts
        place = np.arange(int(counts.max(initial=1)))
        present = place < counts[:, None]
        members = first[:, None] + np.where(present, place, 0)
        objective, scale = present.copy(), np.ones(rows.count)
        for number in np.flatnonzero(counts > 1).tolist():
            mine = members[number, : counts[number]]
            chosen = objective_of(rows, mine)
            objective[number, : counts[number]] = chosen
            scale[mine] = _scales(spans[mine], chosen)
        on_input, on_units = rows.on_input / scale[:, None], rows.on_units / scale[:, None]
        scaled = Objectives(
            on_input, on_units, rows.offset / scale, rows.error / scale, rows.sizes / scale
        )
        return cls(scaled, members, present, objective, scale)

    @classmethod
    def under(cls, rows: Objectives, known: Objectives) -> WeightedRows:
        """Rows, each to be bounded where others are at most 0.

        Bounds of their sums are bounds of these rows there; not those of :meth:`margins`.

        Args:
            rows: (n) the rows.
            known: rows that are constraints of each.
        """
        n, r = rows.count, 1 + known.count
        both = rows.with_others(known)
        members = np.broadcast_to(n - 1 + np.arange(r), (n, r)).copy()
        members[:, 0] = np.arange(n)
        objective = np.zeros((n, r), bool)
        objective[:, 0] = True
        return cls(both, members, np.ones((n, r), bool), objective, np.ones(both.count))

    @property
    def is_single(self) -> bool:
        """Whether every conjunction has one row, so that there is nothing to weigh."""
        return self.members.shape[1] == 1

    def astype(self, dtype: type[np.floating]) -> WeightedRows:
        """The same with rows of another floating-point type."""
        return replace(self, rows=self.rows.astype(dtype))

    def take(self, chosen: Integers) -> WeightedRows:
        """Some conjunctions, in this order; the same rows."""
        parts = (self.members[chosen], self.present[chosen], self.objective[chosen])
        return replace(self, members=parts[0], present=parts[1], objective=parts[2])

    def equal(self) -> Floats:
        """(n, r) the same weight for every row of the objective, none for others; float32."""
        share = self.objective / self.objective.sum(axis=1, keepdims=True)
        weights: Floats = share.astype(np.float32)
        return weights

    def only(self, best: Integers) -> Floats:
        """(n, r) weights of one row of the objective each: of these rows, where they are of it."""
        chosen = self.objective & (self.members == best[:, None])
        weights: Floats = np.where(chosen.any(axis=1, keepdims=True), chosen, self.equal())
        return weights.astype(np.float32)

    def blended(self, weights: Floats) -> Objectives:
        """The sums of rows, one for each conjunction, as they come."""
        if self.is_single:
            return self.rows.take(self.members[:, 0])
        return self._summed(weights)

    def _summed(self, weights: Floats) -> Objectives:
        n, r = self.members.shape
        flat = weights.astype(self.rows.offset.dtype).ravel()
        sums = sp.csr_array(
            (flat, self.members.ravel(), np.arange(0, n * r + 1, r)), shape=(n, self.rows.count)
        )
        return Objectives(*(sums @ part for part in vars(self.rows).values()))

    def below(self, weights: Floats) -> Objectives:
        """The sums of rows, float64, with an error that the rounding of the sums is part of.

        Weights below 0 count as 0.
        """
        return self.blended(weights) if self.is_single else self.weighted(weights)

    def weighted(self, weights: Floats) -> Objectives:
        """The same where conjunctions of one row are weighted, too."""
        blended = self._summed(np.maximum(weights, 0))
        room = 2 * (self.members.shape[1] + 2) * EPSILON
        lost = room * blended.sizes + UNDERFLOW * (1 + blended.on_units.shape[1])
        error, sizes = blended.error * (1 + room) + lost, blended.sizes * (1 + room)
        return replace(blended, error=error, sizes=sizes)

    def margins(self, weights: Floats, proven: Proven) -> Proven:
        """Lower bounds (n,) of the largest row, unscaled, from those of :meth:`below`.

        Where ``Σ w_i g_i >= b`` the largest of the g is at least ``b / Σ w_i``.
        """
        if self.is_single:
            return proven
        bounds = proven.bounds
        total = (np.maximum(weights, 0).astype(np.float64) / self.scale[self.members]).sum(axis=1)
        room = 2 * (self.members.shape[1] + 4) * EPSILON
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            margins = bounds / (total * np.where(bounds > 0, 1 + room, 1 - room))
            margins = np.where((total > 0) & ~np.isnan(margins), margins, -np.inf)
        return Proven(margins)

    def values(self, points: Floats, z: Floats) -> Floats:
        """(n, r) the scaled rows at points e (n, d) with units z (n, units)."""
        if self.rows.count <= _FEW * self.members.shape[1]:
            whole = points @ self.rows.on_input.T + z @ self.rows.on_units.T + self.rows.offset
            few: Floats = np.take_along_axis(whole, self.members, axis=1)
            return few
        values = np.empty(self.members.shape, points.dtype)
        for place, row in enumerate(self.members.T):
            values[:, place] = (
                np.einsum("nd,nd->n", self.rows.on_input[row], points)
                + np.einsum("nu,nu->n", self.rows.on_units[row], z)
                + self.rows.offset[row]
            )
        return values

    def projected(self, weights: Floats) -> Floats:
        """The nearest weights that are allowed."""
        w = np.where(self.objective, weights, -np.inf)
        falling = -np.sort(-w, axis=1)
        there = np.isfinite(falling)
        sums = np.cumsum(np.where(there, falling, 0.0), axis=1)
        used = there & (falling * np.arange(1, w.shape[1] + 1) > sums - 1)
        last = used.sum(axis=1) - 1
        shift = (sums[np.arange(len(w)), last] - 1) / (last + 1)
        moved = np.where(self.objective, weights - shift[:, None], weights)
        inside: Floats = np.where(self.present, np.maximum(moved, 0.0), 0.0).astype(weights.dtype)
        return inside


def objective_of(rows: Objectives, mine: Integers) -> np.ndarray:
    """Which rows of a conjunction are its objective.

    Those that units have a part in, but for the two rows of an equation: without others, one row.

    Args:
        rows: some rows.
        mine: (r,) those of the conjunction.

    Returns:
        (r,) bool.
    """
    seen = np.any(rows.on_units[mine] != 0, axis=1)
    whole = np.column_stack([rows.on_input[mine], rows.on_units[mine]])
    order = {row.tobytes(): place for place, row in enumerate(whole + 0.0)}
    equation = np.array([(0.0 - row).tobytes() in order for row in whole])
    if np.any(seen & ~equation):
        return seen & ~equation
    if np.any(seen):
        return np.arange(mine.size) == seen.argmax()
    return ~equation if not equation.all() else np.arange(mine.size) == 0


def _scales(spans: Float64, objective: np.ndarray) -> Float64:
    """Powers of two by which rows are divided, so that they vary as the objective does."""
    largest, least = spans[objective].max(), spans[objective].min()
    if not (largest > 0 and np.isfinite(spans).all()):
        return np.ones(spans.size)
    scales: Float64 = np.exp2(np.round(np.log2(np.where(spans > 0, spans / largest, 1.0))))
    return scales if least < largest / _ROUGH else np.where(objective, 1.0, scales)
