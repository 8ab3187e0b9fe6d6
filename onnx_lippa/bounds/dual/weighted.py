"""Lower bounds of conjunctions by weighted sums of their rows.

An input is unsafe for a conjunction where all its rows ``g_i`` are at most 0. So for any weights
``w_i >= 0`` it is safe where ``Σ w_i g_i > 0``, even where each row alone may be at most 0. The
least value of that sum is concave in the weights and the multipliers of the units together; its
derivative with respect to a weight is the row's value at the minimiser.

Some rows of each conjunction are its *objective*, with weights that sum to 1. The others are
constraints with unbounded weights, as in a Lagrangian. Were those to sum to 1 as well, two rows of
an equation would give 0 at once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, final

import numpy as np
import scipy.sparse as sp

from onnx_lippa.arrays import Float64, Floats, Integers
from onnx_lippa.bounds.dual.objectives import Objectives
from onnx_lippa.bounds.proven import EPSILON, UNDERFLOW, ProvenBounds

_UNEQUAL: Final = 64
"""Rows of an objective that differ by more than this factor are scaled."""
_FEW_ROWS: Final = 4
"""Up to this many times the rows of one conjunction are evaluated all at once."""


@final
@dataclass(frozen=True)
class WeightedRows:
    """The rows of some conjunctions, whose weighted sums are bounded.

    Rows are scaled by powers of two, which is exact, to about the size of the objective, so that
    one step length suits all weights.

    Attributes:
        rows: the rows of all conjunctions, one after another, each divided by its scale.
        members: (n, r) the rows of each conjunction, padded with its first row.
        present: (n, r) which of these are not padding.
        objective: (n, r) which of these are the objective, at least one of each conjunction.
        scale: (rows,) the divisor of each row.
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
            counts: (n,) number of rows of each, at least one.
            spans: (rows,) about the range of each row over the inputs.
        """
        first = np.cumsum(counts) - counts
        position = np.arange(int(counts.max(initial=1)))
        present = position < counts[:, None]
        members = first[:, None] + np.where(present, position, 0)
        objective, scale = present.copy(), np.ones(rows.count)
        for number in np.flatnonzero(counts > 1).tolist():
            mine = members[number, : counts[number]]
            chosen = choose_objective(rows, mine)
            objective[number, : counts[number]] = chosen
            scale[mine] = _scales(spans[mine], chosen)
        on_input, on_units = rows.on_input / scale[:, None], rows.on_units / scale[:, None]
        scaled = Objectives(
            on_input, on_units, rows.offset / scale, rows.error / scale, rows.sizes / scale
        )
        return cls(scaled, members, present, objective, scale)

    @classmethod
    def under(cls, rows: Objectives, known: Objectives) -> WeightedRows:
        """Rows, each to be bounded where certain other rows are at most 0.

        A bound of a weighted sum is a bound of the row there; :meth:`margins` does not apply.

        Args:
            rows: (n) the rows.
            known: the rows that are constraints of each.
        """
        n, r = rows.count, 1 + known.count
        both = rows.concatenate(known)
        members = np.broadcast_to(n - 1 + np.arange(r), (n, r)).copy()
        members[:, 0] = np.arange(n)
        objective = np.zeros((n, r), bool)
        objective[:, 0] = True
        return cls(both, members, np.ones((n, r), bool), objective, np.ones(both.count))

    @property
    def is_single(self) -> bool:
        """Whether every conjunction has one row, so that there are no weights."""
        return self.members.shape[1] == 1

    def astype(self, dtype: type[np.floating]) -> WeightedRows:
        """The same with rows of another floating-point type."""
        return replace(self, rows=self.rows.astype(dtype))

    def take(self, chosen: Integers) -> WeightedRows:
        """Some conjunctions, in this order, over the same rows."""
        parts = (self.members[chosen], self.present[chosen], self.objective[chosen])
        return replace(self, members=parts[0], present=parts[1], objective=parts[2])

    def equal_weights(self) -> Floats:
        """(n, r) equal weights of the rows of the objective, 0 for others; float32."""
        share = self.objective / self.objective.sum(axis=1, keepdims=True)
        weights: Floats = share.astype(np.float32)
        return weights

    def only(self, best: Integers) -> Floats:
        """(n, r) weight 1 of one row each, where it is of the objective; else equal weights."""
        chosen = self.objective & (self.members == best[:, None])
        weights: Floats = np.where(chosen.any(axis=1, keepdims=True), chosen, self.equal_weights())
        return weights.astype(np.float32)

    def combine(self, weights: Floats) -> Objectives:
        """The weighted sum of the rows of each conjunction, without bounds of its rounding."""
        if self.is_single:
            return self.rows.take(self.members[:, 0])
        return self._combine_rows(weights)

    def _combine_rows(self, weights: Floats) -> Objectives:
        n, r = self.members.shape
        flat = weights.astype(self.rows.offset.dtype).ravel()
        sums = sp.csr_array(
            (flat, self.members.ravel(), np.arange(0, n * r + 1, r)), shape=(n, self.rows.count)
        )
        return Objectives(*(sums @ part for part in vars(self.rows).values()))

    def below(self, weights: Floats) -> Objectives:
        """The weighted sums of rows in float64, whose errors include the rounding of the sums.

        Negative weights count as 0.
        """
        return self.combine(weights) if self.is_single else self.weighted(weights)

    def weighted(self, weights: Floats) -> Objectives:
        """The same with weights for conjunctions of one row too."""
        blended = self._combine_rows(np.maximum(weights, 0))
        room = 2 * (self.members.shape[1] + 2) * EPSILON
        lost = room * blended.sizes + UNDERFLOW * (1 + blended.on_units.shape[1])
        error, sizes = blended.error * (1 + room) + lost, blended.sizes * (1 + room)
        return replace(blended, error=error, sizes=sizes)

    def margins(self, weights: Floats, proven: ProvenBounds) -> ProvenBounds:
        """Lower bounds (n,) of the largest unscaled row, from bounds of :meth:`below`.

        ``Σ w_i g_i >= b`` implies ``max g_i >= b / Σ w_i``.
        """
        if self.is_single:
            return proven
        bounds = proven.bounds
        total = (np.maximum(weights, 0).astype(np.float64) / self.scale[self.members]).sum(axis=1)
        room = 2 * (self.members.shape[1] + 4) * EPSILON
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            margins = bounds / (total * np.where(bounds > 0, 1 + room, 1 - room))
            margins = np.where((total > 0) & ~np.isnan(margins), margins, -np.inf)
        return ProvenBounds(margins)

    def values(self, points: Floats, z: Floats) -> Floats:
        """(n, r) the scaled rows at points e (n, d) with units z (n, units)."""
        if self.rows.count <= _FEW_ROWS * self.members.shape[1]:
            whole = points @ self.rows.on_input.T + z @ self.rows.on_units.T + self.rows.offset
            few: Floats = np.take_along_axis(whole, self.members, axis=1)
            return few
        values = np.empty(self.members.shape, points.dtype)
        for position, row in enumerate(self.members.T):
            values[:, position] = (
                np.einsum("nd,nd->n", self.rows.on_input[row], points)
                + np.einsum("nu,nu->n", self.rows.on_units[row], z)
                + self.rows.offset[row]
            )
        return values

    def project(self, weights: Floats) -> Floats:
        """The Euclidean projection of weights on the feasible ones (simplex and orthant)."""
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


def choose_objective(rows: Objectives, mine: Integers) -> np.ndarray:
    """Which rows of a conjunction are its objective.

    Rows that depend on units, without the two rows of an equation; one row where no others remain.

    Args:
        rows: the rows of all conjunctions.
        mine: (r,) the rows of this one.

    Returns:
        (r,) bool.
    """
    seen = np.any(rows.on_units[mine] != 0, axis=1)
    whole = np.column_stack([rows.on_input[mine], rows.on_units[mine]])
    order = {row.tobytes(): position for position, row in enumerate(whole + 0.0)}
    equation = np.array([(0.0 - row).tobytes() in order for row in whole])
    if np.any(seen & ~equation):
        return seen & ~equation
    if np.any(seen):
        return np.arange(mine.size) == seen.argmax()
    return ~equation if not equation.all() else np.arange(mine.size) == 0


def _scales(spans: Float64, objective: np.ndarray) -> Float64:
    """Powers of two that scale rows to the range of the objective."""
    largest, least = spans[objective].max(), spans[objective].min()
    if not (largest > 0 and np.isfinite(spans).all()):
        return np.ones(spans.size)
    scales: Float64 = np.exp2(np.round(np.log2(np.where(spans > 0, spans / largest, 1.0))))
    return scales if least < largest / _UNEQUAL else np.where(objective, 1.0, scales)
