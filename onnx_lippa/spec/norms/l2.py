"""The Euclidean norm: the ball is a second-order cone constraint, the distance a quadratic cost."""

from __future__ import annotations

from typing import final

import numpy as np
import scipy.sparse as sp

from onnx_lippa.arrays import Float64, Floats
from onnx_lippa.spec.embedding import Embedding
from onnx_lippa.spec.norms.base import Norm, Projector
from onnx_lippa.spec.norms.exact import Magnitudes, Ratio

_BISECTIONS = 100
"""Halvings of the multiplier in :meth:`L2.least_linear`."""


@final
class L2(Norm):
    """``sqrt(sum_i x_i^2)``."""

    name = "l2"
    order = 2.0
    solver = "clarabel"
    power = 2

    def measure(self, parts: Magnitudes) -> Ratio:
        """See :meth:`Norm.measure`: the sum of squares."""
        return parts.sum_of_powers(2)

    def lengths(self, differences: Float64) -> Float64:
        """See :meth:`Norm.lengths`."""
        return np.sqrt((differences * differences).sum(axis=1))

    def projector(self, center: Floats, eps: Floats, lower: Floats, upper: Floats) -> Projector:
        """See :meth:`Norm.projector`: the box, then radially (the box is convex, so it holds)."""

        def project(x: Floats) -> Floats:
            shift = np.clip(x, lower, upper) - center
            length = np.sqrt((shift * shift).sum(axis=1))
            outside = length > eps
            shrink = np.ones_like(length)
            shrink[outside] = eps[outside] / length[outside]
            return center + shift * shrink[:, None]

        return project

    def steepest_descent(self, gradient: Floats) -> Floats:
        """See :meth:`Norm.steepest_descent`: minus the direction."""
        # Squares of small gradients underflow, so their largest entry is made 1 first.
        largest = np.abs(gradient).max(axis=1, keepdims=True, initial=0)
        scaled = gradient / np.where(largest > 0, largest, 1)
        length = np.sqrt((scaled * scaled).sum(axis=1, keepdims=True))
        return -scaled / np.where(length > 0, length, 1)

    def sample(self, generator: np.random.Generator, d: int) -> Float64:
        """See :meth:`Norm.sample`; uniform."""
        return self.samples(generator, 1, d)[0]

    def samples(self, generator: np.random.Generator, count: int, d: int) -> Float64:
        """See :meth:`Norm.samples`; all at once."""
        directions = generator.standard_normal((count, d))
        radii = generator.uniform(size=(count, 1)) ** (1.0 / d)
        return radii * directions / np.linalg.norm(directions, axis=1, keepdims=True)

    def sample_extreme(self, generator: np.random.Generator, d: int) -> Float64:
        """See :meth:`Norm.sample_extreme`: a point of the sphere."""
        direction = generator.standard_normal(d)
        return direction / np.linalg.norm(direction)

    def dual(self, gradient: Float64) -> Float64:
        """See :meth:`Norm.dual`: the norm itself."""
        return np.sqrt((gradient * gradient).sum(axis=1))

    def least_linear(
        self, cost: Float64, center: Float64, eps: float, lower: Float64, upper: Float64
    ) -> Float64:
        """See :meth:`Norm.least_linear`.

        The minimiser is ``clip(center - cost / mu)`` for the multiplier ``mu >= 0`` at which
        its distance is eps, or a corner of the box where that lies inside the ball.
        """
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

    def ball(self, center: Float64, eps: float, lower: Float64, upper: Float64) -> Embedding:
        """See :meth:`Norm.ball`."""
        d = center.size
        return Embedding(
            offset=center,
            matrix=sp.csr_array(sp.eye_array(d)),
            lower=np.maximum(lower - center, -eps),
            upper=np.minimum(upper - center, eps),
            rows=sp.csr_array((0, d)),
            row_lower=np.zeros(0),
            row_upper=np.zeros(0),
            cost=np.zeros(d),
            radius=eps,
        )

    def epigraph(self, center: Float64, lower: Float64, upper: Float64) -> Embedding:
        """See :meth:`Norm.epigraph`: half the squared distance."""
        d = center.size
        return Embedding(
            offset=center,
            matrix=sp.csr_array(sp.eye_array(d)),
            lower=lower - center,
            upper=upper - center,
            rows=sp.csr_array((0, d)),
            row_lower=np.zeros(0),
            row_upper=np.zeros(0),
            cost=np.zeros(d),
            quadratic_cost=np.ones(d),
        )
