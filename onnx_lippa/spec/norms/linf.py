"""The maximum norm: the ball is a box, so region programs need nothing but bounds."""

from __future__ import annotations

import math
from typing import final

import numpy as np
import scipy.sparse as sp

from onnx_lippa.arrays import Float64, Floats
from onnx_lippa.spec.embedding import Embedding
from onnx_lippa.spec.norms.base import Norm, Projector
from onnx_lippa.spec.norms.exact import Magnitudes, Ratio, two_difference


@final
class LInf(Norm):
    """``max_i |x_i|``."""

    name = "linf"
    order = np.inf
    solver = "glop"

    def measure(self, parts: Magnitudes) -> Ratio:
        """See :meth:`Norm.measure`."""
        return parts.largest()

    def within(self, x: Float64, center: Float64, eps: float, units: Float64 | None = None) -> bool:
        """See :meth:`Norm.within`; where each feature has a bound of its own, without numbers
        larger than floats: corners of the ball are where every feature is close."""
        if math.isinf(eps) or not (units is None or eps == 1.0) or not np.isfinite(x).all():
            return super().within(x, center, eps, units)
        difference, error = two_difference(x, center)
        size = np.abs(difference)
        bound = np.asarray(eps if units is None else units)
        # Rounding keeps order, so only where both round alike does the error decide.
        above = (size > bound) | ((size == bound) & (np.sign(difference) * error > 0))
        return not above.any()

    def distance(self, x: Float64, center: Float64, units: Float64 | None = None) -> float:
        """See :meth:`Norm.distance`; without units, and without numbers larger than floats."""
        if units is not None or not np.isfinite(x).all() or not x.size:
            return super().distance(x, center, units)
        difference, error = two_difference(x, center)
        size = np.abs(difference)
        largest = float(size.max())
        # The difference nearest to the real one is the least float above it, or the one below.
        beyond = (size == largest) & (np.sign(difference) * error > 0)
        return math.nextafter(largest, math.inf) if beyond.any() else largest

    def lengths(self, differences: Float64) -> Float64:
        """See :meth:`Norm.lengths`; exact."""
        return np.abs(differences).max(axis=1, initial=0.0)

    def projector(self, center: Floats, eps: Floats, lower: Floats, upper: Floats) -> Projector:
        """See :meth:`Norm.projector`: ball and box are one box."""
        low = np.maximum(center - eps[:, None], lower)
        high = np.minimum(center + eps[:, None], upper)

        def project(x: Floats) -> Floats:
            np.maximum(x, low, out=x)
            return np.minimum(x, high, out=x)

        return project

    def steepest_descent(self, gradient: Floats) -> Floats:
        """See :meth:`Norm.steepest_descent`: minus the sign."""
        return -np.sign(gradient)

    def sample(self, generator: np.random.Generator, d: int) -> Float64:
        """See :meth:`Norm.sample`; uniform."""
        return generator.uniform(-1.0, 1.0, d)

    def samples(self, generator: np.random.Generator, count: int, d: int) -> Float64:
        """See :meth:`Norm.samples`; all at once."""
        return generator.uniform(-1.0, 1.0, (count, d))

    def sample_extreme(self, generator: np.random.Generator, d: int) -> Float64:
        """See :meth:`Norm.sample_extreme`: a corner."""
        return generator.choice([-1.0, 1.0], d)

    def dual(self, gradient: Float64) -> Float64:
        """See :meth:`Norm.dual`: the sum norm."""
        return np.abs(gradient).sum(axis=1)

    def least_linear(
        self, cost: Float64, center: Float64, eps: float, lower: Float64, upper: Float64
    ) -> Float64:
        """See :meth:`Norm.least_linear`: the corner that the signs of the cost name."""
        low, high = np.maximum(center - eps, lower), np.minimum(center + eps, upper)
        return np.where(cost > 0, low, np.where(cost < 0, high, center))

    def ball(self, center: Float64, eps: float, lower: Float64, upper: Float64) -> Embedding:
        """See :meth:`Norm.ball`: the variables are the displacement from the centre."""
        d = center.size
        return Embedding(
            offset=center,
            matrix=sp.csr_array(sp.eye_array(d)),
            lower=np.maximum(-eps, lower - center),
            upper=np.minimum(eps, upper - center),
            rows=sp.csr_array((0, d)),
            row_lower=np.zeros(0),
            row_upper=np.zeros(0),
            cost=np.zeros(d),
        )

    def epigraph(self, center: Float64, lower: Float64, upper: Float64) -> Embedding:
        """See :meth:`Norm.epigraph`: ``-t <= v_i <= t`` with t as the last variable."""
        d = center.size
        identity, ones = sp.eye_array(d), np.ones((d, 1))
        rows = sp.vstack([sp.hstack([identity, -ones]), sp.hstack([identity, ones])])
        return Embedding(
            offset=center,
            matrix=sp.csr_array(sp.hstack([identity, sp.csr_array((d, 1))])),
            lower=np.append(lower - center, 0.0),
            upper=np.append(upper - center, np.inf),
            rows=sp.csr_array(rows),
            row_lower=np.concatenate([np.full(d, -np.inf), np.zeros(d)]),
            row_upper=np.concatenate([np.zeros(d), np.full(d, np.inf)]),
            cost=np.append(np.zeros(d), 1.0),
        )
