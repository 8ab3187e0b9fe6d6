"""The ℓ∞ norm: the ball is a box, so programs need only bounds."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import final

import numpy as np
import scipy.sparse as sp
from typing_extensions import override

from onnx_lippa.arrays import Float64, Floats
from onnx_lippa.spec.norms.base import Norm, Projector
from onnx_lippa.spec.norms.embedding import Embedding, Rows
from onnx_lippa.spec.norms.exact import Magnitudes, Ratio, two_difference
from onnx_lippa.spec.norms.hyperplane import Approach
from onnx_lippa.spec.norms.trust_region import Walk, respond_linf, solve_walk


@final
class LInf(Norm):
    """``max_i |x_i|``."""

    name = "linf"
    order = np.inf
    solver = "glop"

    @override
    def measure(self, parts: Magnitudes) -> Ratio:
        return parts.largest()

    @override
    def within(self, x: Float64, center: Float64, eps: float, scale: Float64 | None = None) -> bool:
        # The features' bounds are compared in floats: at corners of the ball all are close.
        if math.isinf(eps) or not (scale is None or eps == 1.0) or not np.isfinite(x).all():
            return super().within(x, center, eps, scale)
        difference, error = two_difference(x, center)
        size = np.abs(difference)
        bound = np.asarray(eps if scale is None else scale)
        # Rounding is monotone, so the error decides only where both round alike.
        above = (size > bound) | ((size == bound) & (np.sign(difference) * error > 0))
        return not above.any()

    @override
    def distance(self, x: Float64, center: Float64, scale: Float64 | None = None) -> float:
        if scale is not None or not np.isfinite(x).all() or not x.size:
            return super().distance(x, center, scale)
        difference, error = two_difference(x, center)
        size = np.abs(difference)
        largest = float(size.max())
        # The rounded difference is the least float above the exact one, or the one below it.
        beyond = (size == largest) & (np.sign(difference) * error > 0)
        return math.nextafter(largest, math.inf) if beyond.any() else largest

    @override
    def lengths(self, differences: Float64) -> Float64:
        return np.abs(differences).max(axis=1, initial=0.0)

    @override
    def projector(self, center: Floats, eps: Floats, lower: Floats, upper: Floats) -> Projector:
        low = np.maximum(center - eps[:, None], lower)
        high = np.minimum(center + eps[:, None], upper)

        def project(x: Floats) -> Floats:
            np.maximum(x, low, out=x)
            return np.minimum(x, high, out=x)

        return project

    @override
    def steepest_descent(self, gradient: Floats) -> Floats:
        return -np.sign(gradient)

    @override
    def samples(self, generator: np.random.Generator, count: int, d: int) -> Float64:
        return generator.uniform(-1.0, 1.0, (count, d))

    @override
    def sample_extreme(self, generator: np.random.Generator, d: int) -> Float64:
        return generator.choice([-1.0, 1.0], d)

    @override
    def dual(self, gradient: Float64) -> Float64:
        return np.abs(gradient).sum(axis=1)

    @override
    def step_to_hyperplane(
        self, normal: Floats, gap: Floats, lower: Floats, upper: Floats
    ) -> Floats:
        # All features move on together, until they are at a bound.
        approach = Approach.of(normal, gap, lower, upper)
        return approach.saturate(np.ones_like(approach.weight))

    @override
    def walk_boundary(self, walk: Walk) -> Floats:
        return solve_walk(walk, respond_linf)

    @override
    def minimize_linear(
        self, cost: Float64, center: Float64, eps: float, lower: Float64, upper: Float64
    ) -> Float64:
        low, high = np.maximum(center - eps, lower), np.minimum(center + eps, upper)
        return np.where(cost > 0, low, np.where(cost < 0, high, center))

    @override
    def ball(self, center: Float64, eps: float, lower: Float64, upper: Float64) -> Embedding:
        low, high = np.maximum(-eps, lower - center), np.minimum(eps, upper - center)
        return Embedding.of_box(center, low, high)

    @override
    def epigraph(self, center: Float64, lower: Float64, upper: Float64) -> Embedding:
        # -t <= v_i <= t with t as the last variable.
        box = Embedding.of_box(center, lower - center, upper - center)
        below_t = Rows.at_most(
            sp.hstack([box.matrix, -np.ones((center.size, 1))]), np.zeros(center.size)
        )
        above = sp.csr_array(sp.hstack([box.matrix, np.ones((center.size, 1))]))
        wide = box.add_variables(np.zeros(1), np.array([np.inf]))
        return replace(
            wide,
            rows=below_t.append(Rows(above, np.zeros(center.size), np.full(center.size, np.inf))),
            cost=np.append(box.cost, 1.0),
        )
