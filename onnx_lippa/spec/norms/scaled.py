"""A norm in units of its own for every feature."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final, final

import numpy as np
import scipy.sparse as sp

from onnx_lippa.arrays import Float64, Floats
from onnx_lippa.spec.embedding import Embedding
from onnx_lippa.spec.norms.base import Norm, Projector, in_units
from onnx_lippa.spec.norms.exact import Magnitudes, Ratio

_MOST: Final = 1e15
"""Displacements in units beyond this are as good as infinite; their squares are float32 still."""
_LARGEST: Final = 1e30
"""Units beyond this are searched as if they were this, so that float32 can hold a step."""


@final
class Scaled(Norm):
    """``||x / units||`` for another norm: a radius of 1 lets feature i move by ``units[i]``.

    A feature whose unit is 0 must not move. Everything is the other norm's, after the change of
    variables ``z = x / units``.

    Args:
        norm: the other norm.
        units: (d,) how much each feature counts as 1; not negative.
    """

    def __init__(self, norm: Norm, units: Float64) -> None:
        self.name, self.order, self.solver = norm.name, norm.order, norm.solver
        self.power, self.has_sparse_steps = norm.power, norm.has_sparse_steps
        self.norm, self.units = norm, units
        self._safe = np.where(units > 0, units, 1.0)

    def measure(self, parts: Magnitudes) -> Ratio:
        """See :meth:`Norm.measure`."""
        return self.norm.measure(parts)

    def within(self, x: Float64, center: Float64, eps: float, units: Float64 | None = None) -> bool:
        """See :meth:`Norm.within`: each quotient is that of real numbers."""
        if self._moves_what_is_fixed(x, center):
            return False
        return self.norm.within(x, center, eps, self._units(units))

    def distance(self, x: Float64, center: Float64, units: Float64 | None = None) -> float:
        """See :meth:`Norm.distance`; infinite where a feature moved that must not."""
        if self._moves_what_is_fixed(x, center):
            return math.inf
        return self.norm.distance(x, center, self._units(units))

    def lengths(self, differences: Float64) -> Float64:
        """See :meth:`Norm.lengths`."""
        moved = np.any(differences[:, self.units == 0] != 0, axis=1)
        return np.where(moved, np.inf, self.norm.lengths(in_units(differences, self._safe)))

    def widths(self, d: int) -> Float64:
        """See :meth:`Norm.widths`."""
        return self.units * self.norm.widths(d)

    def projector(self, center: Floats, eps: Floats, lower: Floats, upper: Floats) -> Projector:
        """See :meth:`Norm.projector`."""
        units = np.minimum(self._safe, _LARGEST).astype(center.dtype)
        # In float32 a small unit may be 0 as well.
        fixed = (self.units == 0) | (units == 0)
        units = np.where(fixed, np.ones_like(units), units)
        low, high = np.where(fixed, center, lower), np.where(fixed, center, upper)
        with np.errstate(over="ignore"):
            box = (low - center) / units, (high - center) / units
        inner = self.norm.projector(np.zeros_like(center), eps, *box)

        def project(x: Floats) -> Floats:
            with np.errstate(over="ignore"):
                z = np.clip((x - center) / units, -_MOST, _MOST)
            return np.clip(center + units * inner(z), low, high)

        return project

    def steepest_descent(self, gradient: Floats) -> Floats:
        """See :meth:`Norm.steepest_descent`."""
        units = np.minimum(self.units, _LARGEST)
        # Only the direction of what the other norm is given counts, so it may be kept in range.
        shares = (units / max(units.max(initial=0.0), np.finfo(np.float64).tiny)).astype(
            gradient.dtype
        )
        return units.astype(gradient.dtype) * self.norm.steepest_descent(shares * gradient)

    def sample(self, generator: np.random.Generator, d: int) -> Float64:
        """See :meth:`Norm.sample`."""
        return self.units * self.norm.sample(generator, d)

    def samples(self, generator: np.random.Generator, count: int, d: int) -> Float64:
        """See :meth:`Norm.samples`."""
        return self.units * self.norm.samples(generator, count, d)

    def sample_extreme(self, generator: np.random.Generator, d: int) -> Float64:
        """See :meth:`Norm.sample_extreme`."""
        return self.units * self.norm.sample_extreme(generator, d)

    def dual(self, gradient: Float64) -> Float64:
        """See :meth:`Norm.dual`."""
        return self.norm.dual(self.units * gradient)

    def least_linear(
        self, cost: Float64, center: Float64, eps: float, lower: Float64, upper: Float64
    ) -> Float64:
        """See :meth:`Norm.least_linear`."""
        low, high = self._box(center, lower, upper)
        z = self.norm.least_linear(self.units * cost, np.zeros_like(center), eps, low, high)
        return np.clip(center + self.units * z, lower, upper)

    def ball(self, center: Float64, eps: float, lower: Float64, upper: Float64) -> Embedding:
        """See :meth:`Norm.ball`."""
        low, high = self._box(center, lower, upper)
        return self._unscaled(self.norm.ball(np.zeros_like(center), eps, low, high), center)

    def epigraph(self, center: Float64, lower: Float64, upper: Float64) -> Embedding:
        """See :meth:`Norm.epigraph`."""
        low, high = self._box(center, lower, upper)
        return self._unscaled(self.norm.epigraph(np.zeros_like(center), low, high), center)

    def _units(self, others: Float64 | None) -> Float64:
        return self._safe if others is None else self._safe * others

    def _moves_what_is_fixed(self, x: Float64, center: Float64) -> bool:
        fixed = self.units == 0
        return bool(np.any(x[fixed] != center[fixed]))

    def _box(self, center: Float64, lower: Float64, upper: Float64) -> tuple[Float64, Float64]:
        """The box in z around a centre at 0; a feature that must not move has none of it."""
        moves = self.units > 0
        with np.errstate(over="ignore"):
            low, high = (lower - center) / self._safe, (upper - center) / self._safe
        return np.where(moves, low, 0.0), np.where(moves, high, 0.0)

    def _unscaled(self, embedding: Embedding, center: Float64) -> Embedding:
        """An embedding of z as one of x: in its first d variables the rows stay as they are."""
        matrix = sp.csr_array(sp.diags_array(self.units) @ embedding.matrix)
        offset = center + self.units * embedding.offset
        return replace(embedding, offset=offset, matrix=matrix)
