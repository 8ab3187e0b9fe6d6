"""Linear, quadratic and mixed-integer programs as arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from onnx_lippa.arrays import Float64
from onnx_lippa.spec import Embedding


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
        """No rows."""
        return cls(sp.csr_array((0, variables)), np.zeros(0), np.zeros(0))

    @classmethod
    def of(cls, embedding: Embedding) -> Rows:
        """The rows of an embedding of inputs."""
        return cls(embedding.rows, embedding.row_lower, embedding.row_upper)

    def append(self, other: Rows) -> Rows:
        """These rows followed by others."""
        return Rows(
            sp.csr_array(sp.vstack([self.matrix, other.matrix], format="csr")),
            np.concatenate([self.lower, other.lower]),
            np.concatenate([self.upper, other.upper]),
        )


@dataclass(frozen=True)
class BallConstraint:
    """``||v[:d] - center||_2 <= radius`` over the first d variables.

    Attributes:
        center: (d,) centre.
        radius: positive radius.
    """

    center: Float64
    radius: float

    @classmethod
    def of(cls, embedding: Embedding) -> BallConstraint | None:
        """The ball of an embedding of inputs, or None where it has none."""
        if embedding.radius is None:
            return None
        return cls(np.zeros(embedding.offset.size), embedding.radius)


@dataclass(frozen=True)
class Program:
    """``min cost @ v + 1/2 v @ diag(quadratic_cost) @ v`` over bounds, rows and ball.

    Attributes:
        cost: (variables,) linear part of the objective.
        lower: lower bounds of the variables.
        upper: upper bounds of the variables.
        rows: linear constraints.
        quadratic_cost: (variables,) non-negative diagonal of the quadratic part, or None.
        ball: constraint on the first variables, or None.
        integers: (variables,) which variables must be integers, or None.
    """

    cost: Float64
    lower: Float64
    upper: Float64
    rows: Rows
    quadratic_cost: Float64 | None = None
    ball: BallConstraint | None = None
    integers: npt.NDArray[np.bool_] | None = None

    @property
    def variables(self) -> int:
        """Number of variables."""
        return int(self.cost.size)

    @property
    def has_integers(self) -> bool:
        """Whether some variable must be an integer."""
        return self.integers is not None and bool(self.integers.any())

    @property
    def is_linear(self) -> bool:
        """Whether it is a plain linear program."""
        return self.quadratic_cost is None and self.ball is None and not self.has_integers
