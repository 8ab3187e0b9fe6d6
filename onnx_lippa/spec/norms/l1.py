"""The sum norm: displacements are split into a positive and a negative part."""

from __future__ import annotations

from typing import final

import numpy as np
import scipy.sparse as sp

from onnx_lippa.arrays import Float64, Floats
from onnx_lippa.spec.embedding import Embedding
from onnx_lippa.spec.norms.base import Norm, Projector
from onnx_lippa.spec.norms.exact import Magnitudes, Ratio

_BEYOND = 7
"""Halvings of the threshold in a projection beyond the bits of its type."""


@final
class L1(Norm):
    """``sum_i |x_i|``."""

    name = "l1"
    order = 1.0
    solver = "glop"
    has_sparse_steps = True

    def measure(self, parts: Magnitudes) -> Ratio:
        """See :meth:`Norm.measure`."""
        return parts.sum_of_powers(1)

    def lengths(self, differences: Float64) -> Float64:
        """See :meth:`Norm.lengths`."""
        return np.abs(differences).sum(axis=1)

    def projector(self, center: Floats, eps: Floats, lower: Floats, upper: Floats) -> Projector:
        """See :meth:`Norm.projector`: the nearest point in ball and box.

        It shrinks every displacement by one threshold and clips it to the box; the threshold is
        found by bisection.
        """

        def project(x: Floats) -> Floats:
            shift = np.clip(x, lower, upper) - center
            outside = np.abs(shift).sum(axis=1) > eps
            if not np.any(outside):
                return center + shift
            raw = (x - center)[outside]
            magnitude = np.abs(raw)
            room = np.where(raw > 0, (upper - center)[outside], (center - lower)[outside])
            low, high = np.zeros(len(raw), dtype=x.dtype), magnitude.max(axis=1)
            for _ in range(np.finfo(x.dtype).nmant + _BEYOND):
                middle = (low + high) / 2
                spent = np.clip(magnitude - middle[:, None], 0, room).sum(axis=1)
                inside = spent <= eps[outside]
                high, low = np.where(inside, middle, high), np.where(inside, low, middle)
            shift[outside] = np.sign(raw) * np.clip(magnitude - high[:, None], 0, room)
            return center + shift

        return project

    def steepest_descent(self, gradient: Floats) -> Floats:
        """See :meth:`Norm.steepest_descent`.

        The steepest unit step moves one coordinate only; as in sparse ℓ1 attacks we move the
        top 1 % of them by equal shares, which a batch of small steps needs to get anywhere.
        """
        d = gradient.shape[1]
        kept = max(1, d // 100)
        magnitude = np.abs(gradient)
        threshold = np.partition(magnitude, d - kept, axis=1)[:, d - kept]
        chosen = (magnitude >= threshold[:, None]) & (magnitude > 0)
        count = np.maximum(chosen.sum(axis=1), 1).astype(gradient.dtype)
        return np.where(chosen, -np.sign(gradient), 0).astype(gradient.dtype) / count[:, None]

    def sample(self, generator: np.random.Generator, d: int) -> Float64:
        """See :meth:`Norm.sample`; uniform (exponential spacings)."""
        return self.samples(generator, 1, d)[0]

    def samples(self, generator: np.random.Generator, count: int, d: int) -> Float64:
        """See :meth:`Norm.samples`; all at once."""
        parts = generator.exponential(size=(count, d + 1))
        signs = generator.choice([-1.0, 1.0], (count, d))
        return signs * parts[:, :d] / parts.sum(axis=1, keepdims=True)

    def sample_extreme(self, generator: np.random.Generator, d: int) -> Float64:
        """See :meth:`Norm.sample_extreme`: the budget shared by one coordinate in twenty."""
        chosen = generator.choice(d, max(1, d // 20), replace=False)
        parts = generator.exponential(size=len(chosen))
        point = np.zeros(d)
        point[chosen] = generator.choice([-1.0, 1.0], len(chosen)) * parts / parts.sum()
        return point

    def dual(self, gradient: Float64) -> Float64:
        """See :meth:`Norm.dual`: the maximum norm."""
        return np.abs(gradient).max(axis=1)

    def least_linear(
        self, cost: Float64, center: Float64, eps: float, lower: Float64, upper: Float64
    ) -> Float64:
        """See :meth:`Norm.least_linear`: spends the budget on the largest costs first."""
        order = np.argsort(-np.abs(cost), kind="stable")
        room = np.where(cost > 0, center - lower, upper - center)[order]
        room = np.where(cost[order] != 0, room, 0.0)
        before = np.concatenate([[0.0], np.cumsum(room)[:-1]])
        spent = np.clip(eps - before, 0.0, room)
        x = center.copy()
        x[order] -= np.sign(cost[order]) * spent
        return x

    def ball(self, center: Float64, eps: float, lower: Float64, upper: Float64) -> Embedding:
        """See :meth:`Norm.ball`: ``x = center + p - n``, one row ``sum(p + n) <= eps``."""
        whole = self.epigraph(center, lower, upper)
        total = sp.csr_array(np.ones((1, 2 * center.size)))
        return Embedding(
            offset=whole.offset,
            matrix=whole.matrix,
            lower=whole.lower,
            upper=np.minimum(whole.upper, eps),
            rows=total,
            row_lower=np.array([-np.inf]),
            row_upper=np.array([eps]),
            cost=np.zeros(2 * center.size),
        )

    def epigraph(self, center: Float64, lower: Float64, upper: Float64) -> Embedding:
        """See :meth:`Norm.epigraph`: cost ``sum(p + n)``."""
        d = center.size
        identity = sp.eye_array(d)
        return Embedding(
            offset=center,
            matrix=sp.csr_array(sp.hstack([identity, -identity])),
            lower=np.zeros(2 * d),
            upper=np.concatenate([upper - center, center - lower]),
            rows=sp.csr_array((0, 2 * d)),
            row_lower=np.zeros(0),
            row_upper=np.zeros(0),
            cost=np.ones(2 * d),
        )
