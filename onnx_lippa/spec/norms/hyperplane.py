"""Least steps to a hyperplane inside a box: what the norms share.

A feature moves in the direction in which it approaches the hyperplane, by at least 0 and by at most
the room that it has in the box, so the norms choose lengths of moves alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from onnx_lippa.arrays import Floats


@dataclass(frozen=True)
class Approach:
    """Moves towards hyperplanes, feature by feature.

    Rows are scaled so that the largest weight is 1, which keeps squares of small numbers in range.

    Attributes:
        weight: (n, d) by how much a unit move of each feature narrows the gap, at least 0.
        room: (n, d) the longest move of each feature; 0 where the weight is 0.
        gap: (n,) how far the hyperplane is, at least 0.
        direction: (n, d) the sign of each move.
    """

    weight: Floats
    room: Floats
    gap: Floats
    direction: Floats

    @classmethod
    def of(cls, normal: Floats, gap: Floats, lower: Floats, upper: Floats) -> Approach:
        """The moves to ``normal @ step = gap`` with ``lower <= step <= upper``.

        Args:
            normal: (n, d) normals.
            gap: (n,) right sides.
            lower: (n, d) lower bounds of the step, at most 0.
            upper: (n, d) upper bounds, at least 0.
        """
        largest = np.abs(normal).max(axis=1, initial=0.0)
        largest = np.where(largest > 0, largest, np.ones_like(largest))
        scaled = normal / largest[:, None]
        direction = np.sign(scaled) * np.sign(gap)[:, None]
        with np.errstate(over="ignore", invalid="ignore"):  # out of reach; 0 times infinity
            room = np.fmax(np.fmax(direction * upper, direction * lower), 0)
            return cls(np.abs(scaled), room, np.abs(gap) / largest, direction)

    def saturate(self, pace: Floats) -> Floats:
        """Steps (n, d) whose features all move on at a pace (n, d) until they have no room left.

        The time ``t`` at which ``sum_i weight_i min(t pace_i, room_i)`` closes the gap is found by
        Newton's method from below. The sum is concave and piecewise linear in t, so this ends after
        finitely many iterations, with the exact solution. Hyperplanes out of reach give a corner.
        """
        never = np.finfo(pace.dtype).max
        time, slope = np.zeros_like(self.gap), np.full_like(self.gap, -1)
        speed = self.weight * pace
        moved = np.zeros_like(pace)
        with np.errstate(over="ignore"):
            for _ in range(pace.shape[1] + 2):
                free = (moved < self.room) | (time == 0)[:, None]
                last, slope = slope, (speed * free).sum(axis=1)
                changed = slope != last  # else the same features are free
                if not changed.any():
                    break
                left = np.maximum(self.gap - (self.weight * moved).sum(axis=1), 0) * changed
                wait = np.where(left > 0, never, np.zeros_like(left))
                np.divide(left, slope, out=wait, where=slope > 0)
                time = np.minimum(time + wait, never)
                moved = np.minimum(time[:, None] * pace, self.room)
        return self.direction * np.where(np.isfinite(moved), moved, 0)

    def spend(self) -> Floats:
        """Steps (n, d) in which the features of largest weight move first, as far as they can."""
        order = np.argsort(-self.weight, axis=1)
        weight, room = (np.take_along_axis(a, order, axis=1) for a in (self.weight, self.room))
        with np.errstate(over="ignore"):
            gain = weight * room
            total = np.cumsum(gain[:, :-1], axis=1)
        before = np.concatenate([np.zeros_like(gain[:, :1]), total], axis=1)
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            spent = np.fmin((self.gap[:, None] - before) / weight, room)
        spent = np.maximum(spent, 0)
        spent = np.where(np.isfinite(spent), spent, 0)
        moved = np.empty_like(spent)
        np.put_along_axis(moved, order, spent, axis=1)
        return self.direction * moved
