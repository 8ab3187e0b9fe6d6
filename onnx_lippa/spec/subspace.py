"""The subspace of directions in which linear relations between features hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, final

import numpy as np

from onnx_lippa.arrays import Float64, Floats
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

    def project_gradient(self, gradient: Floats) -> Floats:
        """The gradients (n, d) of linear functions on the subspace."""
        inverse = 1.0 / np.where(self.scale > 0, self.scale, 1.0)
        along = self._along(gradient * self.scale) * np.where(self.scale > 0, inverse, 0.0)
        return along.astype(gradient.dtype)

    def projector(self, project: Projector, center: Floats, rounds: int) -> Projector:
        """A projection onto a convex set, and onto the subspace through its centres.

        Args:
            project: the projection of points (n, d) onto the set.
            center: (n, d) points of the set.
            rounds: most alternations.
        """
        inverse = 1.0 / np.where(self.scale > 0, self.scale, 1.0)

        def project_both(x: Floats) -> Floats:
            for _ in range(rounds):
                x = project(x)
                shift = (x - center) * inverse
                residual = (shift @ self.normals) @ self.normals.T
                if np.abs(residual).max(initial=0.0) <= _NEAR:
                    break
                x = (x - residual * self.scale).astype(x.dtype)
            return project(x)

        return project_both

    def _along(self, shift: Floats) -> Float64:
        return np.asarray(shift - (shift @ self.normals) @ self.normals.T)
