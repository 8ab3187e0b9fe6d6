"""Coordinate descent on the margin among the points of a grid."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from onnx_lippa.arrays import Float64, Integers
from onnx_lippa.onnx_io import Model
from onnx_lippa.spec import Conjunction, Grid, InputSet

_MOST_MOVES: Final = 512
_MOST_NUMBERS: Final = 1 << 22
"""Moves tried from one point, the most promising by the gradient, and their numbers in all."""
_LARGEST_MOVE: Final = 16
"""A feature moves by 1, 2, 4, ... steps, up to 2 to this power."""
_SHARES: Final = 64
"""Steps into which the range of a feature without a grid is cut."""
_ON_GRID: Final = 1e-3
"""A feature as near to its grid, in steps, is on it and is not rounded anywhere else."""
_PAIRED: Final = 24
"""Moves out of the ball, and moves that make room for one, tried together."""


@dataclass(frozen=True)
class Moves:
    """Some moves of single features from one point.

    Attributes:
        feature: (m,) which feature moves.
        value: (m,) what it becomes.
    """

    feature: Integers
    value: Float64

    def take(self, kept: Integers) -> Moves:
        """Some of the moves, in this order."""
        return Moves(self.feature[kept], self.value[kept])

    def apply(self, x: Float64) -> Float64:
        """The points (m, d) that the moves lead to."""
        points = np.repeat(x[None], len(self.feature), axis=0)
        points[np.arange(len(points)), self.feature] = self.value
        return points


@dataclass(frozen=True)
class CoordinateDescent:
    """Greedy descent on the margin of a disjunct by moves of single features.

    Attributes:
        model: the model.
        inputs: the allowed inputs, on a grid.
        disjunct: the unsafe outputs.
    """

    model: Model
    inputs: InputSet
    disjunct: Conjunction

    def margins(self, x: Float64) -> Float64:
        """Margins of points (n, d)."""
        return self.disjunct.margins(self.model.values.forward(x))

    def run(
        self, x: Float64, steps: int, offer: Callable[[Float64], bool], deadline: float
    ) -> bool:
        """Descends from the grid points next to x; True where it ends in a witness.

        Args:
            x: (d,) the start.
            steps: moves at most.
            offer: whether an unsafe point is a witness.
            deadline: ``time.monotonic()`` at which to give up.
        """
        point, margin = self.start(x)
        for left in range(steps, 0, -1):
            if margin <= 0 and offer(point):
                return True
            if time.monotonic() > deadline:
                return False
            moved = self.improve(point, margin)
            if moved is None or moved[1] > left * (margin - moved[1]):
                return False  # at this pace it would not get there
            point, margin = moved
        return margin <= 0 and offer(point)

    def start(self, x: Float64) -> tuple[Float64, float]:
        """The better of two grid points next to x, and its margin.

        One is the nearest; in the other every feature is rounded in the direction in which the
        margin falls.
        """
        rounded = [self._stored(x), self._stored(self._round_downhill(x))]
        margins = self.margins(np.array(rounded))
        best = int(margins.argmin())
        return rounded[best], float(margins[best])

    def improve(self, x: Float64, margin: float) -> tuple[Float64, float] | None:
        """The best point that single, combined or paired moves lead to; None where none is better.

        All promising single moves are tried, then the best ones together, and a move that leaves
        the ball with another that makes room for it.
        """
        moves = self._moves(x)
        if not moves.feature.size:
            return None
        points = moves.apply(x)
        margins = self.margins(points)
        fits, falls = self._fits(points), margins < margin
        inward = np.abs(moves.value - self.inputs.center[moves.feature])
        inward = inward < np.abs(x - self.inputs.center)[moves.feature]
        single, leaving, making_room = (
            moves.take(_sort(chosen, margins)[:most])
            for chosen, most in (
                (fits & falls, None), (~fits & falls, _PAIRED), (fits & inward, _PAIRED)
            )
        )  # fmt: skip
        groups = [(points[fits], margins[fits])]
        for combined in (self._combine(x, single), self._pair(x, leaving, making_room)):
            inside = combined[self._fits(combined)]
            if len(inside):
                groups.append((inside, self.margins(inside)))
        best, least = x, margin
        for tried, values in groups:
            if values.min(initial=np.inf) < least:
                place = int(values.argmin())
                best, least = tried[place], float(values[place])
        return None if best is x else (best, least)

    def _combine(self, x: Float64, moves: Moves) -> Float64:
        """Points after the first 2, 4, 8, ... moves of different features at once."""
        _, first = np.unique(moves.feature, return_index=True)
        moves = moves.take(np.sort(first))
        points = []
        count = 2
        while count < 2 * len(moves.feature):
            point = x.copy()
            point[moves.feature[:count]] = moves.value[:count]
            points.append(point)
            count *= 2
        return np.array(points).reshape(-1, x.size)

    def _pair(self, x: Float64, leaving: Moves, making_room: Moves) -> Float64:
        """Points after a move that leaves the ball and one that brings another feature back."""
        sizes = len(leaving.feature), len(making_room.feature)
        first, second = np.indices(sizes).reshape(2, -1)
        different = leaving.feature[first] != making_room.feature[second]
        first, second = first[different][: self._most], second[different][: self._most]
        points = leaving.take(first).apply(x)
        points[np.arange(len(points)), making_room.feature[second]] = making_room.value[second]
        return points

    def _moves(self, x: Float64) -> Moves:
        """The most promising moves of each feature within its own bounds."""
        features, values = [], []
        counts = self._grid.counts(x)
        for power in range(_LARGEST_MOVE + 1):
            if 2.0**power > self._most_steps:
                break
            for sign in (-1.0, 1.0):
                moved = np.clip(x + sign * 2.0**power * self._shares, *self._range)
                moved = self._as_stored(self._grid.at(counts + sign * 2.0**power, moved))
                able = np.flatnonzero(self._free & self.inputs.may_take(moved) & (moved != x))
                features.append(able)
                values.append(moved[able])
        if not features:
            return Moves(np.zeros(0, dtype=np.int64), np.zeros(0))
        moves = Moves(np.concatenate(features), np.concatenate(values))
        if len(moves.feature) > self._most:
            gained = self._gradient(x)[moves.feature] * (moves.value - x[moves.feature])
            moves = moves.take(np.argsort(gained, kind="stable")[: self._most])
        return moves

    def _fits(self, points: Float64) -> np.ndarray:
        """Which points (n, d) lie in the ball, but for rounding."""
        lengths = self.inputs.norm.lengths(points - self.inputs.center)
        return np.asarray(lengths <= self.inputs.eps)

    def _round_downhill(self, x: Float64) -> Float64:
        """x with every feature rounded in the direction in which the margin falls."""
        counts = self._grid.counts(x)
        nearest, gradient = self._grid.at(counts, x), self._gradient(x)
        away = np.where(gradient > 0, -(nearest > x).astype(float), (nearest < x).astype(float))
        off = np.abs(nearest - x) > _ON_GRID * self._grid.steps
        directed = self._grid.at(counts + np.where(off & (gradient != 0), away, 0.0), x)
        able = self.inputs.may_take(self._as_stored(directed))
        return np.where(able, directed, x)

    def _gradient(self, x: Float64) -> Float64:
        """Gradient (d,) of the margin, that of the worst inequality."""
        logits = self.model.values.forward(x[None])[0]
        worst = int(np.argmax(self.disjunct.matrix @ logits - self.disjunct.bound))
        weights = self.disjunct.matrix[worst][None]
        return self.model.gradient.value_and_gradient(x[None], weights)[1][0].astype(np.float64)

    def _stored(self, x: Float64) -> Float64:
        return self.inputs.to_model_type(x).astype(np.float64)

    def _as_stored(self, x: Float64) -> Float64:
        return x.astype(self.inputs.dtype).astype(np.float64)

    @property
    def _grid(self) -> Grid:
        grid = self.inputs.grid
        return Grid(np.zeros(self.inputs.size)) if grid is None else grid

    @cached_property
    def _free(self) -> np.ndarray:
        low, high = self._range
        return np.asarray(low < high)

    @cached_property
    def _range(self) -> tuple[Float64, Float64]:
        inputs = self.inputs
        low = np.maximum(inputs.lower, inputs.center - inputs.radii)
        return low, np.minimum(inputs.upper, inputs.center + inputs.radii)

    @cached_property
    def _shares(self) -> Float64:
        """The step of each feature that has no grid; 0 where it has one."""
        low, high = self._range
        width = np.where(np.isfinite(high - low), high - low, 1.0)
        return np.where(self._grid.steps == 0.0, width / _SHARES, 0.0)

    @cached_property
    def _most_steps(self) -> float:
        """Steps from one end of a range to the other, at most."""
        low, high = self._range
        steps = np.where(self._free, self._grid.steps + self._shares, np.inf)
        with np.errstate(invalid="ignore"):
            return float(np.nanmax((high - low) / steps, initial=0.0))

    @property
    def _most(self) -> int:
        return max(16, min(_MOST_MOVES, _MOST_NUMBERS // max(1, self.inputs.size)))


def _sort(chosen: np.ndarray, margins: Float64) -> Integers:
    """Places of the chosen moves, those of the least margins first."""
    places = np.flatnonzero(chosen)
    return places[np.argsort(margins[places], kind="stable")]
