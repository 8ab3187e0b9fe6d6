"""A weighted norm: each feature has a scale of its own."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final, final

import numpy as np
import scipy.sparse as sp
from typing_extensions import override

from onnx_lippa.arrays import Float64, Floats
from onnx_lippa.spec.norms.base import Norm, Projector, divide_by_scale
from onnx_lippa.spec.norms.embedding import Embedding
from onnx_lippa.spec.norms.exact import Magnitudes, Ratio
from onnx_lippa.spec.norms.trust_region import Walk

_LARGEST_DISPLACEMENT: Final = 1e15
"""Scaled displacements are clipped to this; its square is finite in float32."""
_LARGEST_SCALE: Final = 1e30
"""Larger scales are searched as this one, so that steps are finite in float32."""


@final
class WeightedNorm(Norm):
    """``||x / scale||``, another norm after the change of variables ``z = x / scale``.

    Args:
        norm: the other norm.
        scale: (d,) the scale of each feature, at least 0; a feature of scale 0 must not move.
    """

    def __init__(self, norm: Norm, scale: Float64) -> None:
        self.name, self.order, self.solver = norm.name, norm.order, norm.solver
        self.power, self.has_sparse_steps = norm.power, norm.has_sparse_steps
        self.norm, self.scale = norm, scale
        self._safe = np.where(scale > 0, scale, 1.0)

    @override
    def measure(self, parts: Magnitudes) -> Ratio:
        return self.norm.measure(parts)

    @override
    def within(self, x: Float64, center: Float64, eps: float, scale: Float64 | None = None) -> bool:
        if self._moves_what_is_fixed(x, center):
            return False
        return self.norm.within(x, center, eps, self._combine(scale))

    @override
    def distance(self, x: Float64, center: Float64, scale: Float64 | None = None) -> float:
        if self._moves_what_is_fixed(x, center):
            return math.inf
        return self.norm.distance(x, center, self._combine(scale))

    @override
    def lengths(self, differences: Float64) -> Float64:
        moved = np.any(differences[:, self.scale == 0] != 0, axis=1)
        return np.where(moved, np.inf, self.norm.lengths(divide_by_scale(differences, self._safe)))

    @override
    def unit_radii(self, d: int) -> Float64:
        return self.scale * self.norm.unit_radii(d)

    @override
    def projector(self, center: Floats, eps: Floats, lower: Floats, upper: Floats) -> Projector:
        scale = np.minimum(self._safe, _LARGEST_SCALE).astype(center.dtype)
        # A small scale may round to 0 in float32.
        fixed = (self.scale == 0) | (scale == 0)
        scale = np.where(fixed, np.ones_like(scale), scale)
        low, high = np.where(fixed, center, lower), np.where(fixed, center, upper)
        with np.errstate(over="ignore"):
            box = (low - center) / scale, (high - center) / scale
        inner = self.norm.projector(np.zeros_like(center), eps, *box)

        def project(x: Floats) -> Floats:
            with np.errstate(over="ignore"):
                z = np.clip((x - center) / scale, -_LARGEST_DISPLACEMENT, _LARGEST_DISPLACEMENT)
            return np.clip(center + scale * inner(z), low, high)

        return project

    @override
    def steepest_descent(self, gradient: Floats) -> Floats:
        scale = np.minimum(self.scale, _LARGEST_SCALE)
        # Only the direction of the gradient matters, so it is kept in range.
        shares = (scale / max(scale.max(initial=0.0), np.finfo(np.float64).tiny)).astype(
            gradient.dtype
        )
        return scale.astype(gradient.dtype) * self.norm.steepest_descent(shares * gradient)

    @override
    def samples(self, generator: np.random.Generator, count: int, d: int) -> Float64:
        return self.scale * self.norm.samples(generator, count, d)

    @override
    def sample_extreme(self, generator: np.random.Generator, d: int) -> Float64:
        return self.scale * self.norm.sample_extreme(generator, d)

    @override
    def dual(self, gradient: Float64) -> Float64:
        return self.norm.dual(self.scale * gradient)

    @override
    def step_to_hyperplane(
        self, normal: Floats, gap: Floats, lower: Floats, upper: Floats
    ) -> Floats:
        scale = np.minimum(self.scale, _LARGEST_SCALE)
        moves = scale > 0
        safe = np.where(moves, scale, 1.0)
        with np.errstate(over="ignore"):
            low, high = np.where(moves, lower / safe, 0.0), np.where(moves, upper / safe, 0.0)
        z = self.norm.step_to_hyperplane(scale * normal, gap.astype(np.float64), low, high)
        with np.errstate(over="ignore"):
            return np.clip((scale * z).astype(normal.dtype), lower, upper)

    @override
    def walk_boundary(self, walk: Walk) -> Floats:
        scale = np.minimum(self.scale, _LARGEST_SCALE)
        moves = scale > 0
        safe = np.where(moves, scale, 1.0)
        with np.errstate(over="ignore"):
            shift, lower, upper = (
                np.where(moves, one / safe, 0.0) for one in (walk.shift, walk.lower, walk.upper)
            )
        normal = scale * walk.normal
        z = self.norm.walk_boundary(Walk(shift, normal, walk.gap, walk.radius, lower, upper))
        with np.errstate(over="ignore"):
            return np.clip((scale * z).astype(walk.shift.dtype), walk.lower, walk.upper)

    @override
    def minimize_linear(
        self, cost: Float64, center: Float64, eps: float, lower: Float64, upper: Float64
    ) -> Float64:
        low, high = self._box(center, lower, upper)
        z = self.norm.minimize_linear(self.scale * cost, np.zeros_like(center), eps, low, high)
        return np.clip(center + self.scale * z, lower, upper)

    @override
    def ball(self, center: Float64, eps: float, lower: Float64, upper: Float64) -> Embedding:
        low, high = self._box(center, lower, upper)
        return self._unscaled(self.norm.ball(np.zeros_like(center), eps, low, high), center)

    @override
    def epigraph(self, center: Float64, lower: Float64, upper: Float64) -> Embedding:
        low, high = self._box(center, lower, upper)
        return self._unscaled(self.norm.epigraph(np.zeros_like(center), low, high), center)

    def _combine(self, others: Float64 | None) -> Float64:
        return self._safe if others is None else self._safe * others

    def _moves_what_is_fixed(self, x: Float64, center: Float64) -> bool:
        fixed = self.scale == 0
        return bool(np.any(x[fixed] != center[fixed]))

    def _box(self, center: Float64, lower: Float64, upper: Float64) -> tuple[Float64, Float64]:
        """The box of z around a centre at 0; degenerate for features that must not move."""
        moves = self.scale > 0
        with np.errstate(over="ignore"):
            low, high = (lower - center) / self._safe, (upper - center) / self._safe
        return np.where(moves, low, 0.0), np.where(moves, high, 0.0)

    def _unscaled(self, embedding: Embedding, center: Float64) -> Embedding:
        """The embedding of x for an embedding of z. Its rows do not change."""
        matrix = sp.csr_array(sp.diags_array(self.scale) @ embedding.matrix)
        offset = center + self.scale * embedding.offset
        return replace(embedding, offset=offset, matrix=matrix)
