"""The units of a system under a pattern that is known in part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from onnx_lippa.arrays import Float64, Integers, States
from onnx_lippa.bounds.reduced.system import RectifiedSystem


@dataclass(frozen=True)
class Substituted:
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
    def of(cls, system: RectifiedSystem, fixed: States) -> Substituted:
        """Fixed units replaced by ẑ where they are active and by 0 where they are not.

        Args:
            system: the system.
            fixed: (units,) 1 active, 0 inactive, -1 free.
        """
        d, units = system.inputs, system.units
        free = np.flatnonzero(fixed == -1)
        z_hat = np.hstack([system.on_input, np.zeros((units, free.size))])
        offset = system.offset.copy()
        z, z_offset = np.zeros((units, d + free.size)), np.zeros(units)
        z[free, d + np.arange(free.size)] = 1.0
        for first, end in zip(system.starts, system.starts[1:], strict=False):
            if first > 0:
                weights = system.on_units[first:end, :first]
                z_hat[first:end] += weights @ z[:first]
                offset[first:end] += weights @ z_offset[:first]
            active = first + np.flatnonzero(fixed[first:end] == 1)
            z[active], z_offset[active] = z_hat[active], offset[active]
        return cls(free, z_hat, offset, z, z_offset)


def least_and_most(
    rows: Float64, offset: Float64, lower: Float64, upper: Float64
) -> tuple[Float64, Float64]:
    """The range (n,) of ``rows @ v + offset`` for v between bounds; rows (n, v)."""
    middle, radius = lower / 2 + upper / 2, upper / 2 - lower / 2
    center, width = rows @ middle + offset, np.abs(rows) @ radius
    return center - width, center + width
