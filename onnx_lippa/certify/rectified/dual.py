"""Lower bounds of linear functions of a rectified system, by Lagrangian duality.

For an objective ``g = a x + m z + γ`` the units are eliminated from the last to the first. With
``m`` the coefficient of z of one unit when all later ones are gone, and ``l < 0 < u`` its bounds,

    active     z = ẑ                                   ν = m - β      (ẑ >= 0 costs β >= 0)
    inactive   z = 0                                   ν = β          (ẑ <= 0 costs β >= 0)
    unstable   z >= α ẑ              where m >= 0      ν = α m
               z <= u (ẑ - l) / (u - l)  elsewhere     ν = m u / (u - l), constant -ν l

and ``ν ẑ`` is put in terms of x and the earlier units. What is left is linear in x, and its least
value over the inputs a lower bound of g: for any α in [0, 1] and any β >= 0. Optimised over both,
this is the bound of the linear program (α,β-CROWN: Wang et al., NeurIPS 2021).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from onnx_lippa.arrays import Float64, Floats, Integers, States
from onnx_lippa.certify.rectified.reach import Reach
from onnx_lippa.certify.rectified.system import RectifiedSystem


@dataclass(frozen=True)
class Units:
    """The units of a system, or those of its first blocks, over ``x = middle + radius e``.

    Attributes:
        reach: the inputs.
        on_input: A, (units, d), for e.
        on_units: L, (units, units).
        offset: c, (units,).
        starts: first unit of each block, and the number of units.
    """

    reach: Reach
    on_input: Floats
    on_units: Floats
    offset: Floats
    starts: tuple[int, ...]

    @classmethod
    def of(cls, system: RectifiedSystem, blocks: int | None = None) -> Units:
        """The units of the first blocks of a system, of all of them when None."""
        starts = system.starts if blocks is None else system.starts[: blocks + 1]
        end, reach = starts[-1], system.reach
        return cls(
            reach,
            system.on_input[:end] * reach.radius,
            system.on_units[:end, :end],
            system.offset[:end] + system.on_input[:end] @ reach.middle,
            starts,
        )

    def astype(self, dtype: type[np.floating]) -> Units:
        """The same in another floating-point type."""
        return Units(
            self.reach,
            self.on_input.astype(dtype),
            self.on_units.astype(dtype),
            self.offset.astype(dtype),
            self.starts,
        )

    def only(self, units: Integers, features: Integers) -> Units:
        """Some units, in order, over some features; the reach is to be a box."""
        return Units(
            self.reach.only(features),
            self.on_input[np.ix_(units, features)],
            self.on_units[np.ix_(units, units)],
            self.offset[units],
            tuple(int(n) for n in np.searchsorted(units, self.starts)),
        )

    @property
    def blocks(self) -> tuple[slice, ...]:
        """The units of each block."""
        return tuple(slice(f, e) for f, e in zip(self.starts, self.starts[1:], strict=False))


@dataclass(frozen=True)
class Objectives:
    """Linear functions ``on_input @ e + on_units @ z + offset``, one a row.

    Attributes:
        on_input: (n, d).
        on_units: (n, units).
        offset: (n,).
    """

    on_input: Floats
    on_units: Floats
    offset: Floats

    @classmethod
    def of(cls, reach: Reach, on_input: Float64, on_units: Float64, offset: Float64) -> Objectives:
        """From coefficients of x."""
        return cls(on_input * reach.radius, on_units, offset + on_input @ reach.middle)

    def astype(self, dtype: type[np.floating]) -> Objectives:
        """The same in another floating-point type."""
        return Objectives(
            self.on_input.astype(dtype), self.on_units.astype(dtype), self.offset.astype(dtype)
        )

    def take(self, rows: np.ndarray) -> Objectives:
        """Some rows, in this order."""
        return Objectives(self.on_input[rows], self.on_units[rows], self.offset[rows])

    def only(self, rows: Integers, units: Integers, features: Integers) -> Objectives:
        """Some rows that have no part in other units and features than these."""
        return Objectives(
            self.on_input[np.ix_(rows, features)],
            self.on_units[np.ix_(rows, units)],
            self.offset[rows],
        )

    @property
    def count(self) -> int:
        """Number of rows n."""
        return len(self.offset)


@dataclass(frozen=True)
class Relaxed:
    """What the units are replaced by; one row for each objective, or a single one for all.

    Attributes:
        state: (n, units) 1 active, -1 inactive, 0 unstable.
        slope: (n, units) of the upper line: ``u / (u - l)``, 1 if active, 0 if inactive.
        height: (n, units) of the upper line at ẑ = 0: ``-u l / (u - l)``, 0 if not unstable.
    """

    state: States
    slope: Floats
    height: Floats

    @classmethod
    def of(cls, lower: Floats, upper: Floats, state: States) -> Relaxed:
        """From bounds (n, units) of ẑ; those of units that are not unstable do not matter."""
        unstable = state == 0
        width = np.where(unstable, upper - lower, 1)
        slope = np.where(unstable, upper / width, state > 0).astype(lower.dtype)
        height = np.where(unstable, -lower * slope, 0).astype(lower.dtype)
        return cls(state, slope, height)

    def astype(self, dtype: type[np.floating]) -> Relaxed:
        """The same in another floating-point type."""
        return Relaxed(self.state, self.slope.astype(dtype), self.height.astype(dtype))

    def take(self, rows: np.ndarray) -> Relaxed:
        """Some rows, in this order; a single row for all stays as it is."""
        return self if len(self.state) == 1 else self.each(rows)

    def each(self, rows: np.ndarray) -> Relaxed:
        """These rows, in this order, whether or not there is but one."""
        return Relaxed(self.state[rows], self.slope[rows], self.height[rows])

    def only(self, rows: Integers, units: Integers) -> Relaxed:
        """Some units for some rows; a single row for all stays one."""
        if len(self.state) == 1:
            rows = np.zeros(1, np.int64)
        at = np.ix_(rows, units)
        return Relaxed(self.state[at], self.slope[at], self.height[at])

    def with_sign(self, rows: Integers, units: Integers, sign: States) -> Relaxed:
        """A copy in which some units, given by row and unit, are active (1) or inactive (-1)."""
        state, slope, height = self.state.copy(), self.slope.copy(), self.height.copy()
        state[rows, units], slope[rows, units], height[rows, units] = sign, sign > 0, 0
        return Relaxed(state, slope, height)

    def alphas(self, alpha: Floats) -> Floats:
        """Slopes of the lower lines: α where unstable, 1 if active, 0 if inactive."""
        return np.where(self.state == 0, alpha, self.state > 0).astype(self.slope.dtype)

    def adaptive(self) -> Floats:
        """Lower lines of the smaller area (DeepPoly: Singh et al., POPL 2019)."""
        return self.alphas((self.slope > 0.5).astype(self.slope.dtype))


@dataclass(frozen=True)
class Eliminated:
    """Objectives with all units eliminated.

    Attributes:
        rows: (n, d) what is left, linear in e.
        constant: (n,) and the constant.
        coefficients: m, (n, units).
        multipliers: ν, (n, units).
    """

    rows: Floats
    constant: Floats
    coefficients: Floats
    multipliers: Floats


def eliminate(
    units: Units, objectives: Objectives, relaxed: Relaxed, alpha: Floats, beta: Floats | None
) -> Eliminated:
    """Replaces the units, the last block first.

    Args:
        units: the units.
        objectives: the functions to be bounded; n of them.
        relaxed: what the units are replaced by.
        alpha: (n, units) or (1, units) slopes of lower lines, as :meth:`Relaxed.alphas` gives.
        beta: (n, units) multipliers of ``ẑ >= 0`` or ``ẑ <= 0``, not negative; None for none.
    """
    m = objectives.on_units.copy()
    nu = np.empty_like(m)
    constant = objectives.offset.copy()
    for block in reversed(units.blocks):
        above, below = np.maximum(m[:, block], 0), np.minimum(m[:, block], 0)
        constant += np.einsum(
            "nu,nu->n", below, np.broadcast_to(relaxed.height[:, block], below.shape)
        )
        part = above * alpha[:, block] + below * relaxed.slope[:, block]
        if beta is not None:
            part -= relaxed.state[:, block] * beta[:, block]
        nu[:, block] = part
        if block.start:
            m[:, : block.start] += part @ units.on_units[block, : block.start]
    constant += nu @ units.offset
    rows = nu @ units.on_input
    rows += objectives.on_input
    return Eliminated(rows, constant, m, nu)


def lower_bounds(units: Units, left: Eliminated) -> Floats:
    """Lower bounds (n,) of the objectives."""
    bounds: Floats = units.reach.least(left.rows) + left.constant
    return bounds


def allowance(units: Units, objectives: Objectives, left: Eliminated) -> Floats:
    """What rounding may have added to :func:`lower_bounds` at most; (n,).

    With t terms a sum in a type of unit roundoff ε is off by t ε times the sum of their sizes.
    """
    nu = np.abs(left.multipliers)
    sizes = nu @ (np.abs(units.on_input).sum(axis=1) + np.abs(units.offset))
    sizes += np.abs(objectives.on_input).sum(axis=1) + np.abs(objectives.offset)
    epsilon = float(np.finfo(units.offset.dtype).eps)
    terms = sum(units.on_input.shape) + 8
    slack: Floats = terms * epsilon * sizes
    return slack


def relaxed_values(
    units: Units, relaxed: Relaxed, alpha: Floats, left: Eliminated, points: Floats
) -> tuple[Floats, Floats]:
    """ẑ and z (n, units) at points e (n, d), z as the relaxation has it.

    Where the points are the minimisers, ẑ is the derivative of the bound by ν, and z by m.
    """
    z_hat = points @ units.on_input.T
    z_hat += units.offset
    z = np.empty_like(z_hat)
    for block in units.blocks:
        if block.start:
            z_hat[:, block] += z[:, : block.start] @ units.on_units[block, : block.start].T
        part, m = z_hat[:, block], left.coefficients[:, block]
        upper_line = relaxed.slope[:, block] * part + relaxed.height[:, block]
        z[:, block] = np.where(m >= 0, alpha[:, block] * part, upper_line)
    return z_hat, z
