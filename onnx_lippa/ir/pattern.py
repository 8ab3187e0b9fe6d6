"""Activation patterns B(x) of networks (eq. 8 of the paper), and signs of ReLUs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from onnx_lippa.arrays import AnyArray, Floats, States

ACTIVE: Final = 1
"""The sign of a ReLU with ``ẑ >= 0``."""
INACTIVE: Final = -1
"""The sign of a ReLU with ``ẑ <= 0``."""
UNDECIDED: Final = 0
"""The sign of a ReLU whose pre-activation may be on either side: unstable, or free."""


def read_signs(z_hat: Floats) -> States:
    """Signs of ReLUs at pre-activations; int8. At 0 a unit is active, as in eq. 8."""
    return np.where(z_hat >= 0, ACTIVE, INACTIVE).astype(np.int8)


@dataclass(frozen=True)
class ActivationPattern:
    """The states of all piecewise-linear layers at one input.

    Attributes:
        states: for each such layer in network order, (1, *state) the index of the piece of each
            unit: 1 or 0 above or below a kink, the position of the largest entry of a maximum.
    """

    states: tuple[States, ...]

    @classmethod
    def of(cls, states: Iterable[AnyArray | None]) -> ActivationPattern:
        """From what the layers call their states (truth values or positions), None for affine."""
        return cls(
            tuple(s.astype(np.int8) if s.dtype == np.bool_ else s for s in states if s is not None)
        )

    @property
    def key(self) -> bytes:
        """A digest that is equal for equal patterns of one network."""
        digest = hashlib.blake2b(digest_size=16)
        for state in self.states:
            digest.update(np.ascontiguousarray(state).tobytes())
        return digest.digest()
