"""Objectives that see few units and few features, as those of a convolution do, in groups.

What an objective does not see has no part in its bound, so that a group can be bounded over a
small part of the system instead of all of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from onnx_lippa.arrays import Floats, Integers
from onnx_lippa.bounds.dual.dual import Objectives, Units

_TOGETHER: Final = 64
"""Objectives of a group, at least: fewer would not be worth the calls."""
_WORTH: Final = 0.4
"""Groups that take more than this share of the work of all at once are not formed."""


@dataclass(frozen=True)
class Group:
    """Some objectives, and the part of a system that they see.

    Attributes:
        rows: which objectives.
        units: the units that any of them sees, by themselves or through later units.
        features: the features that any of them or of these units sees.
    """

    rows: Integers
    units: Integers
    features: Integers

    @property
    def work(self) -> int:
        """What bounding them costs, up to a factor."""
        return self.rows.size * (self.units.size + 1) * (self.features.size + self.units.size + 1)


def groups_of(units: Units, objectives: Objectives) -> list[Group]:
    """Groups of all objectives; none where they would not save much, or the reach is no box.

    Args:
        units: the units.
        objectives: the objectives over them.
    """
    if units.reach.ball is not None or objectives.count == 0 or not units.starts[-1]:
        return []
    seen = objectives.on_units != 0
    if seen.mean() > _WORTH:
        return []
    see_through(units.on_units, units.starts, seen)
    if seen.mean() > _WORTH:
        return []
    groups = [_group(units, objectives, seen, rows) for rows in _alike(seen)]
    whole = Group(*(np.arange(n) for n in (*seen.shape, units.on_input.shape[1])))
    return groups if sum(group.work for group in groups) < _WORTH * whole.work else []


def see_through(on_units: Floats, starts: Sequence[int], seen: np.ndarray) -> None:
    """Adds the units that are seen through units of later blocks, in place.

    Args:
        on_units: L, (units, units).
        starts: first unit of each block, and the number of units.
        seen: (n, units) bool.
    """
    for first, end in reversed(list(pairwise(starts))):
        if first:
            linked = (on_units[first:end, :first] != 0).astype(np.float32)
            seen[:, :first] |= seen[:, first:end].astype(np.float32) @ linked > 0


def _alike(seen: np.ndarray) -> Iterator[Integers]:
    """Rows that see the same units, and those next to them in order until there are enough."""
    _, of_row, count = np.unique(
        np.packbits(seen, axis=1), axis=0, return_inverse=True, return_counts=True
    )
    rows, first = np.argsort(of_row.ravel(), kind="stable"), 0
    for end in np.cumsum(count):
        if end - first >= _TOGETHER or end == rows.size:
            yield rows[first:end]
            first = int(end)


def _group(units: Units, objectives: Objectives, seen: np.ndarray, rows: Integers) -> Group:
    chosen = np.flatnonzero(seen[rows].any(axis=0))
    features = (objectives.on_input[rows] != 0).any(axis=0)
    features |= (units.on_input[chosen] != 0).any(axis=0)
    return Group(rows, chosen, np.flatnonzero(features))
