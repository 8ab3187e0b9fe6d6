"""B(x): which piece every unit of a network is on (eq. 8 of the paper)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from onnx_lippa.arrays import States


@dataclass(frozen=True)
class ActivationPattern:
    """The states of all piecewise-linear layers for one input.

    Attributes:
        states: one int8 array of shape (1, *layer) for every such layer, in network order.
    """

    states: tuple[States, ...]

    @property
    def key(self) -> bytes:
        """A digest that is equal for equal patterns of one network."""
        digest = hashlib.blake2b(digest_size=16)
        for state in self.states:
            digest.update(np.ascontiguousarray(state).tobytes())
        return digest.digest()

    def distance(self, other: ActivationPattern) -> int:
        """Number of units whose piece differs."""
        return sum(
            int(np.count_nonzero(mine != theirs))
            for mine, theirs in zip(self.states, other.states, strict=True)
        )
