"""The weights of the entries of an axis at each place of a resized axis.

Coordinates are computed in float32 as ONNX Runtime computes them, since the nearest of two entries
can depend on how a coordinate is rounded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from onnx_lippa.arrays import AnyArray, Float32, Float64, Integers
from onnx_lippa.errors import Unsupported

_ZERO, _HALF, _ONE, _TWO = (np.float32(number) for number in (0.0, 0.5, 1.0, 2.0))
CROPPING: Final = "tf_crop_and_resize"
"""The map that leaves places outside the input."""
OLD_NEAREST: Final = "old"
"""The rounding of opsets before 11."""
_HALF_WAY: Final = 1e-6
"""Within this distance of half way ONNX Runtime takes a coordinate to be half way."""


@dataclass(frozen=True)
class Axis:
    """One axis that is resized.

    Attributes:
        extent: its extent.
        places: its extent after resizing.
        scale: the float32 factor, which need not be the quotient of both.
        start: where the region of interest begins, as a fraction of the axis.
        end: where it ends.
    """

    extent: int
    places: int
    scale: np.float32
    start: np.float32 = _ZERO
    end: np.float32 = _ONE


def _half_pixel_symmetric(place: Float32, axis: Axis) -> Float32:
    extent = np.float32(axis.extent)
    adjustment = np.float32(axis.places) / (axis.scale * extent)
    offset = float(extent / _TWO * (_ONE - adjustment))
    exact = offset + (place.astype(np.float64) + 0.5) / float(axis.scale) - 0.5
    return exact.astype(np.float32)


def _tf_crop_and_resize(place: Float32, axis: Axis) -> Float32:
    last = np.float32(axis.extent - 1)
    if axis.places == 1:
        return np.array([0.5 * float(axis.start + axis.end) * float(last)], dtype=np.float32)
    offset = place * (axis.end - axis.start) * last / np.float32(axis.places - 1)
    return axis.start * last + offset


def _half_pixel(place: Float32, axis: Axis) -> Float32:
    return (place + _HALF) / axis.scale - _HALF


_MAPS: Final[dict[str, Callable[[Float32, Axis], Float32]]] = {
    "half_pixel": _half_pixel,
    "pytorch_half_pixel": lambda i, axis: _half_pixel(i, axis) if axis.places > 1 else i,
    "half_pixel_symmetric": _half_pixel_symmetric,
    "tf_half_pixel_for_nn": lambda i, axis: (i + _HALF) / axis.scale,
    "asymmetric": lambda i, axis: i / axis.scale,
    "align_corners": lambda i, axis: (
        i * np.float32(axis.extent - 1) / np.float32(max(axis.places - 1, 1))
    ),
    CROPPING: _tf_crop_and_resize,
}
"""For every ONNX name the map from places i to coordinates in the input."""


@dataclass(frozen=True)
class Sampling:
    """How a node resizes, the same along every axis.

    Attributes:
        mode: ``nearest``, ``linear`` or ``cubic``.
        coordinates: the ONNX name of the map from places to coordinates in the input.
        nearest: the ONNX name of the rounding.
        cubic: the coefficient a of cubic interpolation.
        excludes: whether entries outside have no weight, instead of standing for the edge.
        antialias: whether a smaller result averages over more of the input.
    """

    mode: str
    coordinates: str = "asymmetric"
    nearest: str = OLD_NEAREST
    cubic: float = -0.75
    excludes: bool = False
    antialias: bool = False

    def positions(self, axis: Axis) -> Integers:
        """The entry that is nearest to every place."""
        at = self._source_coordinates(axis).astype(np.float64)
        if self.nearest == OLD_NEAREST:
            found = np.ceil(at) if axis.scale < 1 else np.trunc(at)
        elif self.nearest in _ROUNDINGS:
            found = _ROUNDINGS[self.nearest](at)
        else:
            raise Unsupported(f"its nearest_mode '{self.nearest}' is unknown")
        return np.clip(found.astype(np.int64), 0, axis.extent - 1)

    def matrix(self, axis: Axis) -> Float64:
        """The weight of every entry (columns) at every place (rows)."""
        at = self._source_coordinates(axis)
        if self.antialias:
            return self._average(axis, at)
        return self._linear(axis, at) if self.mode == "linear" else self._cubic(axis, at)

    def outside(self, axis: Axis) -> Integers:
        """The places outside the input, which get the extrapolation value."""
        at = self._source_coordinates(axis)
        return np.flatnonzero((self.coordinates == CROPPING) & ((at < 0) | (at > axis.extent - 1)))

    def _source_coordinates(self, axis: Axis) -> Float32:
        """The coordinate in the input of every place."""
        if self.coordinates not in _MAPS:
            raise Unsupported(f"its coordinate_transformation_mode '{self.coordinates}' is unknown")
        place = np.arange(axis.places, dtype=np.float32)
        return place if axis.scale == 1 else _MAPS[self.coordinates](place, axis)

    def _linear(self, axis: Axis, at: Float32) -> Float64:
        matrix, rows = np.zeros((axis.places, axis.extent)), np.arange(axis.places)
        within = np.clip(at, 0.0, axis.extent - 1).astype(np.float64)
        below = np.floor(within).astype(np.int64)
        matrix[rows, below] += 1.0 - (within - below)
        matrix[rows, np.minimum(below + 1, axis.extent - 1)] += within - below
        return matrix

    def _cubic(self, axis: Axis, at: Float32) -> Float64:
        matrix, rows = np.zeros((axis.places, axis.extent)), np.arange(axis.places)
        first = np.floor(at).astype(np.int64) - 1
        for tap in range(4):
            entries = first + tap
            weights = self._kept(self._cubic_weight(at - entries), entries, axis)
            matrix[rows, np.clip(entries, 0, axis.extent - 1)] += weights
        return matrix / matrix.sum(axis=1, keepdims=True) if self.excludes else matrix

    def _average(self, axis: Axis, at: Float32) -> Float64:
        """The interpolating function, widened by the factor by which the axis shrinks."""
        matrix = np.zeros((axis.places, axis.extent))
        widening = max(np.float32(1.0) / axis.scale, np.float32(1.0))
        weigh = _linear_weight if self.mode == "linear" else self._cubic_weight
        support = np.float32(1.0 if self.mode == "linear" else 2.0) * widening
        for place, center in enumerate(at + np.float32(0.5)):
            first, last = (
                int(np.floor(float(end) + 0.5)) for end in (center - support, center + support)
            )
            entries = np.arange(first, last)
            weights = weigh((entries - float(center) + 0.5) / float(widening))
            kept = self._kept(weights, entries, axis)
            np.add.at(matrix[place], np.clip(entries, 0, axis.extent - 1), kept)
        return matrix / matrix.sum(axis=1, keepdims=True)

    def _kept(self, weights: Float64, entries: Integers, axis: Axis) -> Float64:
        """The weights of entries, 0 outside the input where that is excluded."""
        inside = (entries >= 0) & (entries < axis.extent)
        return np.where(inside, weights, 0.0) if self.excludes else weights

    def _cubic_weight(self, distance: AnyArray) -> Float64:
        """Keys' piecewise cubic function."""
        a, x = self.cubic, np.abs(distance.astype(np.float64))
        near = ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
        far = ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a
        return np.where(x < 1.0, near, np.where(x < 2.0, far, 0.0))


def _linear_weight(distance: AnyArray) -> Float64:
    return np.maximum(0.0, 1.0 - np.abs(distance.astype(np.float64)))


def _is_half(at: Float64) -> AnyArray:
    """Whether a coordinate counts as half way; runtimes before mid-2026 want it exact."""
    return np.abs(at - np.floor(at) - 0.5) <= _HALF_WAY


def _prefer_ceil(at: Float64) -> Float64:
    return np.where(_is_half(at), np.ceil(at), np.round(at))


def _prefer_floor(at: Float64) -> Float64:
    return np.where(_is_half(at), np.floor(at), np.round(at))


_ROUNDINGS: Final[dict[str, Callable[[Float64], Float64]]] = {
    "round_prefer_floor": _prefer_floor,
    "round_prefer_ceil": _prefer_ceil,
    "floor": np.floor,
    "ceil": np.ceil,
}
