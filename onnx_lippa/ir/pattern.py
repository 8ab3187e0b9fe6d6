"""B(x): which piece every unit of a network is on (eq. 8 of the paper)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from onnx_lippa.arrays import AnyArray, States


@dataclass(frozen=True)
class ActivationPattern:
    """The states of all piecewise-linear layers for one input.

    Attributes:
        states: one array of shape (1, *state) for every such layer, in network order.
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
