"""The paper's mixed-integer program (7) over a reduced network, with some signs fixed.

For every free unit, with ``l <= ẑ <= u`` and b in {0, 1},

    z >= 0,    z >= ẑ,    z <= u b,    z <= ẑ - l (1 - b)

where ẑ is a function of x and the z of earlier units. A unit with a fixed sign has no b: its z is
replaced by ẑ or 0, and one row on ẑ keeps the sign. With all signs fixed this is the linear
program (12), with none the program (7).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

import numpy as np
import scipy.sparse as sp

from onnx_lippa.arrays import Float64, States
from onnx_lippa.bounds.reduced_network import ReducedNetwork
from onnx_lippa.ir.pattern import ACTIVE, INACTIVE, UNDECIDED
from onnx_lippa.lp.program import Program
from onnx_lippa.mip.cuts import find_cuts
from onnx_lippa.mip.variables import (
    SubstitutedUnits,
    compute_range,
    embed_distance,
    embed_domain,
    find_variables,
)
from onnx_lippa.spec import Conjunction, Embedding, Rows, StatedSet

_NEGLIGIBLE: Final = 1e-14
"""Coefficients below this share of a row's largest one are rounding, and dropped for the solver."""
_TOLERANCE: Final = 1e-6
"""The solvers' tolerance of rows and integers."""


class BigM(Enum):
    """The constants of a ReLU's inequalities.

    OF_EACH_UNIT: its own bounds of ẑ (MIPVerify: Tjeng, Xiao, Tedrake, ICLR 2019). ONE: the
    largest of all bounds for every unit, as the paper's eq. (7) has it.
    """

    OF_EACH_UNIT = "of-each-unit"
    ONE = "one"


@dataclass(frozen=True)
class Formulation:
    """A program over (p, z of free units, b of free units, perhaps τ), and the way back to x.

    Attributes:
        program: the program.
        reduced: the reduced network.
        disjunct: the disjunct of the margin.
        fixed: (units,) the fixed signs, UNDECIDED where a unit is free.
        inputs: the variables p of x.
        constant: the margin or distance less the objective.
        tolerance: the part of a margin that may be due to the solver's tolerances.
    """

    program: Program
    reduced: ReducedNetwork
    disjunct: Conjunction
    fixed: States
    inputs: Embedding
    constant: float
    tolerance: float

    def x(self, values: Float64) -> Float64:
        """The point (d,) of a solution, clipped to the box of the reduced network."""
        x = self.inputs.at(values[: self.inputs.count])
        return np.clip(x, self.reduced.lower, self.reduced.upper)

    def signs(self, values: Float64) -> States:
        """The signs (units,) of a solution; int8.

        It is the solver's b, not what x evaluates to: at an optimum ẑ is often 0.
        """
        signs = self.fixed.astype(np.int8)
        free = np.flatnonzero(self.fixed == UNDECIDED)
        first = self.inputs.count + free.size
        signs[free] = np.where(values[first : first + free.size] > 0.5, ACTIVE, INACTIVE)
        return signs

    def start(self, x: Float64, distance: float = 0.0) -> Float64:
        """The variables at a point (d,) of the reduced network, for a warm start.

        Args:
            x: the point; the start is infeasible where its signs differ from the fixed ones.
            distance: its distance, where that is minimised.
        """
        free = self.fixed == UNDECIDED
        z_hat = self.reduced.pre_activations(x[None])[0][free]
        inputs = find_variables(self.inputs, x, distance)
        values = np.concatenate([inputs, np.maximum(z_hat, 0), z_hat >= 0])
        if values.size < self.program.variables:
            values = np.append(values, self.margin(x))
        return values

    def margin(self, x: Float64) -> float:
        """The margin at a point (d,), by evaluating the reduced network."""
        return float(self.disjunct.margins(self.reduced.forward(x[None]))[0])

    def cut_off(self, most: float) -> Rows:
        """The row that bounds margin or distance from above."""
        return Rows.at_most(self.program.cost[None], np.array([most - self.constant]))


def build_margin_program(
    reduced: ReducedNetwork,
    disjunct: Conjunction,
    fixed: States | None = None,
    big_m: BigM = BigM.OF_EACH_UNIT,
    cuts: int = 0,
) -> Formulation:
    """``min max_i (A f(x) - b)_i`` over the inputs of the reduced network with some fixed signs.

    Args:
        reduced: the reduced network.
        disjunct: the unsafe outputs; at least one row.
        fixed: (units,) signs, UNDECIDED where a unit is free; None where all are.
        big_m: the constants.
        cuts: the most implications between free units.

    Raises:
        NoProgramError: the ball is not given by linear inequalities.
    """
    stem = _Stem(reduced, embed_domain(reduced.domain), fixed, big_m, cuts)
    margins, offset = stem.express_margins(disjunct)
    tolerance = _TOLERANCE * max(1.0, float((np.abs(margins) @ stem.half_widths).max()))
    if len(margins) == 1:
        constant = float(offset[0])
        cost = np.concatenate([stem.express(margins).toarray()[0], np.zeros(stem.free)])
        program = stem.assemble(cost)
    else:
        # min τ with every margin at most τ; the bounds of τ come from interval arithmetic.
        least, most = compute_range(margins, offset, *stem.box)
        ties = sp.csr_array((len(margins), stem.free)), np.full((len(margins), 1), -1.0)
        rows = _at_most(sp.hstack([stem.express(margins), *ties]), -offset)
        cost, constant = np.zeros(rows.matrix.shape[1]), 0.0
        cost[-1] = 1.0
        program = stem.assemble(cost, rows, (float(least.max()) - 1, float(most.max()) + 1))
    return Formulation(program, reduced, disjunct, stem.fixed, stem.inputs, constant, tolerance)


def build_distance_program(
    reduced: ReducedNetwork,
    disjunct: Conjunction,
    inputs: StatedSet,
    big_m: BigM = BigM.OF_EACH_UNIT,
    cuts: int = 0,
) -> Formulation:
    """``min ||x - center||`` over inputs of the network with a margin of at most 0.

    Args:
        reduced: the reduced network.
        disjunct: the unsafe outputs.
        inputs: the set whose norm and centre define the distance.
        big_m: the constants.
        cuts: the most implications between units.

    Raises:
        NoProgramError: the distance is not linear.
    """
    stem = _Stem(reduced, embed_distance(reduced.domain, inputs), None, big_m, cuts)
    margins, offset = stem.express_margins(disjunct)
    nothing = sp.csr_array((len(margins), stem.free))
    rows = _at_most(sp.hstack([stem.express(margins), nothing]), -offset)
    cost = np.concatenate([stem.inputs.cost, np.zeros(2 * stem.free)])
    program = stem.assemble(cost, rows)
    return Formulation(program, reduced, disjunct, stem.fixed, stem.inputs, 0.0, _TOLERANCE)


class _Stem:
    """What these programs share: the variables (p, z, b) and the rows of inputs and units."""

    def __init__(
        self,
        reduced: ReducedNetwork,
        inputs: Embedding,
        fixed: States | None,
        big_m: BigM,
        cuts: int,
    ) -> None:
        self.inputs = inputs
        self.fixed = np.full(reduced.units, UNDECIDED, np.int8) if fixed is None else fixed
        self._reduced, self._units = reduced, SubstitutedUnits.of(reduced, self.fixed)
        units = self._units.free
        self.free = units.size
        lower = np.minimum(reduced.unit_lower[units], 0.0)
        upper = np.maximum(reduced.unit_upper[units], 0.0)
        if big_m is BigM.ONE:
            largest = max(upper.max(initial=0.0), -lower.min(initial=0.0))
            lower, upper = np.full_like(lower, -largest), np.full_like(upper, largest)
        self._lower, self._upper, self._cuts = lower, upper, cuts
        self.box = np.append(reduced.lower, np.zeros(self.free)), np.append(reduced.upper, upper)
        self.half_widths: Float64 = (self.box[1] - self.box[0]) / 2

    def express(self, rows: Float64) -> sp.csr_array:
        """Rows over x and z of free units as rows over p and z, without their constants."""
        d = self._reduced.inputs
        on_input = sp.csr_array(rows[:, :d]) @ self.inputs.matrix
        return sp.csr_array(sp.hstack([on_input, sp.csr_array(rows[:, d:])], format="csr"))

    def shift(self, rows: Float64) -> Float64:
        """The constants that :meth:`express` drops."""
        return rows[:, : self._reduced.inputs] @ self.inputs.offset

    def express_margins(self, disjunct: Conjunction) -> tuple[Float64, Float64]:
        """``A f - b`` as rows over x and z of free units, and their constants."""
        s, units = self._reduced, self._units
        on_units = disjunct.matrix @ s.outputs_on_units
        rows = on_units @ units.z
        rows[:, : s.inputs] += disjunct.matrix @ s.outputs_on_input
        offset = disjunct.matrix @ s.outputs_offset + on_units @ units.z_offset - disjunct.bound
        return rows, offset + self.shift(rows)

    def assemble(
        self, cost: Float64, further: Rows | None = None, tau: tuple[float, float] | None = None
    ) -> Program:
        """The whole program; the last variable is τ where that has bounds."""
        extra = np.zeros(0 if tau is None else 1)
        low, high = (extra, extra) if tau is None else (extra + tau[0], extra + tau[1])
        inputs, nothing, one = self.inputs, np.zeros(self.free), np.ones(self.free)
        rows = Rows.none(cost.size) if further is None else further
        for block in (inputs.rows, self._relate_free_units(), self._keep_signs(), self._imply()):
            rows = rows.append(block.pad(cost.size - block.matrix.shape[1]))
        return Program(
            cost,
            np.concatenate([inputs.lower, nothing, nothing, low]),
            np.concatenate([inputs.upper, self._upper, one, high]),
            rows,
            integers=np.concatenate(
                [np.zeros(inputs.count + self.free, bool), one > 0, extra > 0]
            ),
        )  # fmt: skip

    def _relate_free_units(self) -> Rows:
        """``z >= ẑ``, ``z <= u b`` and ``z <= ẑ - l (1 - b)``."""
        free, lower, upper = self._units.free, self._lower, self._upper
        rows = -self._units.z_hat[free]
        offset = self._units.z_hat_offset[free] - self.shift(rows)
        place, p = np.arange(self.free), self.inputs.count
        rows[place, self._reduced.inputs + place] += 1.0  # z - ẑ
        z_minus = self.express(rows)
        z_only = sp.csr_array((np.ones(self.free), (place, p + place)), (self.free, p + self.free))
        none = sp.csr_array((self.free, self.free))
        above = _clean(sp.hstack([z_minus, none]), offset, np.full(self.free, np.inf))
        on = _at_most(sp.hstack([z_only, sp.diags_array(-upper)]), np.zeros(self.free))
        off = _at_most(sp.hstack([z_minus, sp.diags_array(-lower)]), offset - lower)
        return above.append(on.append(off))

    def _keep_signs(self) -> Rows:
        """``ẑ >= 0`` or ``ẑ <= 0``, unless the box implies it."""
        units = np.flatnonzero(self.fixed != UNDECIDED)
        sign = self.fixed[units].astype(np.float64)
        rows = sign[:, None] * self._units.z_hat[units]
        offset = sign * self._units.z_hat_offset[units]
        least, _ = compute_range(rows, offset, *self.box)
        needed = least < 0
        rows, offset = rows[needed], offset[needed] + self.shift(rows[needed])
        scale = np.abs(rows).max(axis=1, initial=0.0)
        scale[scale == 0] = 1.0
        rows, offset = rows / scale[:, None], offset / scale
        return _clean(self.express(rows), -offset, np.full(len(rows), np.inf))

    def _imply(self) -> Rows:
        p = self.inputs.count + self.free
        if self._cuts == 0:
            return Rows.none(p)
        cuts = find_cuts(self._reduced).among(self._units.free, self._cuts)
        rows = cuts.rows(self._reduced.units)
        on_b = rows.matrix[:, self._units.free]
        matrix = sp.hstack([sp.csr_array((cuts.count, p)), on_b], format="csr")
        return Rows(sp.csr_array(matrix), rows.lower, rows.upper)


def _clean(matrix: sp.sparray, lower: Float64, upper: Float64) -> Rows:
    """Rows without the coefficients that are only rounding."""
    entries = matrix.tocoo()
    largest = np.zeros(entries.shape[0])
    np.maximum.at(largest, entries.row, np.abs(entries.data))
    kept = np.abs(entries.data) > _NEGLIGIBLE * largest[entries.row]
    places = entries.row[kept], entries.col[kept]
    return Rows(sp.csr_array((entries.data[kept], places), entries.shape), lower, upper)


def _at_most(matrix: sp.sparray, upper: Float64) -> Rows:
    return _clean(matrix, np.full(len(upper), -np.inf), upper)
