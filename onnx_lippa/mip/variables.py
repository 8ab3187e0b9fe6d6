"""The variables of the programs: inputs in a ball of linear inequalities, and units."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Final

import numpy as np
import scipy.sparse as sp

from onnx_lippa.arrays import Float64, Integers, States
from onnx_lippa.bounds.domain import InputDomain
from onnx_lippa.bounds.reduced_network import ReducedNetwork
from onnx_lippa.ending import Ending, StoppedError
from onnx_lippa.ir.pattern import ACTIVE, UNDECIDED
from onnx_lippa.lp.program import Rows
from onnx_lippa.spec import Embedding, StatedSet

_ROOM: Final = 1 + 1e-9
"""Factor of a radius, so that rounding cuts nothing off the ball."""


class NoProgramError(StoppedError):
    """There is no mixed-integer linear program of a problem."""

    ending: ClassVar[Ending] = Ending.UNSUPPORTED


@dataclass(frozen=True)
class InputVariables:
    """``x = offset + matrix @ p`` for variables p between bounds that satisfy some rows.

    Attributes:
        offset: (d,).
        matrix: sparse (d, variables), at most one entry in each column.
        lower: (variables,) lower bounds.
        upper: (variables,) upper bounds.
        rows: constraints.
        cost: (variables,) the distance; zeros where it is not minimised.
    """

    offset: Float64
    matrix: sp.csr_array
    lower: Float64
    upper: Float64
    rows: Rows
    cost: Float64

    @property
    def count(self) -> int:
        """Number of variables."""
        return int(self.lower.size)

    @classmethod
    def within(cls, domain: InputDomain) -> InputVariables:
        """The inputs of a domain: the intersection of its box and its ball.

        Raises:
            NoProgramError: the ball is not given by linear inequalities.
        """
        ball, d = domain.ball, domain.lower.size
        if ball is None:
            return cls(
                np.zeros(d), sp.csr_array(sp.eye_array(d)), domain.lower, domain.upper,
                Rows.none(d), np.zeros(d),
            )  # fmt: skip
        # Features that do not vary keep their values.
        lower, upper = _whole_box(domain)
        return _restrict(domain, ball.norm.ball(ball.center, ball.eps * _ROOM, lower, upper))

    @classmethod
    def with_distance(cls, domain: InputDomain, inputs: StatedSet) -> InputVariables:
        """The inputs of a domain, with the distance to the centre as cost.

        Args:
            domain: the box.
            inputs: the set whose norm and centre define the distance; the domain has its norm.

        Raises:
            NoProgramError: the distance is not linear in any variables.
        """
        lower, upper = _whole_box(domain)
        embedding = inputs.norm.epigraph(inputs.center, lower, upper)
        variables = _restrict(domain, embedding, inputs.eps * _ROOM)
        if domain.ball is None:
            return variables
        # Bounds of units may hold only within the ball.
        radius = Rows(
            sp.csr_array(variables.cost[None]),
            np.array([-np.inf]),
            np.array([domain.ball.eps * _ROOM]),
        )
        return replace(variables, rows=variables.rows.append(radius))

    def at(self, x: Float64, distance: float) -> Float64:
        """The variables (variables,) of a point (d,) at this distance."""
        columns = self.matrix.tocsc()
        values = np.full(
            self.count, distance
        )  # a variable that x does not depend on is the distance
        entries = columns.tocoo()
        shift = (x - self.offset)[entries.row]
        values[entries.col] = shift / np.where(entries.data != 0, entries.data, 1.0)
        return np.clip(values, self.lower, self.upper)


def _whole_box(domain: InputDomain) -> tuple[Float64, Float64]:
    """Bounds of all features, including those that do not vary."""
    lower, upper, free = domain.base.copy(), domain.base.copy(), domain.free
    lower[free], upper[free] = domain.lower[: free.size], domain.upper[: free.size]
    return lower, upper


def _restrict(domain: InputDomain, embedding: Embedding, most: float = np.inf) -> InputVariables:
    """The embedding of all features restricted to those of a domain, and its further variables."""
    if embedding.radius is not None or embedding.quadratic_cost is not None:
        raise NoProgramError("the ball of its norm is round, and the programs here are linear")
    further = domain.lower.size - domain.free.size
    offset = np.concatenate([embedding.offset[domain.free], np.zeros(further)])
    own = sp.csr_array(embedding.matrix[domain.free])
    matrix = sp.block_diag([own, sp.eye_array(further)], format="csr") if further else own
    rows, none = embedding.rows, sp.csr_array((embedding.rows.shape[0], further))
    return InputVariables(
        offset,
        sp.csr_array(matrix),
        np.concatenate([embedding.lower, domain.lower[domain.free.size :]]),
        np.concatenate([np.minimum(embedding.upper, most), domain.upper[domain.free.size :]]),
        Rows(
            sp.csr_array(sp.hstack([rows, none], format="csr")),
            embedding.row_lower,
            embedding.row_upper,
        ),
        np.concatenate([embedding.cost, np.zeros(further)]),
    )


@dataclass(frozen=True)
class SubstitutedUnits:
    """``ẑ`` and ``z`` of all units, affine in x and the z of the free units alone.

    Attributes:
        free: the units whose sign is not given.
        z_hat: (units, d + free) and ...
        z_hat_offset: (units,) ... the constant.
        z: (units, d + free) and ...
        z_offset: (units,) ... the constant.
    """

    free: Integers
    z_hat: Float64
    z_hat_offset: Float64
    z: Float64
    z_offset: Float64

    @classmethod
    def of(cls, reduced: ReducedNetwork, fixed: States) -> SubstitutedUnits:
        """Fixed units replaced by ẑ where they are active and by 0 where they are not.

        Args:
            reduced: the reduced network.
            fixed: (units,) signs, UNDECIDED where a unit is free.
        """
        d, units = reduced.inputs, reduced.units
        free = np.flatnonzero(fixed == UNDECIDED)
        z_hat = np.hstack([reduced.on_input, np.zeros((units, free.size))])
        offset = reduced.offset.copy()
        z, z_offset = np.zeros((units, d + free.size)), np.zeros(units)
        z[free, d + np.arange(free.size)] = 1.0
        for first, end in zip(reduced.starts, reduced.starts[1:], strict=False):
            if first > 0:
                weights = reduced.on_units[first:end, :first]
                z_hat[first:end] += weights @ z[:first]
                offset[first:end] += weights @ z_offset[:first]
            active = first + np.flatnonzero(fixed[first:end] == ACTIVE)
            z[active], z_offset[active] = z_hat[active], offset[active]
        return cls(free, z_hat, offset, z, z_offset)


def compute_range(
    rows: Float64, offset: Float64, lower: Float64, upper: Float64
) -> tuple[Float64, Float64]:
    """The range (n,) of ``rows @ v + offset`` for v between bounds; rows (n, v)."""
    middle, radius = lower / 2 + upper / 2, upper / 2 - lower / 2
    center, width = rows @ middle + offset, np.abs(rows) @ radius
    return center - width, center + width
