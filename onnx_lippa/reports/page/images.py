"""Inputs that are images, as PNG files."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from onnx_lippa.arrays import Float64, Floats
from onnx_lippa.reports.page.pictures import DIFFERENCES, encode_png
from onnx_lippa.reports.page.reported import image_axes


def to_pixels(x: Floats, box: tuple[Float64, Float64]) -> npt.NDArray[np.uint8]:
    """An image in its shape as bytes (rows, columns) or (rows, columns, 3).

    Args:
        x: the image.
        box: bounds (d,) of the domain: black and white. Where they are infinite or differ among
            features, those of the image and the least and greatest bound are used.
    """
    low, high = _ends(x, box)
    scaled = (x.astype(np.float64) - low) / ((high - low) or 1.0)
    return np.rint(255 * np.clip(_arrange(scaled), 0.0, 1.0)).astype(np.uint8)


def are_exact(pixels: npt.NDArray[np.uint8], x: Floats, box: tuple[Float64, Float64]) -> bool:
    """Whether the bytes of an image stand for exactly its values."""
    low, high = _ends(x, box)
    stated = (low + pixels / 255.0 * (high - low)).astype(x.dtype)
    return np.array_equal(stated, _arrange(x))


def _ends(x: Floats, box: tuple[Float64, Float64]) -> tuple[float, float]:
    """Black and white."""
    lower, upper = float(np.min(box[0])), float(np.max(box[1]))
    low = lower if np.isfinite(lower) else float(x.min())
    return low, upper if np.isfinite(upper) else float(x.max())


def show_image(x: Floats, box: tuple[Float64, Float64]) -> bytes:
    """An image as a PNG file."""
    return encode_png(to_pixels(x, box))


def show_difference(difference: Float64) -> bytes:
    """A difference of images as a PNG file: blue is less, red is more, white is no change.

    The largest change has the strongest colour. Colour images have each channel around grey.
    """
    scaled = _arrange(difference) / (float(np.abs(difference).max()) or 1.0)
    if scaled.ndim == 3:
        return encode_png(np.rint(127.5 * (1.0 + scaled)).astype(np.uint8))
    return encode_png(np.rint(255 * DIFFERENCES((1.0 + scaled) / 2)[..., :3]).astype(np.uint8))


def _arrange(x: Floats) -> Floats:
    """Rows, columns and, with colours, channels."""
    axes = image_axes(x.shape)
    if axes is None:
        raise ValueError("no image")
    channels, rows, columns = axes
    if channels is None:
        return x
    arranged = x.transpose(rows, columns, channels)
    return arranged[..., 0] if arranged.shape[2] == 1 else arranged
