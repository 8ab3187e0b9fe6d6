"""How much of a network is evaluated between two looks at the clock."""

from __future__ import annotations

from typing import Final

from onnx_lippa.arrays import size
from onnx_lippa.network import Network

_WORK: Final = 1 << 28
"""Multiplications that take about a tenth of a second."""
_PER_VALUE: Final = 100
"""Multiplications behind one value where weights are shared, as in convolutions."""
_LEAST: Final = 8
_NUMBERS: Final = 1 << 22
"""Numbers in the points themselves; 32 MB."""


def points_at_once(network: Network, most: int) -> int:
    """How many points to evaluate together: fewer of a large network, at most ``most``.

    It depends on nothing but the network, so that the same points are always looked at together.
    """
    values = sum(size(step.layer.shape) for step in network.steps)
    work = max(1, network.parameters + _PER_VALUE * values)
    return max(_LEAST, min(most, _WORK // work, _NUMBERS // network.input_size))
