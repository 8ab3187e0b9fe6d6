"""How much of a network is evaluated between two looks at the clock."""

from __future__ import annotations

from typing import Final

from onnx_lippa.arrays import size
from onnx_lippa.ir.network import Network

_WORK: Final = 1 << 28
"""Multiplications that take about a tenth of a second."""
_PER_VALUE: Final = 100
"""Multiplications behind one value where weights are shared, as in convolutions."""
_LEAST: Final = 8
_CHEAP: Final = 1 << 16
"""Multiplications behind one evaluation up to which a network is a small one."""
_NUMBERS: Final = 1 << 22
"""Numbers in the points themselves; 32 MB."""


def points_at_once(network: Network, most: int) -> int:
    """How many points to evaluate together: fewer of a large network, at most ``most``.

    It depends on nothing but the network, so that the same points are always looked at together.
    """
    return max(_LEAST, min(most, _WORK // work_of(network), _NUMBERS // network.input_size))


def is_cheap(network: Network) -> bool:
    """Whether evaluations cost next to nothing beside what surrounds them."""
    return work_of(network) <= _CHEAP


def work_of(network: Network) -> int:
    """Multiplications behind one evaluation, roughly."""
    values = sum(size(step.layer.shape) for step in network.steps)
    return max(1, network.parameters + _PER_VALUE * values)
