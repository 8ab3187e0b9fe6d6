"""The variables of the programs: inputs in a ball of linear inequalities, and units."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import ClassVar, Final

import numpy as np

from onnx_lippa.arrays import Float64, Integers, States
from onnx_lippa.bounds.domain import InputDomain
from onnx_lippa.bounds.reduced_network import ReducedNetwork
from onnx_lippa.ending import Ending, StoppedError
from onnx_lippa.ir.pattern import ACTIVE, UNDECIDED
from onnx_lippa.spec import Embedding, Rows, StatedSet

_ROOM: Final = 1 + 1e-9
"""Factor of a radius, so that rounding cuts nothing off the ball."""


class NoProgramError(StoppedError):
    """There is no mixed-integer linear program of a problem."""

    ending: ClassVar[Ending] = Ending.UNSUPPORTED


def embed_domain(domain: InputDomain) -> Embedding:
    """The inputs of a domain: the intersection of its box and its ball.

    Raises:
        NoProgramError: the ball is not given by linear inequalities.
    """
    ball = domain.ball
    if ball is None:
        return domain.embedding()
    return _restrict(domain, ball.norm.ball(ball.center, ball.eps * _ROOM, *domain.box))


def embed_distance(domain: InputDomain, inputs: StatedSet) -> Embedding:
    """The inputs of a domain, with the distance to the centre as cost.

    Args:
        domain: the box.
        inputs: the set whose norm and centre define the distance; the domain has its norm.

    Raises:
        NoProgramError: the distance is not linear in any variables.
    """
    embedding = inputs.norm.epigraph(inputs.center, *domain.box)
    most = np.minimum(embedding.upper, inputs.eps * _ROOM)
    variables = _restrict(domain, replace(embedding, upper=most))
    if domain.ball is None:
        return variables
    # Bounds of units may hold only within the ball.
    radius = Rows.at_most(variables.cost[None], np.array([domain.ball.eps * _ROOM]))
    return replace(variables, rows=variables.rows.append(radius))


def _restrict(domain: InputDomain, embedding: Embedding) -> Embedding:
    if embedding.ball is not None or embedding.quadratic_cost is not None:
        raise NoProgramError("the ball of its norm is round, and the programs here are linear")
    return domain.restrict(embedding)


def find_variables(embedding: Embedding, x: Float64, distance: float) -> Float64:
    """The variables (variables,) of a point (d,) at this distance.

    Args:
        embedding: at most one feature depends on each variable.
        x: the point.
        distance: the distance, the value of a variable that x does not depend on.
    """
    values = np.full(embedding.count, distance)
    entries = embedding.matrix.tocsc().tocoo()
    shift = (x - embedding.offset)[entries.row]
    values[entries.col] = shift / np.where(entries.data != 0, entries.data, 1.0)
    return np.clip(values, embedding.lower, embedding.upper)


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
        for first, end in pairwise(reduced.starts):
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
