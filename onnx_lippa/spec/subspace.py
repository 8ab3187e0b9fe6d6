"""The subspace of directions in which linear relations between features hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, final

import numpy as np

from onnx_lippa.arrays import AnyArray, Float64, Floats, Integers
from onnx_lippa.spec.norms.base import Projector

_RANK: Final = 1e-12
"""Share of the largest singular value below which a direction is rounding."""
_NEAR: Final = 1e-9
"""Largest residual of a projection, in units of the ball's radii, at which it ends."""


@final
@dataclass(frozen=True)
class Subspace:
    """Directions δ with ``R δ = 0``, in units of the ball: ``δ = scale u``.

    Attributes:
        normals: (d, r) orthonormal directions u that leave it.
        scale: (d,) how far each feature moves in the unit ball; 0 where it does not move.
    """

    normals: Float64
    scale: Float64

    @classmethod
    def of(cls, matrix: Float64, scale: Float64) -> Subspace:
        """The null space of a matrix (n, d) in features that move by these scales (d,)."""
        _, sizes, rows = np.linalg.svd(matrix * scale, full_matrices=False)
        return cls(rows[sizes > _RANK * sizes.max(initial=0.0)].T.copy(), scale)

    @cached_property
    def inverse(self) -> Float64:
        """(d,) 1 over the scale; 1 for features that do not move."""
        return np.asarray(1.0 / np.where(self.scale > 0, self.scale, 1.0))

    def project_gradient(self, gradient: Floats) -> Floats:
        """The gradients (n, d) of linear functions on the subspace."""
        scaled = gradient * self.scale
        return np.asarray((scaled - self._normal(scaled)) * self.inverse * (self.scale > 0))

    def times_scale(self, u: Floats) -> Floats:
        """Displacements (n, d) in place of those in units of the ball."""
        return np.asarray(u * self.scale)

    def residual(self, shift: Floats) -> Floats:
        """The parts of displacements (n, d) that leave it, in units of the ball."""
        return self._normal(shift * self.inverse)

    def _normal(self, u: Floats) -> Floats:
        return np.asarray((u @ self.normals) @ self.normals.T)


@final
@dataclass(frozen=True)
class RowSubspaces:
    """The subspaces of the rows of a batch, which are mostly one.

    Attributes:
        each: the different ones.
        which: (n,) the one of each row.
    """

    each: tuple[Subspace, ...]
    which: Integers

    @classmethod
    def of(cls, rows: Sequence[Subspace | None]) -> RowSubspaces | None:
        """Those of some rows; None without any. Equal ones are the same object."""
        places: dict[int, int] = {}
        each: list[Subspace] = []
        for one in rows:
            if one is None:
                return None
            if places.setdefault(id(one), len(each)) == len(each):
                each.append(one)
        return cls(tuple(each), np.array([places[id(one)] for one in rows]))

    def take(self, kept: Integers) -> RowSubspaces:
        """Those of some rows."""
        return replace(self, which=self.which[kept])

    def project_gradient(self, gradient: Floats) -> Floats:
        """The gradients (n, d) of linear functions on the subspaces."""
        return self._by_row(Subspace.project_gradient, gradient)

    def projector(self, project: Projector, center: Floats, rounds: int) -> Projector:
        """A projection onto convex sets, and onto the subspaces through their centres.

        The subspace comes first: a ball of ℓ2 within the box is then met exactly. Rows in which
        both are met stay, so that no row depends on the others.

        Args:
            project: the projection of points (n, d) onto the sets.
            center: (n, d) points of the sets.
            rounds: most alternations.
        """

        def project_both(x: Floats) -> Floats:
            x = project(self._onto(x, center)[0])
            for _ in range(rounds):
                moved, moving = self._onto(x, center)
                if not moving.any():
                    break
                x = np.where(moving, project(moved), x)
            return x

        return project_both

    def _onto(self, x: Floats, center: Floats) -> tuple[Floats, AnyArray]:
        """Points (n, d) projected onto the subspaces, and which rows (n, 1) were not on them."""
        residual = self._by_row(Subspace.residual, x - center)
        moving = np.abs(residual).max(axis=1, initial=0.0, keepdims=True) > _NEAR
        return x - self._by_row(Subspace.times_scale, residual), moving

    def _by_row(self, method: Callable[[Subspace, Floats], Floats], values: Floats) -> Floats:
        if len(self.each) == 1:
            return method(self.each[0], values).astype(values.dtype)
        results = np.empty_like(values)
        for place, one in enumerate(self.each):
            rows = self.which == place
            if rows.any():
                results[rows] = method(one, values[rows])
        return results
