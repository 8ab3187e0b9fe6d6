"""Which switches have the very same condition, as those of one comparison have."""

from __future__ import annotations

import numpy as np

from onnx_lippa.arrays import Integers, Shape, size
from onnx_lippa.ir.layers import PiecewiseLayer
from onnx_lippa.ir.layers.concat import Stack
from onnx_lippa.ir.layers.reshape import Reshape
from onnx_lippa.ir.layers.select import Select
from onnx_lippa.ir.network import Network


def shared_conditions(network: Network) -> Integers:
    """(scalar units,) the first switch whose d is the same value; others have their own number.

    Equal formulas would not do: where two values differ by a rounding, both branches may be met.
    """
    first = np.arange(network.units)
    known: dict[tuple[int, int], int] = {}
    unit = 0
    for step in network.steps:
        if not isinstance(step.layer, PiecewiseLayer):
            continue
        count = size(step.layer.shape)
        if isinstance(step.layer, Select):
            source = _source(network, step.inputs[0], step.layer.shape)
            if source is not None:
                value, entries = source
                for place, entry in enumerate(entries.ravel().tolist()):
                    first[unit + place] = known.setdefault((value, entry), unit + place)
        unit += count
    return first


def _source(network: Network, stack: int, shape: Shape) -> tuple[int, Integers] | None:
    """The value that the d of a switch is, and (*shape) which of its entries; None if unknown."""
    if stack == 0:
        return None
    step = network.steps[stack - 1]
    part = step.layer.source(0) if isinstance(step.layer, Stack) else None
    if part is None:
        return None
    operand, source = part
    value = step.inputs[operand]
    entries = np.broadcast_to(np.arange(size(source)).reshape(source), shape)
    while value > 0 and isinstance(network.steps[value - 1].layer, Reshape):
        value = network.steps[value - 1].inputs[0]  # entries keep their order
    return value, entries
