"""Inputs as a linear image of bounded variables, and the constraints of these variables."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp

from onnx_lippa.arrays import Float64, Integers


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
    def at_most(cls, matrix: sp.sparray | Float64, upper: Float64) -> Rows:
        """One-sided constraints ``matrix @ v <= upper``."""
        return cls(sp.csr_array(matrix), np.full(len(upper), -np.inf), upper)

    def append(self, other: Rows) -> Rows:
        """These rows followed by others."""
        return Rows(
            sp.csr_array(sp.vstack([self.matrix, other.matrix], format="csr")),
            np.concatenate([self.lower, other.lower]),
            np.concatenate([self.upper, other.upper]),
        )

    def pad(self, further: int) -> Rows:
        """The same over further variables, with coefficients 0."""
        wide = sp.hstack([self.matrix, sp.csr_array((self.count, further))], format="csr")
        return replace(self, matrix=sp.csr_array(wide))


@dataclass(frozen=True)
class BallConstraint:
    """``||v[:d] - center||_2 <= radius`` over the first d variables.

    Attributes:
        center: (d,) centre.
        radius: positive radius.
    """

    center: Float64
    radius: float


@dataclass(frozen=True)
class Embedding:
    """Inputs ``x = offset + matrix @ v`` for variables v between bounds, under constraints.

    Attributes:
        offset: (d,) the input at ``v = 0``.
        matrix: sparse (d, variables).
        lower: (variables,) lower bounds.
        upper: (variables,) upper bounds.
        rows: linear constraints.
        cost: (variables,) linear part of the distance; zero in margin mode.
        quadratic_cost: (variables,) diagonal of the quadratic part of the distance, or None.
        ball: constraint on the first variables, or None.
    """

    offset: Float64
    matrix: sp.csr_array
    lower: Float64
    upper: Float64
    rows: Rows
    cost: Float64
    quadratic_cost: Float64 | None = None
    ball: BallConstraint | None = None

    @classmethod
    def of_box(cls, offset: Float64, lower: Float64, upper: Float64) -> Embedding:
        """Displacements (d,) from an offset, between bounds alone and without cost."""
        d = offset.size
        identity = sp.csr_array(sp.eye_array(d))
        return cls(offset, identity, lower, upper, Rows.none(d), np.zeros(d))

    @property
    def count(self) -> int:
        """Number of variables."""
        return int(self.lower.size)

    def at(self, v: Float64) -> Float64:
        """The input (d,) of variables v."""
        return np.asarray(self.offset + self.matrix @ v)

    def add_variables(self, lower: Float64, upper: Float64) -> Embedding:
        """The same with further variables behind, without cost, which x does not depend on."""
        further, quadratic_cost = np.zeros(lower.size), self.quadratic_cost
        columns = sp.csr_array((self.offset.size, lower.size))
        return replace(
            self,
            matrix=sp.csr_array(sp.hstack([self.matrix, columns])),
            lower=np.concatenate([self.lower, lower]),
            upper=np.concatenate([self.upper, upper]),
            rows=self.rows.pad(lower.size),
            cost=np.concatenate([self.cost, further]),
            quadratic_cost=None
            if quadratic_cost is None
            else np.concatenate([quadratic_cost, further]),
        )

    def add_features(self, lower: Float64, upper: Float64) -> Embedding:
        """The same with further features of x behind, each a variable between its bounds."""
        matrix = sp.block_diag([self.matrix, sp.eye_array(lower.size)], format="csr")
        return replace(
            self.add_variables(lower, upper),
            offset=np.concatenate([self.offset, np.zeros(lower.size)]),
            matrix=sp.csr_array(matrix),
        )

    def require(self, rows: Rows) -> Embedding:
        """The same under further rows over the features of x."""
        shift = rows.matrix @ self.offset
        over_v = sp.csr_array(rows.matrix @ self.matrix)
        further = Rows(over_v, rows.lower - shift, rows.upper - shift)
        return replace(self, rows=self.rows.append(further))

    def restrict(self, features: Integers) -> Embedding:
        """The embedding of some features, over the same variables."""
        matrix = sp.csr_array(self.matrix[features])
        return replace(self, offset=self.offset[features], matrix=matrix)

    def drop_unused(self) -> Embedding:
        """The same without variables that x does not depend on; they are 0 and have no cost."""
        used = np.flatnonzero(abs(self.matrix).sum(axis=0))
        ball, quadratic_cost = self.ball, self.quadratic_cost
        return Embedding(
            self.offset,
            sp.csr_array(self.matrix[:, used]),
            self.lower[used],
            self.upper[used],
            replace(self.rows, matrix=sp.csr_array(self.rows.matrix[:, used])),
            self.cost[used],
            None if quadratic_cost is None else quadratic_cost[used],
            None
            if ball is None
            else replace(ball, center=ball.center[used[used < ball.center.size]]),
        )
