"""Dual ascent: multipliers that improve a bound. All are valid; a certificate proves the bound."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Final, final

import numpy as np

from onnx_lippa.arrays import Batch, Float64, Floats, Integers
from onnx_lippa.bounds.dual.back_substitution import (
    BackSubstitution,
    ReluRelaxation,
    back_substitute,
    evaluate_relaxation,
)
from onnx_lippa.bounds.dual.certificate import prove
from onnx_lippa.bounds.dual.objectives import Group, Objectives, Units, group_objectives
from onnx_lippa.bounds.dual.weighted import WeightedRows
from onnx_lippa.bounds.proven import ProvenBounds
from onnx_lippa.clock import NEVER, require_time
from onnx_lippa.ir.pattern import UNDECIDED

_FIRST_MOMENT: Final = 0.9
_SECOND_MOMENT: Final = 0.99
_TINY: Final = 1e-8
_DECAY: Final = 0.92
_ALPHA_STEP: Final = 0.15
_BETA_STEP: Final = 0.15
"""The first step of β, as a share of the objective's largest coefficient."""
_WEIGHT_STEP: Final = 0.15
"""The first step of the weights of a conjunction's rows."""
_LOOK_EVERY: Final = 3
"""Steps between checks for rows that have reached the goal."""


@dataclass(frozen=True)
class Multipliers(Batch):
    """α and β of some objectives, float32.

    Attributes:
        alpha: (n, units) in [0, 1].
        beta: (n, units), not negative.
        weights: (n, r) of the rows of conjunctions; None for plain objectives.
    """

    alpha: Floats
    beta: Floats
    weights: Floats | None = None


@dataclass(frozen=True)
class DualBounds(Batch):
    """Bounds of an ascent, with the multipliers that prove them.

    Attributes:
        proven: (n,) lower bounds.
        multipliers: the multipliers that give them.
        points: (n, d) minimisers e of the residuals.
        residual: the objectives after back-substitution, float64.
    """

    proven: ProvenBounds
    multipliers: Multipliers
    points: Floats
    residual: BackSubstitution

    @property
    def bounds(self) -> Float64:
        """(n,) the bounds as numbers."""
        return self.proven.bounds


@final
class Ascent:
    """Projected Adam in float32 (Kingma, Ba: ICLR 2015); the result is proven in float64.

    Args:
        units: the units of a reduced network.
        deadline: ``time.monotonic()`` after which no bound is begun and no step is taken.
    """

    def __init__(self, units: Units, deadline: float = NEVER) -> None:
        self.exact, self._units = units, units.astype(np.float32)
        self._deadline = deadline

    def run(
        self,
        objectives: Objectives,
        relaxed: ReluRelaxation,
        steps: int,
        start: Multipliers | None = None,
        goal: float = np.inf,
    ) -> DualBounds:
        """Improves the bounds of some objectives.

        Args:
            objectives: the functions, float64; n of them.
            relaxed: the relaxation of the units, float64, n rows or one.
            steps: gradient steps.
            start: the first multipliers; None for the adaptive α and β = 0.
            goal: rows stop once their bound exceeds it.

        Raises:
            OutOfTimeError: the deadline has passed.
        """
        require_time(self._deadline)
        count = objectives.count
        if start is None and (groups := group_objectives(self.exact, objectives)):
            return self._run_in_groups(groups, objectives, relaxed, steps, goal)
        alpha, beta = _feasible(start or self._start(relaxed, count), relaxed, count)
        if steps > 0:
            self._improve(
                objectives.astype(np.float32), relaxed.astype(np.float32), alpha, beta, steps, goal
            )
        return self._certify(objectives, relaxed, Multipliers(alpha, beta))

    def weigh(
        self,
        rows: WeightedRows,
        relaxed: ReluRelaxation,
        steps: int,
        start: Multipliers | None,
        goal: float = np.inf,
    ) -> DualBounds:
        """Improves bounds of the largest row of conjunctions, over weighted sums of the rows.

        Args:
            rows: the rows of the conjunctions, float64; n conjunctions.
            relaxed: the relaxation of the units, float64, n rows or one.
            steps: gradient steps.
            start: the first multipliers; None for the adaptive α, β = 0 and equal weights.
            goal: conjunctions stop once their bound exceeds it.
        """
        if rows.is_single:
            return self.run(rows.below(rows.equal_weights()), relaxed, steps, start, goal)
        start = start or self._start(relaxed, len(rows.members))
        weights = rows.equal_weights() if start.weights is None else start.weights.copy()
        alpha, beta = _feasible(start, relaxed, len(weights))
        if steps > 0:
            rough, narrow = relaxed.astype(np.float32), rows.astype(np.float32)
            first = narrow.combine(weights)
            self._improve(first, rough, alpha, beta, steps, goal, narrow, weights)
        found = self._certify(rows.below(weights), relaxed, Multipliers(alpha, beta, weights))
        return replace(found, proven=rows.margins(weights, found.proven))

    def _run_in_groups(
        self,
        groups: list[Group],
        objectives: Objectives,
        relaxed: ReluRelaxation,
        steps: int,
        goal: float,
    ) -> DualBounds:
        """:meth:`run` from β = 0, each group over the units and features that it depends on.

        Not for nodes of a search: the sign of a unit outside a group may restrict the inputs.
        """
        start = self._start(relaxed, objectives.count)
        whole = _allocate(objectives)
        proven, points = ProvenBounds.vacuous(objectives.count), np.zeros(objectives.on_input.shape)
        alpha, beta = np.array(start.alpha, np.float32), start.beta
        for group in groups:
            at, seen = np.ix_(group.rows, group.units), np.ix_(group.rows, group.features)
            found = Ascent(self.exact.only(group.units, group.features), self._deadline).run(
                objectives.only(group.rows, group.units, group.features),
                relaxed.only(group.rows, group.units),
                steps,
                goal=goal,
            )
            proven, points[seen] = proven.put(group.rows, found.proven), found.points
            alpha[at], beta[at] = found.multipliers.alpha, found.multipliers.beta
            whole.rows[seen], whole.constant[group.rows] = (
                found.residual.rows,
                found.residual.constant,
            )
            whole.coefficients[at] = found.residual.coefficients
            whole.multipliers[at] = found.residual.multipliers
            whole.drop[group.rows] = found.residual.drop
        return DualBounds(proven, Multipliers(alpha, beta), points, whole)

    def _start(self, relaxed: ReluRelaxation, count: int) -> Multipliers:
        """The adaptive α and β = 0."""
        alpha = np.broadcast_to(relaxed.adaptive(), (count, relaxed.signs.shape[1]))
        return Multipliers(alpha, np.zeros(alpha.shape, np.float32))

    def _certify(
        self, objectives: Objectives, relaxed: ReluRelaxation, found: Multipliers
    ) -> DualBounds:
        alpha, beta = found.alpha.astype(np.float64), found.beta.astype(np.float64)
        proven, left = prove(self.exact, objectives, relaxed, alpha, beta)
        points = self.exact.domain.minimisers(left.rows)
        return DualBounds(proven, found, points, left)

    @np.errstate(over="ignore", invalid="ignore", under="ignore")
    def _improve(
        self,
        objectives: Objectives,
        relaxed: ReluRelaxation,
        alpha: Floats,
        beta: Floats,
        steps: int,
        goal: float,
        rows: WeightedRows | None = None,
        weights: Floats | None = None,
    ) -> None:
        """Overwrites the given multipliers, weights included, with the best ones found."""
        alive = np.arange(objectives.count)
        best = np.full(objectives.count, -np.inf, np.float32)
        a, b = alpha.copy(), beta.copy()
        moments = [np.zeros_like(a) for _ in range(4)]
        scale = np.abs(objectives.on_units).max(axis=1, keepdims=True, initial=0.0)
        weight_ascent = None if rows is None or weights is None else _WeightAscent(rows, weights)
        for step in range(steps + 1):
            if weight_ascent is not None and step > 0:
                objectives = weight_ascent.objectives()
            left = back_substitute(self._units, objectives, relaxed, a, b)
            least, points = self._units.domain.optima(left.rows)
            value = least + left.constant
            better = np.flatnonzero((value > best[alive]) & (value < np.inf))
            won = alive[better]
            best[won], alpha[won], beta[won] = value[better], a[better], b[better]
            if weight_ascent is not None:
                weight_ascent.keep(won, better)
            if step == steps or time.monotonic() > self._deadline:
                return
            z_hat, z = evaluate_relaxation(self._units, relaxed, a, left, points)
            if step % _LOOK_EVERY == 0 and goal < np.inf:
                kept = np.flatnonzero(best[alive] <= goal)
                if kept.size == 0:
                    return
                if 2 * kept.size < alive.size:
                    alive, z_hat, scale = alive[kept], z_hat[kept], scale[kept]
                    a, b, moments = a[kept], b[kept], [part[kept] for part in moments]
                    objectives, relaxed = objectives.take(kept), relaxed.take(kept)
                    left = left.take(kept)
                    if weight_ascent is not None:
                        points, z = points[kept], z[kept]
                        weight_ascent.narrow(kept)
            above = np.maximum(left.coefficients, 0)
            by_alpha = np.where(relaxed.signs == UNDECIDED, above * z_hat, 0)
            by_beta = -relaxed.signs * z_hat
            length = _DECAY**step
            a += _ALPHA_STEP * length * _adam(moments[0], moments[1], by_alpha, step)
            np.clip(a, 0, 1, out=a)
            b += _BETA_STEP * length * scale * _adam(moments[2], moments[3], by_beta, step)
            np.maximum(b, 0, out=b)
            if weight_ascent is not None:
                weight_ascent.advance(points, z, step, length)


@final
class _WeightAscent:
    """The weights of the rows of conjunctions during an ascent.

    Args:
        rows: the rows of conjunctions.
        best: (n, r) their first weights, overwritten with the best ones found.
    """

    def __init__(self, rows: WeightedRows, best: Floats) -> None:
        self._rows, self._best, self._now = rows, best, best.copy()
        self._moments = [np.zeros_like(best) for _ in range(2)]

    def objectives(self) -> Objectives:
        """The sums of rows with the present weights."""
        return self._rows.combine(self._now)

    def keep(self, won: Integers, better: Integers) -> None:
        """Keeps the present weights of some rows as their best ones."""
        self._best[won] = self._now[better]

    def narrow(self, kept: Integers) -> None:
        """Goes on with some conjunctions only."""
        self._rows, self._now = self._rows.take(kept), self._now[kept]
        self._moments = [part[kept] for part in self._moments]

    def advance(self, points: Floats, z: Floats, step: int, length: float) -> None:
        """One step along the derivative: the rows' values at the minimisers."""
        values = self._rows.values(points, z)
        # The mean of the rows of the objective does not change their weights.
        objective = self._rows.objective
        shared = np.where(objective, values * self._now, 0).sum(axis=1, keepdims=True)
        slope = np.where(objective, values - shared, values)
        along = _adam(self._moments[0], self._moments[1], slope, step)
        self._now = self._rows.project(self._now + _WEIGHT_STEP * length * along)


def _feasible(start: Multipliers, relaxed: ReluRelaxation, count: int) -> tuple[Floats, Floats]:
    """New arrays of α and β (n, units) that suit the signs: β is 0 where there is none."""
    alpha = relaxed.alphas(start.alpha)
    if len(alpha) != count:
        alpha = np.repeat(alpha, count, axis=0)
    beta = np.where(relaxed.signs == UNDECIDED, 0, start.beta).astype(np.float32)
    return alpha.astype(np.float32), beta


def _adam(first: Floats, second: Floats, gradient: Floats, step: int) -> Floats:
    """The direction of Adam (Kingma, Ba 2015); updates its moments in place."""
    first *= _FIRST_MOMENT
    first += (1 - _FIRST_MOMENT) * gradient
    second *= _SECOND_MOMENT
    second += (1 - _SECOND_MOMENT) * gradient * gradient
    corrected = np.sqrt(second / (1 - _SECOND_MOMENT ** (step + 1)))
    direction: Floats = (first / (1 - _FIRST_MOMENT ** (step + 1))) / (corrected + _TINY)
    return direction


def _allocate(objectives: Objectives) -> BackSubstitution:
    """Arrays for the back-substitution of some objectives."""
    return BackSubstitution(
        np.zeros(objectives.on_input.shape),
        np.zeros(objectives.count),
        np.zeros(objectives.on_units.shape),
        np.zeros(objectives.on_units.shape),
        np.zeros(objectives.count),
    )
