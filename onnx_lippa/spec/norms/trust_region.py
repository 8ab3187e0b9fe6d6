"""The step along a hyperplane, within a trust region, after which a displacement is least.

``min ||shift + step||`` over ``normal @ step = gap``, ``||step||_2 <= radius`` and a box. Each norm
states how its minimiser looks for two multipliers of each row, the one of the hyperplane and one
that weighs the norm against the length of the step; both are found here, for all rows at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import numpy as np

from onnx_lippa.arrays import AnyArray, Float64, Floats, Integers
from onnx_lippa.spec.norms.hyperplane import Approach

_PULLS: Final = 16
"""Bisections of the weight of the norm."""
_MULTIPLIERS: Final = 60
"""Iterations for the multiplier of the hyperplane: Newton's, and bisections where these leave the
bracket."""
_FAR: Final = 1e100
"""A multiplier that moves every feature to a bound."""
_CLOSE: Final = 1e-9
"""How near to the hyperplane a step ends, as a share of the largest value of ``normal @ step``."""


@dataclass(frozen=True)
class Walk:
    """The walks of some rows along hyperplanes.

    Attributes:
        shift: (n, d) displacements from the centre.
        normal: (n, d) normals.
        gap: (n,) right sides.
        radius: (n,) largest length of a step, in ℓ2 and the units of the norm.
        lower: (n, d) lower bounds of the steps, at most 0.
        upper: (n, d) upper bounds, at least 0.
    """

    shift: Floats
    normal: Floats
    gap: Floats
    radius: Floats
    lower: Floats
    upper: Floats

    def normalize(self) -> Walk:
        """The same in float64, with normals scaled to a largest entry of 1."""
        wide = Walk(*(values.astype(np.float64) for values in vars(self).values()))
        largest = np.abs(wide.normal).max(axis=1, initial=0.0)
        largest = np.where(largest > 0, largest, 1.0)
        return replace(wide, normal=wide.normal / largest[:, None], gap=wide.gap / largest)

    def take(self, kept: Integers) -> Walk:
        """Those of some of the rows."""
        return Walk(*(values[kept] for values in vars(self).values()))


Respond: TypeAlias = Callable[[Walk, Float64, Float64], tuple[Float64, AnyArray]]
"""Steps (n, d) for weights of the norm (n,) from 0 (the shortest step) to 1, and multipliers of the
hyperplane (n,); and which features move on (n, d) as the multiplier grows. ``normal @ step`` does
not fall as it grows."""


def solve_walk(walk: Walk, respond: Respond) -> Floats:
    """The steps (n, d), in the type of the displacements.

    Where the hyperplane is out of reach within the trust region, the step goes towards it as far as
    it can.
    """
    dtype, walk = walk.shift.dtype, walk.normalize()
    approach = Approach.of(walk.normal, walk.gap, walk.lower, walk.upper)
    step = np.asarray(approach.saturate(approach.weight), dtype=np.float64)
    length = np.sqrt((step * step).sum(axis=1))
    shrink = np.minimum(1.0, walk.radius / np.maximum(length, 1e-300))
    missed = np.abs((walk.normal * step).sum(axis=1) - walk.gap) > _tolerance(walk)
    reached = np.flatnonzero((length <= walk.radius) & ~missed)
    step = step * shrink[:, None]
    if reached.size:
        step[reached] = _bisect(walk.take(reached), respond, step[reached])
    return step.astype(dtype)


def _bisect(walk: Walk, respond: Respond, step: Float64) -> Float64:
    """The steps of the largest weight of the norm with which they stay in the trust region."""
    low, high = np.zeros(len(step)), np.ones(len(step))
    multiplier = np.zeros(len(step))
    for number in range(_PULLS + 1):
        pull = high if number == 0 else (low + high) / 2
        tried, multiplier = _close_gap(walk, respond, pull, multiplier)
        close = np.abs((walk.normal * tried).sum(axis=1) - walk.gap) <= _tolerance(walk)
        fits = close & (np.sqrt((tried * tried).sum(axis=1)) <= walk.radius)
        step = np.where(fits[:, None], tried, step)
        low, high = np.where(fits, pull, low), np.where(fits, high, pull)
        if np.all(low >= high):
            break
    return step


def _close_gap(
    walk: Walk, respond: Respond, pull: Float64, start: Float64
) -> tuple[Float64, Float64]:
    """Steps (n, d) onto the hyperplanes, as near as they come, and their multipliers (n,)."""
    multiplier, tolerance = start.copy(), _tolerance(walk) / 2
    low, high = np.full_like(start, -np.inf), np.full_like(start, np.inf)
    ends = [respond(walk, pull, np.full_like(start, end))[0] for end in (-_FAR, _FAR)]
    least, most = ((walk.normal * end).sum(axis=1) for end in ends)
    step = np.where((walk.gap > most)[:, None], ends[1], ends[0])
    left = np.flatnonzero((walk.gap >= least - tolerance) & (walk.gap <= most + tolerance))
    for _ in range(_MULTIPLIERS):
        if not left.size:
            break
        rows, at = walk.take(left), multiplier[left]
        step[left], moving = respond(rows, pull[left], at)
        error = (rows.normal * step[left]).sum(axis=1) - rows.gap
        low[left] = np.where(error < 0, at, low[left])
        high[left] = np.where(error > 0, at, high[left])
        slope = (rows.normal * rows.normal * moving).sum(axis=1)
        newton = at - error / np.where(slope > 0, slope, 1.0)
        inside = np.isfinite(low[left]) & np.isfinite(high[left])
        middle = np.where(inside, low[left], 0) / 2 + np.where(inside, high[left], 0) / 2
        # Without a bracket: further on, more than twice as far.
        away = at - np.sign(error) * (1e-6 + 2 * np.abs(at))
        usable = (slope > 0) & (newton > low[left]) & (newton < high[left])
        settled = np.abs(error) <= tolerance[left]
        following = np.where(usable, newton, np.where(inside, middle, away))
        multiplier[left] = np.where(settled, at, following)
        left = left[~settled]
    return step, multiplier


def _tolerance(walk: Walk) -> Float64:
    """(n,) how far from the hyperplane a step may end."""
    return _CLOSE + 1e-6 * np.abs(walk.gap)


def respond_l2(walk: Walk, pull: Float64, multiplier: Float64) -> tuple[Float64, AnyArray]:
    """``clip(multiplier * normal - pull * shift)``."""
    free = multiplier[:, None] * walk.normal - pull[:, None] * walk.shift
    return np.clip(free, walk.lower, walk.upper), (free > walk.lower) & (free < walk.upper)


def respond_l1(walk: Walk, pull: Float64, multiplier: Float64) -> tuple[Float64, AnyArray]:
    """The displacement after the step is soft-thresholded."""
    largest = np.abs(walk.shift).max(axis=1)
    threshold = (largest * pull / np.maximum(1.0 - pull, 1e-4))[:, None]
    to = walk.shift + multiplier[:, None] * walk.normal
    kept = np.abs(to) > threshold
    free = np.where(kept, to - np.sign(to) * threshold, 0.0) - walk.shift
    inside = (free > walk.lower) & (free < walk.upper)
    return np.clip(free, walk.lower, walk.upper), kept & inside


def respond_linf(walk: Walk, pull: Float64, multiplier: Float64) -> tuple[Float64, AnyArray]:
    """``clip(multiplier * normal)`` to the box and to a ball that shrinks with the pull."""
    size = ((1.0 - pull) * np.abs(walk.shift).max(axis=1))[:, None]
    low = np.minimum(np.maximum(walk.lower, -size - walk.shift), walk.upper)
    high = np.maximum(np.minimum(walk.upper, size - walk.shift), walk.lower)
    free = multiplier[:, None] * walk.normal
    return np.clip(free, low, high), (free > low) & (free < high)
