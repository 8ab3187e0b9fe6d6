"""A program: arrays in, nothing else."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from onnx_lippa.arrays import Float64


@dataclass(frozen=True)
class Rows:
    """Two-sided constraints ``lower <= matrix @ v <= upper``.

    Attributes:
        matrix: sparse coefficients, (rows, variables).
        lower: lower sides, -inf where there is none.
        upper: upper sides, +inf where there is none.
    """

    matrix: sp.csr_array
    lower: Float64
    upper: Float64

    @property
    def count(self) -> int:
        """Number of rows."""
        return int(self.matrix.shape[0])

    @classmethod
    def none(cls, variables: int) -> Rows:
        """No rows at all."""
        return cls(sp.csr_array((0, variables)), np.zeros(0), np.zeros(0))

    def stacked_on(self, other: Rows) -> Rows:
        """The rows of ``other``, then these."""
        return Rows(
            sp.csr_array(sp.vstack([other.matrix, self.matrix], format="csr")),
            np.concatenate([other.lower, self.lower]),
            np.concatenate([other.upper, self.upper]),
        )


@dataclass(frozen=True)
class Cone:
    """A Euclidean ball over the first variables: ``||v[:d] - center|| <= radius``.

    Attributes:
        center: (d,) centre.
        radius: positive radius.
    """

    center: Float64
    radius: float


@dataclass(frozen=True)
class Program:
    """``min cost @ v + 1/2 v @ diag(curvature) @ v`` over bounds, rows and perhaps a cone.

    Attributes:
        cost: linear objective, one entry a variable.
        lower: lower bounds of the variables.
        upper: upper bounds of the variables.
        rows: linear constraints.
        curvature: non-negative diagonal of the quadratic objective, or None for a linear one.
        cone: a ball the first variables must lie in, or None.
        integers: which variables must be whole numbers, or None where none must.
    """

    cost: Float64
    lower: Float64
    upper: Float64
    rows: Rows
    curvature: Float64 | None = None
    cone: Cone | None = None
    integers: npt.NDArray[np.bool_] | None = None

    @property
    def variables(self) -> int:
        """Number of variables."""
        return int(self.cost.size)

    @property
    def has_integers(self) -> bool:
        """Whether some variable must be a whole number."""
        return self.integers is not None and bool(self.integers.any())

    @property
    def is_linear(self) -> bool:
        """Whether a solver of linear programs can take it."""
        return self.curvature is None and self.cone is None and not self.has_integers
