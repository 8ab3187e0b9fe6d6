"""The reduced network over an input domain: affine maps between its unstable ReLUs.

A unit whose pre-activation cannot change sign over the domain is affine there and is eliminated.
What remains is small and dense, whatever the operators of the network:

    ẑ = A x + L z + c,    z = max(ẑ, 0),    f(x) = Γ x + M z + γ

Coefficients are float64 sums, with a bound of their error: for every input, with the z that the
network has there, both equations hold up to ``error``.

Units are ordered by depth, in blocks whose units do not feed each other: L is zero except from
units of earlier blocks. Bounds, linear and mixed-integer programs, and branch and bound are all
stated over this form.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from onnx_lippa.arrays import Float64, Integers
from onnx_lippa.bounds.domain import InputDomain
from onnx_lippa.bounds.proven import EPSILON, ROOM, UNDERFLOW

_EXTRA_OPERATIONS: Final = 8
"""Operations of a sum beside its products."""


@dataclass(frozen=True)
class ReducedNetwork:
    """One network over one input domain.

    Attributes:
        domain: the inputs; x holds the features that vary.
        on_input: A, (units, d).
        on_units: L, (units, units), zero on and above its blocks' diagonal.
        offset: c, (units,).
        starts: first unit of each block, and the number of units at the end.
        unit_lower: (units,) proven lower bounds l of ẑ; l < 0 < u, unless nothing was eliminated.
        unit_upper: (units,) proven upper bounds u of ẑ.
        outputs_on_input: Γ, (k, d).
        outputs_on_units: M, (k, units).
        outputs_offset: γ, (k,).
        origin: (units,) number of the unit among the scalar units of all piecewise-linear layers
            in network order.
        exact: whether it equals the network, up to its errors. Where a select jumps, its output is
            a further feature behind those of the input, and this relaxes the network; where its
            sign was given, d is a unit of this sign, and this is the network for those inputs.
        unit_error: (units,) bounds of ``|ẑ - (A x + L z + c)|``; None for 0.
        outputs_error: (k,) bounds of ``|f - (Γ x + M z + γ)|``; None for 0.
        jumps: the selects (as in ``origin``) that its further features stand for; None for none.
    """

    domain: InputDomain
    on_input: Float64
    on_units: Float64
    offset: Float64
    starts: tuple[int, ...]
    unit_lower: Float64
    unit_upper: Float64
    outputs_on_input: Float64
    outputs_on_units: Float64
    outputs_offset: Float64
    origin: Integers
    exact: bool = True
    unit_error: Float64 | None = None
    outputs_error: Float64 | None = None
    jumps: Integers | None = None

    @property
    def error(self) -> Float64:
        """(units,) bounds of the error of ẑ."""
        return np.zeros(self.units) if self.unit_error is None else self.unit_error

    @property
    def output_error(self) -> Float64:
        """(k,) bounds of the error of the outputs."""
        return (
            np.zeros(len(self.outputs_offset)) if self.outputs_error is None else self.outputs_error
        )

    @property
    def units(self) -> int:
        """Number of unstable ReLUs."""
        return int(self.offset.size)

    @property
    def inputs(self) -> int:
        """Number of features that vary."""
        return int(self.on_input.shape[1])

    @property
    def lower(self) -> Float64:
        """(d,) lower bounds of x."""
        return self.domain.lower

    @property
    def upper(self) -> Float64:
        """(d,) upper bounds of x."""
        return self.domain.upper

    def sizes(self, on_input: Float64, on_units: Float64, offset: Float64) -> Float64:
        """(n,) bounds of the sums of the absolute values of the terms of functions of x and z."""
        largest = np.maximum(np.abs(self.lower), np.abs(self.upper))
        total = np.abs(offset) + np.abs(on_input) @ largest
        if self.units:
            total += np.abs(on_units) @ np.maximum(self.unit_upper, 0)
        return total * ROOM

    def functions(self, matrix: Float64) -> tuple[Float64, Float64, Float64, Float64]:
        """Linear functions ``matrix @ f``: coefficients of x and of z, constants, and errors.

        Args:
            matrix: (n, k).

        Returns:
            (n, d), (n, units), (n,), and bounds (n,) of the error for any input.
        """
        sizes = self.sizes(self.outputs_on_input, self.outputs_on_units, self.outputs_offset)
        rounding = (matrix.shape[1] + _EXTRA_OPERATIONS) * EPSILON * sizes
        error = np.abs(matrix) @ (self.output_error + rounding)
        return (
            matrix @ self.outputs_on_input, matrix @ self.outputs_on_units,
            matrix @ self.outputs_offset, error * ROOM + UNDERFLOW,
        )  # fmt: skip

    def pre_activations(self, x: Float64) -> Float64:
        """ẑ (n, units) at points x (n, d)."""
        z_hat = x @ self.on_input.T + self.offset
        for first, end in zip(self.starts, self.starts[1:], strict=False):
            if first > 0:
                z = np.maximum(z_hat[:, :first], 0.0)
                z_hat[:, first:end] += z @ self.on_units[first:end, :first].T
        return z_hat

    def forward(self, x: Float64) -> Float64:
        """f (n, k) at points x (n, d)."""
        z = np.maximum(self.pre_activations(x), 0.0)
        outputs: Float64 = (
            x @ self.outputs_on_input.T + z @ self.outputs_on_units.T + self.outputs_offset
        )
        return outputs

    def embed(self, x: Float64) -> Float64:
        """Points x (n, d) as inputs of the network (n, all features)."""
        full = np.repeat(self.domain.base[None], len(x), axis=0)
        full[:, self.domain.free] = x[:, : self.domain.free.size]
        return full

    def restrict(self, full: Float64) -> Float64:
        """Inputs (n, all features) as points x (n, d); only where the reduced network is exact."""
        points: Float64 = full[:, self.domain.free]
        return points


def difference(left: Float64, right: Float64, error: Float64) -> tuple[Float64, Float64]:
    """``left - right``, and an error increased by the rounding of it."""
    value = left - right
    return value, error + EPSILON * np.abs(value)
