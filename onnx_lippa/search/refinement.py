"""Refined bounds of later units, given signs of earlier units."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final, final

import numpy as np

from onnx_lippa.arrays import Float64, Floats, Integers, States
from onnx_lippa.bounds.dual.ascent import Ascent
from onnx_lippa.bounds.dual.back_substitution import ReluRelaxation
from onnx_lippa.bounds.dual.certificate import prove
from onnx_lippa.bounds.dual.objectives import Objectives, Units, see_through
from onnx_lippa.bounds.reduced.reduction import decide_signs
from onnx_lippa.bounds.reduced_network import ReducedNetwork
from onnx_lippa.clock import NEVER
from onnx_lippa.ir.pattern import UNDECIDED

_AT_ONCE: Final = 192
"""Rows per batch, few enough for the processor's cache."""


@dataclass(frozen=True)
class _Block:
    """The units of one block as objectives over the earlier units.

    Attributes:
        here: the units of the block.
        units: the earlier units, float32.
        objectives: ẑ of each unit, then -ẑ of each; float32.
        alpha: slopes of lower lines that an ascent found best for each at the root; float32.
    """

    here: slice
    units: Units
    objectives: Objectives
    alpha: Floats


@final
class Refinement:
    """Bounds the units of all blocks but the first under the signs of a node.

    The slopes are those that an ascent found best at the root. They are proven in float32, which
    takes half the time of float64.

    Args:
        reduced: the reduced network.
        steps: steps of the ascent at the root.
        deadline: a time of ``time.monotonic()``.

    Raises:
        OutOfTimeError: the deadline has passed.
    """

    def __init__(self, reduced: ReducedNetwork, steps: int, deadline: float = NEVER) -> None:
        self._blocks: list[_Block] = []
        lower, upper = reduced.unit_lower.copy(), reduced.unit_upper.copy()
        for number, (first, end) in enumerate(pairwise(reduced.starts[1:]), start=1):
            units, here, sides = Units.of(reduced, number), slice(first, end), (1.0, -1.0)
            objectives = Objectives.of(
                units,
                np.concatenate([sign * reduced.on_input[here] for sign in sides]),
                np.concatenate([sign * reduced.on_units[here, :first] for sign in sides]),
                np.concatenate([sign * reduced.offset[here] for sign in sides]),
                np.tile(reduced.error[here], 2),
            )
            low, high = lower[None, :first], upper[None, :first]
            relaxed = ReluRelaxation.of(low, high, decide_signs(low, high))
            found = Ascent(units, deadline).run(objectives, relaxed, steps)
            below, above = np.split(found.bounds, 2)
            lower[here] = np.maximum(lower[here], below)
            upper[here] = np.minimum(upper[here], -above)
            units, objectives = units.astype(np.float32), objectives.astype(np.float32)
            self._blocks.append(_Block(here, units, objectives, found.multipliers.alpha))
        self.lower, self.upper = lower, upper
        self._sees = reduced.on_units != 0
        see_through(reduced.on_units, reduced.starts, self._sees)

    def run(
        self,
        split: Integers,
        lower: Float64,
        upper: Float64,
        signs: States,
        worth: Floats,
        most: int,
    ) -> None:
        """Improves bounds and states of nodes in place.

        Args:
            split: (n,) the unit whose sign is new; units independent of it keep their bounds.
            lower: (n, units) lower bounds of ẑ.
            upper: (n, units) upper bounds of ẑ.
            signs: (n, units) their signs.
            worth: (n, units) the worth of a better bound of each unit.
            most: units bounded per node and block, those of the greatest worth.
        """
        for block in self._blocks:
            here = block.here
            affected = (signs[:, here] == UNDECIDED) & self._sees[here, split].T
            wanted = np.where(affected, worth[:, here], -np.inf)
            nodes, units = np.nonzero(_largest(wanted, most))
            for part in range(0, nodes.size, _AT_ONCE):
                self._bound(
                    block, nodes[part : part + _AT_ONCE], units[part : part + _AT_ONCE],
                    lower, upper, signs,
                )  # fmt: skip
            decided = decide_signs(lower[:, here], upper[:, here])
            signs[:, here] = np.where(signs[:, here] == UNDECIDED, decided, signs[:, here])

    def _bound(
        self,
        block: _Block,
        nodes: Integers,
        units: Integers,
        lower: Float64,
        upper: Float64,
        signs: States,
    ) -> None:
        first = block.here.start
        low, high = (side[nodes, :first].astype(np.float32) for side in (lower, upper))
        relaxed = ReluRelaxation.of(low, high, signs[nodes, :first])
        places = nodes, first + units
        bounds = []
        for rows in (units, units + block.objectives.count // 2):
            objectives = block.objectives.take(rows)
            proven, _ = prove(block.units, objectives, relaxed, block.alpha[rows], None)
            bounds.append(proven.bounds)
        lower[places] = np.maximum(lower[places], bounds[0])
        upper[places] = np.minimum(upper[places], -bounds[1])


def _largest(values: Floats, most: int) -> np.ndarray:
    """A mask of the largest finite entries of each row."""
    if most >= values.shape[1]:
        return np.isfinite(values)
    places = np.argpartition(-values, most - 1, axis=1)[:, :most]
    chosen = np.zeros(values.shape, bool)
    np.put_along_axis(chosen, places, True, axis=1)
    return chosen & np.isfinite(values)
