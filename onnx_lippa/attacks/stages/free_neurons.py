"""Free neurons: the units whose signs a neighbourhood leaves open, and how they are chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from itertools import pairwise
from typing import Final

import numpy as np
import scipy.optimize

from onnx_lippa.arrays import AnyArray, Float64, Integers, States
from onnx_lippa.bounds.reduced_network import ReducedNetwork
from onnx_lippa.ir.pattern import ACTIVE
from onnx_lippa.spec import Conjunction

_ON_FACE: Final = 1e-6
"""A pre-activation below this share of its unit's range counts as 0, as solvers leave it."""
_AT_BOUND: Final = 1e-9
"""The same of a feature and its bounds."""
_MOST_BINDING: Final = 256
"""Faces that multipliers are sought for, those nearest to the point."""
_NEAR: Final = 0.02
"""Share of its range at which the sign of a unit counts half as much as on its face."""


class FreeNeurons(Enum):
    """Ways to choose free neurons.

    DISAGREEING: those whose sign is another one at other end points; the better the point, the
    more it counts. NEAREST: those nearest their face, as a share of their range. BINDING: those
    whose face holds the margin back, by their multipliers in the linear program of the region.
    INFLUENTIAL: those on which the margin depends most, the nearer their face the more.
    """

    DISAGREEING = "disagreeing"
    NEAREST = "nearest"
    BINDING = "binding"
    INFLUENTIAL = "influential"


@dataclass(frozen=True)
class Incumbent:
    """Where large neighbourhood search is.

    Attributes:
        reduced: the reduced network.
        disjunct: the unsafe outputs sought.
        x: (d,) the point.
        signs: (units,) ACTIVE or INACTIVE; carried along, since the sign of a unit whose face the
            point lies on cannot be read off.
        others: (n, d) other points, the best first.
    """

    reduced: ReducedNetwork
    disjunct: Conjunction
    x: Float64
    signs: States
    others: Float64

    @property
    def active(self) -> AnyArray:
        """(units,) which units are active."""
        return np.asarray(self.signs == ACTIVE)

    @cached_property
    def row(self) -> Float64:
        """(k,) the inequality of the disjunct that is violated most."""
        margins = self.disjunct.matrix @ self.reduced.forward(self.x[None])[0] - self.disjunct.bound
        return self.disjunct.matrix[int(margins.argmax())]

    @cached_property
    def distances(self) -> Float64:
        """(units,) how far each unit is from its face."""
        return np.abs(self.reduced.pre_activations(self.x[None])[0])

    @cached_property
    def widths(self) -> Float64:
        """(units,) the width of each unit's range."""
        return np.maximum(self.reduced.unit_upper - self.reduced.unit_lower, 1e-12)


def choose_free_neurons(ways: Sequence[FreeNeurons], at: Incumbent, size: int) -> Integers:
    """Chooses free neurons and returns their units, in ascending order.

    Args:
        ways: the first one chooses, the next one fills up what it leaves, and so on.
        at: where the search is.
        size: units at most.
    """
    chosen = np.zeros(at.reduced.units, bool)
    for way in ways:
        score = _scores(way, at)
        order = np.argsort(-score, kind="stable")
        wanted = order[(score[order] > 0) & ~chosen[order]]
        chosen[wanted[: size - int(chosen.sum())]] = True
    return np.flatnonzero(chosen)


def influences(at: Incumbent) -> Float64:
    """(units,) derivative of the margin by z of each unit, with the signs of the others fixed."""
    reduced = at.reduced
    on_z = at.row @ reduced.outputs_on_units
    for first, end in reversed(list(pairwise(reduced.starts))):
        passed = on_z[first:end] * at.active[first:end]
        on_z[:first] += passed @ reduced.on_units[first:end, :first]
    return on_z


def multipliers(at: Incumbent) -> Float64:
    """(units,) multipliers of faces in the linear program of the region; 0 where none binds.

    At an optimum the margin's gradient is a combination of the faces that the point lies on, with
    signs, in all features that are not at a bound. It is solved by least squares, so it is an
    estimate where the point is no optimum or a ball that is no box binds.
    """
    reduced, on_z = at.reduced, influences(at)
    rows, row = _in_x(at, on_z)
    faces = np.flatnonzero(at.distances <= _ON_FACE * at.widths)
    faces = faces[np.argsort(at.distances[faces], kind="stable")][:_MOST_BINDING]
    room = _AT_BOUND + _AT_BOUND * (reduced.upper - reduced.lower)
    moves = (at.x > reduced.lower + room) & (at.x < reduced.upper - room)
    found = np.zeros(reduced.units)
    if faces.size and moves.any():
        columns = (at.signs[faces, None] * rows[np.ix_(faces, np.flatnonzero(moves))]).T
        scale = np.linalg.norm(columns, axis=0)
        scale[scale == 0] = 1.0
        found[faces] = _least_squares(columns / scale, row[moves]) / scale
    return found


def _scores(way: FreeNeurons, at: Incumbent) -> Float64:
    """(units,) how much each unit is wanted; 0 where not at all."""
    if way is FreeNeurons.DISAGREEING:
        differ = (at.reduced.pre_activations(at.others) >= 0) != at.active
        weight = 1.0 / (1.0 + np.arange(len(at.others)))
        return np.asarray(weight @ differ)
    share = at.distances / at.widths
    if way is FreeNeurons.NEAREST:
        return 1.0 / (1.0 + share)
    if way is FreeNeurons.BINDING:
        return multipliers(at) * at.widths
    return np.abs(influences(at)) * at.widths / (1.0 + share / _NEAR)


def _in_x(at: Incumbent, on_z: Float64) -> tuple[Float64, Float64]:
    """With all signs fixed: rows of all ẑ in x (units, d), and the margin's gradient (d,)."""
    reduced = at.reduced
    rows = reduced.on_input.copy()
    for first, end in pairwise(reduced.starts):
        if first > 0:
            weights = reduced.on_units[first:end, :first] * at.active[:first]
            rows[first:end] += weights @ rows[:first]
    return rows, at.row @ reduced.outputs_on_input + (on_z * at.active) @ reduced.on_input


def _least_squares(columns: Float64, target: Float64) -> Float64:
    """Weights that are not negative; those of an unrestricted solution where none is found."""
    try:
        weights: Float64 = scipy.optimize.nnls(columns, target)[0]
    except RuntimeError:  # too many iterations
        weights = np.maximum(np.linalg.lstsq(columns, target, rcond=None)[0], 0.0)
    return weights
