"""Linear, quadratic and mixed-integer programs as arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from onnx_lippa.arrays import Float64
from onnx_lippa.spec import BallConstraint, Embedding, Rows


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

    @classmethod
    def over(cls, embedding: Embedding, rows: Rows) -> Program:
        """The least cost of an embedding under all these rows, its own among them."""
        e = embedding
        return cls(e.cost, e.lower, e.upper, rows, e.quadratic_cost, e.ball)

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
