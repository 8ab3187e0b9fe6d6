"""The network over one box of inputs, as affine maps between its unstable ReLUs.

A unit whose pre-activation cannot change sign over the box is affine there and is folded away.
What is left is small and dense, whatever operators the network is made of:

    ẑ = A x + L z + c,    z = max(ẑ, 0),    f(x) = Γ x + M z + γ

Units are ordered by depth, in blocks whose units do not feed each other; L is zero but where a
unit takes one of an earlier block. Bounds, linear and mixed-integer programs and branch and bound
are all stated over this.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from onnx_lippa.arrays import Float64, Integers
from onnx_lippa.certify.rectified.reach import Reach


@dataclass(frozen=True)
class RectifiedSystem:
    """One network over one box.

    Attributes:
        reach: the inputs; x stands for those of their features that vary.
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
        exact: whether the system equals the network; where a layer has no ReLUs (a jump), its
            output is a further feature behind those of the input, and the system holds more than
            the network does.
    """

    reach: Reach
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
        return self.reach.lower

    @property
    def upper(self) -> Float64:
        """(d,) upper bounds of x."""
        return self.reach.upper

    def pre_activations(self, x: Float64) -> Float64:
        """ẑ (n, units) at points x (n, d)."""
        z_hat = x @ self.on_input.T + self.offset
        for first, end in zip(self.starts, self.starts[1:], strict=False):
            if first > 0:
                z = np.maximum(z_hat[:, :first], 0.0)
                z_hat[:, first:end] += z @ self.on_units[first:end, :first].T
        return z_hat

    def outputs(self, x: Float64) -> Float64:
        """f (n, k) at points x (n, d)."""
        z = np.maximum(self.pre_activations(x), 0.0)
        outputs: Float64 = (
            x @ self.outputs_on_input.T + z @ self.outputs_on_units.T + self.outputs_offset
        )
        return outputs

    def whole(self, x: Float64) -> Float64:
        """The inputs of the network (n, all features) that points x (n, d) stand for."""
        full = np.repeat(self.reach.base[None], len(x), axis=0)
        full[:, self.reach.free] = x[:, : self.reach.free.size]
        return full

    def reduced(self, full: Float64) -> Float64:
        """The points x (n, d) of inputs (n, all features); only where the system is exact."""
        points: Float64 = full[:, self.reach.free]
        return points
