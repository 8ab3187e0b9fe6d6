"""The ℓ2 norm: the ball is a second-order cone constraint, the distance a quadratic cost."""

from __future__ import annotations

from dataclasses import replace
from typing import final

import numpy as np
from typing_extensions import override

from onnx_lippa.arrays import Float64, Floats
from onnx_lippa.spec.norms.base import Norm, Projector
from onnx_lippa.spec.norms.embedding import BallConstraint, Embedding
from onnx_lippa.spec.norms.exact import Magnitudes, Ratio
from onnx_lippa.spec.norms.hyperplane import Approach
from onnx_lippa.spec.norms.trust_region import Walk, respond_l2, solve_walk

_BISECTIONS = 100
"""Bisections of the multiplier in :meth:`L2.minimize_linear`."""


@final
class L2(Norm):
    """``sqrt(sum_i x_i^2)``."""

    name = "l2"
    order = 2.0
    solver = "clarabel"
    power = 2

    @override
    def measure(self, parts: Magnitudes) -> Ratio:
        return parts.sum_of_powers(2)

    @override
    def lengths(self, differences: Float64) -> Float64:
        return np.sqrt((differences * differences).sum(axis=1))

    @override
    def projector(self, center: Floats, eps: Floats, lower: Floats, upper: Floats) -> Projector:
        # First the box, then radially: the box is convex and holds the centre.

        def project(x: Floats) -> Floats:
            shift = np.clip(x, lower, upper) - center
            length = np.sqrt((shift * shift).sum(axis=1))
            outside = length > eps
            shrink = np.ones_like(length)
            shrink[outside] = eps[outside] / length[outside]
            return center + shift * shrink[:, None]

        return project

    @override
    def steepest_descent(self, gradient: Floats) -> Floats:
        # Squares of small gradients underflow, so their largest entry is made 1 first.
        largest = np.abs(gradient).max(axis=1, keepdims=True, initial=0)
        scaled = gradient / np.where(largest > 0, largest, 1)
        length = np.sqrt((scaled * scaled).sum(axis=1, keepdims=True))
        return -scaled / np.where(length > 0, length, 1)

    @override
    def samples(self, generator: np.random.Generator, count: int, d: int) -> Float64:
        directions = generator.standard_normal((count, d))
        radii = generator.uniform(size=(count, 1)) ** (1.0 / d)
        return radii * directions / np.linalg.norm(directions, axis=1, keepdims=True)

    @override
    def sample_extreme(self, generator: np.random.Generator, d: int) -> Float64:
        direction = generator.standard_normal(d)
        return direction / np.linalg.norm(direction)

    @override
    def dual(self, gradient: Float64) -> Float64:
        return np.sqrt((gradient * gradient).sum(axis=1))

    @override
    def step_to_hyperplane(
        self, normal: Floats, gap: Floats, lower: Floats, upper: Floats
    ) -> Floats:
        # clip(lambda * normal) for the multiplier lambda that closes the gap.
        approach = Approach.of(normal, gap, lower, upper)
        return approach.saturate(approach.weight)

    @override
    def walk_boundary(self, walk: Walk) -> Floats:
        return solve_walk(walk, respond_l2)

    @override
    def minimize_linear(
        self, cost: Float64, center: Float64, eps: float, lower: Float64, upper: Float64
    ) -> Float64:
        # The minimiser is clip(center - cost / mu) for the multiplier mu >= 0 at which its distance
        # is eps, or a corner of the box that lies inside the ball.
        corner = np.where(cost > 0, lower, np.where(cost < 0, upper, center))
        if np.linalg.norm(corner - center) <= eps:
            return corner
        if eps == 0.0:
            return center.copy()
        low, high = 0.0, float(np.linalg.norm(cost)) / eps
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2
            moved = np.clip(center - cost / middle, lower, upper)
            if np.linalg.norm(moved - center) <= eps:
                high = middle
            else:
                low = middle
        return np.clip(center - cost / high, lower, upper)

    @override
    def ball(self, center: Float64, eps: float, lower: Float64, upper: Float64) -> Embedding:
        low, high = np.maximum(lower - center, -eps), np.minimum(upper - center, eps)
        box = Embedding.of_box(center, low, high)
        return replace(box, ball=BallConstraint(np.zeros(center.size), eps))

    @override
    def epigraph(self, center: Float64, lower: Float64, upper: Float64) -> Embedding:
        # Half the squared distance.
        box = Embedding.of_box(center, lower - center, upper - center)
        return replace(box, quadratic_cost=np.ones(center.size))
