"""The network over one box of inputs, as affine maps between its unstable ReLUs.

A unit whose pre-activation cannot change sign over the box is affine there and is folded away.
What is left is small and dense, whatever operators the network is made of:

    ẑ = A x + L z + c,    z = max(ẑ, 0),    f(x) = Γ x + M z + γ

Coefficients are float64 sums. How far they can be from those of the network is kept beside them:
for every input, with the z that the network has there, both equations hold within ``error``.

Units are ordered by depth, in blocks whose units do not feed each other; L is zero but where a
unit takes one of an earlier block. Bounds, linear and mixed-integer programs and branch and bound
are all stated over this.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from onnx_lippa.arrays import Float64, Integers
from onnx_lippa.bounds.domain import InputDomain
from onnx_lippa.bounds.rounding import EPSILON, ROOM, UNDERFLOW

_FEW: Final = 8
"""Operations of a sum beside its products."""


@dataclass(frozen=True)
class ReducedNetwork:
    """One network over one box.

    Attributes:
        domain: the inputs; x stands for those of their features that vary.
        on_input: A, (units, d).
        on_units: L, (units, units), zero on and above its blocks' diagonal.
        offset: c, (units,).
        starts: first unit of each block, and the number of units at the end.
        unit_lower: (units,) proven lower bounds l of ẑ over the box; l < 0 < u, but where nothing
            was folded.
        unit_upper: (units,) proven upper bounds u of ẑ.
        outputs_on_input: Γ, (k, d).
        outputs_on_units: M, (k, units).
        outputs_offset: γ, (k,).
        origin: (units,) number of the unit among the scalar units of all piecewise-linear layers
            in network order.
        exact: whether it equals the network, up to its errors. Where a switch jumps, its output is
            a further feature behind those of the input, and this relaxes the network; where its
            sign was given, d is a unit of this sign, and this is the network for those inputs.
        unit_error: (units,) how far ẑ may be from ``A x + L z + c``; None for 0.
        outputs_error: (k,) how far f may be from ``Γ x + M z + γ``; None for 0.
        jumps: the switches (as in ``origin``) that its further features stand for; None for none.
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
        """(units,) how far ẑ may be from its form."""
        return np.zeros(self.units) if self.unit_error is None else self.unit_error

    @property
    def output_error(self) -> Float64:
        """(k,) how far outputs may be from their forms."""
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
        """(n,) what the sizes of the terms of functions of x and z sum up to at most."""
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
            (n, d), (n, units) and (n,); then (n,) how far the functions may be from these for any
            input.
        """
        sizes = self.sizes(self.outputs_on_input, self.outputs_on_units, self.outputs_offset)
        error = np.abs(matrix) @ (self.output_error + (matrix.shape[1] + _FEW) * EPSILON * sizes)
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
        """The inputs of the network (n, all features) that points x (n, d) stand for."""
        full = np.repeat(self.domain.base[None], len(x), axis=0)
        full[:, self.domain.free] = x[:, : self.domain.free.size]
        return full

    def restrict(self, full: Float64) -> Float64:
        """The points x (n, d) of inputs (n, all features); only where it is exact."""
        points: Float64 = full[:, self.domain.free]
        return points


def difference(left: Float64, right: Float64, error: Float64) -> tuple[Float64, Float64]:
    """``left - right``, and an error that its rounding is added to."""
    value = left - right
    return value, error + EPSILON * np.abs(value)
