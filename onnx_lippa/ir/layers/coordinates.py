"""Which coordinate in the input every place of a resized axis stands for.

The arithmetic is in float32 as ONNX Runtime does it, since the nearest of two entries can depend
on how a coordinate is rounded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from onnx_lippa.arrays import Float32, Integers
from onnx_lippa.ir.layers.node import Unsupported

_ZERO, _HALF, _ONE, _TWO = (np.float32(number) for number in (0.0, 0.5, 1.0, 2.0))
CROPPING: Final = "tf_crop_and_resize"
"""The one map that leaves places outside the input."""


@dataclass(frozen=True)
class Axis:
    """One axis that is resized.

    Attributes:
        extent: its extent before.
        places: its extent behind.
        scale: the float32 factor in between, which need not be their quotient.
        start: where the region of interest begins, as a fraction of the axis.
        end: where it ends.
    """

    extent: int
    places: int
    scale: np.float32
    start: np.float32 = _ZERO
    end: np.float32 = _ONE


def coordinates(name: str, axis: Axis) -> Float32:
    """The coordinate in the input of every place.

    Args:
        name: the ONNX name of the map.
        axis: the axis.

    Raises:
        Unsupported: there is no such map.
    """
    if name not in _MAPS:
        raise Unsupported(f"its coordinate_transformation_mode '{name}' is unknown")
    place = np.arange(axis.places, dtype=np.float32)
    return place if axis.scale == 1 else _MAPS[name](place, axis)


def outside(name: str, axis: Axis) -> Integers:
    """The places that lie outside the input, for the one map that leaves them there."""
    at = coordinates(name, axis)
    return np.flatnonzero((name == CROPPING) & ((at < 0) | (at > axis.extent - 1)))


def _half_pixel(place: Float32, axis: Axis) -> Float32:
    return (place + _HALF) / axis.scale - _HALF


def _pytorch_half_pixel(place: Float32, axis: Axis) -> Float32:
    return _half_pixel(place, axis) if axis.places > 1 else place


def _half_pixel_symmetric(place: Float32, axis: Axis) -> Float32:
    extent = np.float32(axis.extent)
    adjustment = np.float32(axis.places) / (axis.scale * extent)
    offset = float(extent / _TWO * (_ONE - adjustment))
    exact = offset + (place.astype(np.float64) + 0.5) / float(axis.scale) - 0.5
    return exact.astype(np.float32)


def _tf_half_pixel_for_nn(place: Float32, axis: Axis) -> Float32:
    return (place + _HALF) / axis.scale


def _asymmetric(place: Float32, axis: Axis) -> Float32:
    return place / axis.scale


def _align_corners(place: Float32, axis: Axis) -> Float32:
    return place * np.float32(axis.extent - 1) / np.float32(max(axis.places - 1, 1))


def _tf_crop_and_resize(place: Float32, axis: Axis) -> Float32:
    last = np.float32(axis.extent - 1)
    if axis.places == 1:
        return np.array([0.5 * float(axis.start + axis.end) * float(last)], dtype=np.float32)
    reach = place * (axis.end - axis.start) * last / np.float32(axis.places - 1)
    return axis.start * last + reach


_MAPS: Final[dict[str, Callable[[Float32, Axis], Float32]]] = {
    "half_pixel": _half_pixel,
    "pytorch_half_pixel": _pytorch_half_pixel,
    "half_pixel_symmetric": _half_pixel_symmetric,
    "tf_half_pixel_for_nn": _tf_half_pixel_for_nn,
    "asymmetric": _asymmetric,
    "align_corners": _align_corners,
    CROPPING: _tf_crop_and_resize,
}
