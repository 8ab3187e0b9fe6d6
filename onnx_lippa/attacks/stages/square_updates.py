"""The updates of Square: windows of images that change their colour, or move the perturbation.

Where inputs are images a window is a square of pixels, else a block of neighbouring features.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, final

import numpy as np
from typing_extensions import override

from onnx_lippa.arrays import Float64, Floats, Integers
from onnx_lippa.attacks.stages.state import AttackState
from onnx_lippa.spec.input_set import round_down, round_up

_TILES: Final = 5
"""Tiles of the first ℓ2 perturbation along an axis."""
_LEAST_L2_SIDE: Final = 3
_CHANNELS: Final = (1, 3, 4)
"""Numbers of channels that tell where the channels of an image are."""


@final
@dataclass(frozen=True)
class Canvas:
    """Inputs seen as images: channels, rows and columns. A vector is an image of one row.

    Attributes:
        channels: number of channels.
        rows: number of rows.
        columns: number of columns.
        is_last: whether the channels are the last axis of the input.
    """

    channels: int
    rows: int
    columns: int
    is_last: bool = False

    @classmethod
    def of(cls, shape: Sequence[int]) -> Canvas:
        """The canvas of inputs of a shape without the batch axis."""
        if len(shape) == 2:
            return cls(1, shape[0], shape[1])
        if len(shape) != 3:
            return cls(1, 1, int(np.prod(shape)))
        is_last = shape[2] in _CHANNELS and shape[0] not in _CHANNELS
        channels, rows, columns = (shape[2], *shape[:2]) if is_last else shape
        return cls(channels, rows, columns, is_last)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, rows and columns."""
        return self.channels, self.rows, self.columns

    def arrange(self, x: Floats) -> Floats:
        """Flat inputs (n, d) as (n, channels, rows, columns)."""
        if self.is_last:
            return x.reshape(len(x), self.rows, self.columns, self.channels).transpose(0, 3, 1, 2)
        return x.reshape(len(x), *self.shape)

    def flatten(self, x: Floats) -> Floats:
        """Arranged inputs (n, channels, rows, columns) as (n, d)."""
        return (x.transpose(0, 2, 3, 1) if self.is_last else x).reshape(len(x), -1)

    @property
    def tile(self) -> tuple[int, int]:
        """Rows and columns of a tile of the first ℓ2 perturbation."""
        return max(1, self.rows // _TILES), max(1, self.columns // _TILES)

    def window(self, share: float, least: int = 1, *, is_odd: bool = False) -> tuple[int, int]:
        """Rows and columns of a window with a share of the features."""
        if self.rows == 1:
            side = max(least, round(share * self.columns))
        else:
            side = max(least, round(float(np.sqrt(share * self.rows * self.columns))))
        side += is_odd and side % 2 == 0
        return min(side, self.rows), min(side, self.columns)


@dataclass(frozen=True)
class Proposals(ABC):
    """How points start and move; all arrays are arranged.

    Attributes:
        canvas: the shape of inputs.
        center: (n, c, h, w) clean inputs.
        low: (n, c, h, w) lower bounds of domain and of each feature's own radius.
        high: (n, c, h, w) upper bounds.
        scale: (n, c, h, w) unit of each feature.
        eps: (n,) radii.
    """

    canvas: Canvas
    center: Floats
    low: Floats
    high: Floats
    scale: Floats
    eps: Floats

    @classmethod
    def of(
        cls,
        canvas: Canvas,
        attacks: Sequence[AttackState],
        radii: Float64,
        dtype: np.dtype[np.floating],
    ) -> Proposals:
        """Proposals within balls of these radii, rounded inward to a type."""
        low, high, center, scale = [], [], [], []
        for attack, eps in zip(attacks, radii, strict=True):
            inputs = attack.inputs.with_eps(float(eps))
            low.append(round_up(np.maximum(inputs.lower, inputs.center - inputs.radii), dtype))
            high.append(round_down(np.minimum(inputs.upper, inputs.center + inputs.radii), dtype))
            center.append(inputs.center.astype(dtype))
            scale.append(inputs.norm.unit_radii(inputs.size).astype(dtype))
        parts = [canvas.arrange(np.array(one)) for one in (center, low, high, scale)]
        return cls(canvas, parts[0], parts[1], parts[2], parts[3], radii.astype(dtype))

    def take(self, kept: Integers) -> Proposals:
        """Those of some rows."""
        parts = (self.center, self.low, self.high, self.scale, self.eps)
        return type(self)(self.canvas, *(one[kept] for one in parts))

    @property
    @abstractmethod
    def first_numbers(self) -> int:
        """Random numbers behind the first point of a row."""

    @property
    @abstractmethod
    def numbers(self) -> int:
        """Random numbers behind a step of a row."""

    @abstractmethod
    def begin(self, u: Float64) -> Floats:
        """First points, from numbers (n, first_numbers) in [0, 1)."""

    @abstractmethod
    def move(self, best: Floats, share: float, u: Float64) -> Floats:
        """Changes of the best points that differ in a share of the features.

        Args:
            best: (n, c, h, w) the best points.
            share: share of the features.
            u: (n, numbers) random numbers in [0, 1).
        """


@final
class _LInfProposals(Proposals):
    """Windows of one colour a channel: each feature at one end of its interval."""

    @property
    @override
    def first_numbers(self) -> int:
        return self.canvas.channels * self.canvas.columns

    @property
    @override
    def numbers(self) -> int:
        return 2 + self.canvas.channels

    @override
    def begin(self, u: Float64) -> Floats:
        stripes = u.reshape(len(u), self.canvas.channels, 1, self.canvas.columns)
        return np.where(stripes < 0.5, self.low, self.high)

    @override
    def move(self, best: Floats, share: float, u: Float64) -> Floats:
        inside = _mask(self.canvas, self.canvas.window(share), u[:, :2])
        is_up = (u[:, 2:] >= 0.5)[:, :, None, None]
        moved = np.where(inside, np.where(is_up, self.high, self.low), best)
        same = np.flatnonzero((moved == best).all(axis=(1, 2, 3)))
        if same.size:  # a change that changes nothing wastes a query: take the other colours
            other = np.where(is_up[same], self.low[same], self.high[same])
            moved[same] = np.where(inside[same], other, best[same])
        return moved


@final
class _L2Proposals(Proposals):
    """Mass is moved from one window to another, in which the perturbation has the shape η."""

    @property
    @override
    def first_numbers(self) -> int:
        return self.canvas.channels * _TILES * _TILES

    @property
    @override
    def numbers(self) -> int:
        return 5 + self.canvas.channels

    @override
    def begin(self, u: Float64) -> Floats:
        delta = np.zeros_like(self.center)
        signs = _signs(u).reshape(len(u), self.canvas.channels, _TILES, _TILES)
        (height, width), extents = self.canvas.tile, self.canvas.shape[1:]
        counts = min(_TILES, extents[0] // height), min(_TILES, extents[1] // width)
        top, left = (extents[0] - height * counts[0]) // 2, (extents[1] - width * counts[1]) // 2
        for i, j in np.ndindex(counts):
            y, x = top + i * height, left + j * width
            tile = _eta(height, width) * signs[:, :, i, j, None, None]
            delta[:, :, y : y + height, x : x + width] = tile
        return self._scaled(delta)

    @override
    def move(self, best: Floats, share: float, u: Float64) -> Floats:
        sides = self.canvas.window(share, _LEAST_L2_SIDE, is_odd=True)
        moves = self.scale > 0
        delta = np.divide(best - self.center, self.scale, out=np.zeros_like(best), where=moves)
        first, second = (_mask(self.canvas, sides, u[:, k : k + 2]) for k in (0, 2))
        square = delta * delta
        unused = np.maximum(self.eps**2 - square.sum(axis=(1, 2, 3)), 0.0) / self.canvas.channels
        both = (square * (first | second)).sum(axis=(2, 3))
        available = np.sqrt(unused[:, None] + both)[:, :, None, None]
        old = np.sqrt((square * first).sum(axis=(1, 2, 3), keepdims=True))
        window = _place(self.canvas, sides, u[:, :2])
        eta = np.where(u[:, 4, None, None] < 0.5, _eta(*sides), _turned_eta(*sides))[:, None]
        shape = eta * _signs(u[:, 5:])[:, :, None, None] + delta[window] / np.maximum(old, 1e-12)
        length = np.sqrt((shape * shape).sum(axis=(2, 3), keepdims=True))
        delta[np.broadcast_to(second, delta.shape)] = 0.0
        delta[window] = shape / np.maximum(length, 1e-12) * available
        return self._scaled(delta.astype(best.dtype, copy=False))

    def _scaled(self, delta: Floats) -> Floats:
        """Points on the spheres in the directions of delta, clipped to the domain."""
        length = np.sqrt((delta * delta).sum(axis=(1, 2, 3), keepdims=True))
        delta *= self.eps[:, None, None, None] / np.maximum(length, np.finfo(delta.dtype).tiny)
        return np.clip(self.center + self.scale * delta, self.low, self.high)


def _signs(u: Float64) -> Float64:
    return np.where(u < 0.5, -1.0, 1.0)


def _corners(canvas: Canvas, sides: tuple[int, int], u: Float64) -> tuple[Integers, Integers]:
    """First rows and columns (n,) of windows, from numbers (n, 2) in [0, 1)."""
    y = np.floor(u[:, 0] * (canvas.rows - sides[0] + 1)).astype(np.int64)
    return y, np.floor(u[:, 1] * (canvas.columns - sides[1] + 1)).astype(np.int64)


def _mask(canvas: Canvas, sides: tuple[int, int], u: Float64) -> np.ndarray:
    """(n, 1, h, w) which features are in the window of each row."""
    y, x = _corners(canvas, sides, u)
    rows, columns = np.arange(canvas.rows) - y[:, None], np.arange(canvas.columns) - x[:, None]
    rows_inside = (rows >= 0) & (rows < sides[0])
    columns_inside = (columns >= 0) & (columns < sides[1])
    return (rows_inside[:, :, None] & columns_inside[:, None, :])[:, None]


def _place(
    canvas: Canvas, sides: tuple[int, int], u: Float64
) -> tuple[Integers, Integers, Integers, Integers]:
    """The places (n, c, *sides) of the window of each row, as indices."""
    y, x = _corners(canvas, sides, u)
    return (
        np.arange(len(u))[:, None, None, None],
        np.arange(canvas.channels)[None, :, None, None],
        (y[:, None] + np.arange(sides[0]))[:, None, :, None],
        (x[:, None] + np.arange(sides[1]))[:, None, None, :],
    )


@lru_cache(maxsize=256)
def _eta(rows: int, columns: int) -> Float64:
    """The shape η of unit length: two halves of opposite sign, each falling from its centre."""
    if columns > rows:
        return _eta(columns, rows).T
    upper = rows // 2
    eta = np.concatenate([_falling(upper, columns), -_falling(rows - upper, columns)])
    eta /= np.sqrt((eta * eta).sum())
    eta.setflags(write=False)
    return eta


def _turned_eta(rows: int, columns: int) -> Float64:
    """The same with the halves beside each other where they are above each other."""
    return _eta(rows, columns).T if rows == columns else -_eta(rows, columns)


def _falling(rows: int, columns: int) -> Float64:
    """Concentric rectangles, each inner one higher: sums of inverse squares."""
    most = max(rows, columns) // 2 + 1
    inverse = 1.0 / np.arange(1, most + 1) ** 2
    heights = np.append(np.cumsum(inverse[::-1])[::-1], 0.0)
    y = np.abs(np.arange(rows) - rows // 2)[:, None]
    x = np.abs(np.arange(columns) - columns // 2)[None, :]
    return np.asarray(heights[np.minimum(np.maximum(y, x), most)])


PROPOSALS: Final[dict[str, type[Proposals]]] = {"linf": _LInfProposals, "l2": _L2Proposals}
"""The updates of each norm that has such."""
