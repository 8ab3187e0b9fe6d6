"""The ℓ1 norm: displacements are split into a positive and a negative part."""

from __future__ import annotations

from dataclasses import replace
from typing import final

import numpy as np
import scipy.sparse as sp
from typing_extensions import override

from onnx_lippa.arrays import Float64, Floats
from onnx_lippa.spec.norms.base import Norm, Projector
from onnx_lippa.spec.norms.embedding import Embedding, Rows
from onnx_lippa.spec.norms.exact import Magnitudes, Ratio
from onnx_lippa.spec.norms.hyperplane import Approach
from onnx_lippa.spec.norms.trust_region import Walk, respond_l1, solve_walk

_EXTRA_STEPS = 7
"""Most steps towards the projection's threshold beyond the bits of its type."""
_ULPS = 8.0
"""Units of rounding within which a projection has the length of the radius."""


@final
class L1(Norm):
    """``sum_i |x_i|``."""

    name = "l1"
    order = 1.0
    solver = "glop"
    has_sparse_steps = True

    @override
    def measure(self, parts: Magnitudes) -> Ratio:
        return parts.sum_of_powers(1)

    @override
    def lengths(self, differences: Float64) -> Float64:
        return np.abs(differences).sum(axis=1)

    @override
    def projector(self, center: Floats, eps: Floats, lower: Floats, upper: Floats) -> Projector:
        # Soft thresholding, clipped to the box.

        def project(x: Floats) -> Floats:
            shift = np.clip(x, lower, upper) - center
            outside = np.abs(shift).sum(axis=1) > eps
            if not np.any(outside):
                return center + shift
            raw = (x - center)[outside]
            room = np.where(raw > 0, (upper - center)[outside], (center - lower)[outside])
            shift[outside] = np.sign(raw) * _shrink(np.abs(raw), room, eps[outside])
            return center + shift

        return project

    @override
    def steepest_descent(self, gradient: Floats) -> Floats:
        # The steepest step moves a single coordinate. As in sparse ℓ1 attacks, the top 1 % move by
        # equal shares, so that a batch of small steps makes progress.
        d = gradient.shape[1]
        kept = max(1, d // 100)
        magnitude = np.abs(gradient)
        threshold = np.partition(magnitude, d - kept, axis=1)[:, d - kept]
        chosen = (magnitude >= threshold[:, None]) & (magnitude > 0)
        count = np.maximum(chosen.sum(axis=1), 1).astype(gradient.dtype)
        return np.where(chosen, -np.sign(gradient), 0).astype(gradient.dtype) / count[:, None]

    @override
    def samples(self, generator: np.random.Generator, count: int, d: int) -> Float64:
        # Uniform, by exponential spacings.
        parts = generator.exponential(size=(count, d + 1))
        signs = generator.choice([-1.0, 1.0], (count, d))
        return signs * parts[:, :d] / parts.sum(axis=1, keepdims=True)

    @override
    def sample_extreme(self, generator: np.random.Generator, d: int) -> Float64:
        # The budget is shared by one coordinate in twenty.
        chosen = generator.choice(d, max(1, d // 20), replace=False)
        parts = generator.exponential(size=len(chosen))
        point = np.zeros(d)
        point[chosen] = generator.choice([-1.0, 1.0], len(chosen)) * parts / parts.sum()
        return point

    @override
    def dual(self, gradient: Float64) -> Float64:
        return np.abs(gradient).max(axis=1)

    @override
    def step_to_hyperplane(
        self, normal: Floats, gap: Floats, lower: Floats, upper: Floats
    ) -> Floats:
        # The features of largest weight move first.
        return Approach.of(normal, gap, lower, upper).spend()

    @override
    def walk_boundary(self, walk: Walk) -> Floats:
        return solve_walk(walk, respond_l1)

    @override
    def minimize_linear(
        self, cost: Float64, center: Float64, eps: float, lower: Float64, upper: Float64
    ) -> Float64:
        # The budget goes to the largest costs first.
        order = np.argsort(-np.abs(cost), kind="stable")
        room = np.where(cost > 0, center - lower, upper - center)[order]
        room = np.where(cost[order] != 0, room, 0.0)
        before = np.concatenate([[0.0], np.cumsum(room)[:-1]])
        spent = np.clip(eps - before, 0.0, room)
        x = center.copy()
        x[order] -= np.sign(cost[order]) * spent
        return x

    @override
    def ball(self, center: Float64, eps: float, lower: Float64, upper: Float64) -> Embedding:
        # One row sum(p + n) <= eps.
        whole = self.epigraph(center, lower, upper)
        total = sp.csr_array(np.ones((1, whole.count)))
        return replace(
            whole,
            upper=np.minimum(whole.upper, eps),
            rows=Rows.at_most(total, np.array([eps])),
            cost=np.zeros(whole.count),
        )

    @override
    def epigraph(self, center: Float64, lower: Float64, upper: Float64) -> Embedding:
        # x = center + p - n with p, n >= 0.
        d = center.size
        identity = sp.eye_array(d)
        return Embedding(
            offset=center,
            matrix=sp.csr_array(sp.hstack([identity, -identity])),
            lower=np.zeros(2 * d),
            upper=np.concatenate([upper - center, center - lower]),
            rows=Rows.none(2 * d),
            cost=np.ones(2 * d),
        )


def _shrink(magnitude: Floats, room: Floats, eps: Floats) -> Floats:
    """``clip(magnitude - t, 0, room)`` (n, d) with the threshold t at which the sum is eps (n,).

    The sum falls with t and is linear between breakpoints, so that Newton steps end after a few;
    bisection keeps them in a bracket.
    """
    ulp = np.finfo(magnitude.dtype).eps
    low, high = np.zeros(len(magnitude), dtype=magnitude.dtype), magnitude.max(axis=1)
    t = low
    for _ in range(np.finfo(magnitude.dtype).nmant + _EXTRA_STEPS):
        left = magnitude - t[:, None]
        kept = np.minimum(np.maximum(left, 0), room)
        over = kept.sum(axis=1) - eps
        missed = np.abs(over) > _ULPS * ulp * eps
        if not missed.any():
            break
        high, low = np.where(over <= 0, t, high), np.where(over > 0, t, low)
        slope = np.count_nonzero(kept == left, axis=1)
        step = t + over / np.maximum(slope, 1).astype(t.dtype)
        bisected = (slope == 0) | (step <= low) | (step >= high)
        t = np.where(missed, np.where(bisected, (low + high) / 2, step), t)
    # What rounding left beyond the radius.
    total = kept.sum(axis=1)
    share = np.where(total > eps, eps / np.where(total > 0, total, 1), 1).astype(kept.dtype)
    return np.asarray(kept * share[:, None])
