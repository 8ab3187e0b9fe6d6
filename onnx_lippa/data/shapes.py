"""Matching stored inputs to the shape of the model's samples."""

from __future__ import annotations

from typing import Final

from onnx_lippa.arrays import AnyArray, Shape, size
from onnx_lippa.data.base import Stored
from onnx_lippa.errors import InputError

_MOST_CHANNELS: Final = 4


def as_rows(stored: Stored, sample_shape: Shape) -> AnyArray:
    """Inputs of any type as rows (n, d), in the order in which the model reads them.

    Where only the first entries of the array were read, these are the first rows.

    Accepted are (n, \\*sample_shape), the same with axes of extent 1 added or left out, flat
    samples (n, d), images of one channel for a flat model, and a single sample without the batch
    axis. The last is never ambiguous: it has d elements, so with a batch axis it could only be
    one sample as well.

    Args:
        stored: the inputs.
        sample_shape: shape of one sample of the model.

    Raises:
        InputError: no inputs, or another shape.
    """
    shape, d = stored.shape, size(sample_shape)
    if size(shape) == 0:
        raise InputError(
            f"{stored.where} has shape {shape} and so holds no inputs: give at least one"
        )
    for given in (shape[1:], shape):
        if given != sample_shape and _is_channels_last(given, sample_shape):
            raise InputError(
                f"{stored.where} has shape {shape}, with the channels last, but the model takes "
                f"samples of shape {sample_shape}: transpose the array first, as with "
                "numpy.moveaxis(images, -1, -3)"
            )
    is_batch = len(shape) > 0 and _long_axes(shape[1:]) in (
        _long_axes(sample_shape),
        _long_axes((d,)),
    )
    is_batch = is_batch or _is_grey_for_flat(shape[1:], sample_shape)
    if is_batch or _long_axes(shape) == _long_axes(sample_shape):
        return stored.values.reshape(-1, d)
    listed = ", ".join(("n", *map(str, sample_shape)))
    raise InputError(
        f"{stored.where} has shape {shape}, which does not fit the model, whose samples have shape "
        f"{sample_shape}: reshape the array to ({listed}) or to (n, {d})"
    )


def _long_axes(shape: Shape) -> Shape:
    """The shape without its axes of extent 1."""
    return tuple(extent for extent in shape if extent != 1)


def _is_grey_for_flat(shape: Shape, sample_shape: Shape) -> bool:
    """Whether samples are images of one channel, and the model takes them row by row.

    Row by row is how such images are always flattened. A short axis that is not as long as the
    other one may hold channels, and these are flattened before or behind the rows.
    """
    long = _long_axes(shape)
    if len(_long_axes(sample_shape)) != 1 or len(long) != 2 or size(long) != size(sample_shape):
        return False
    return len(shape) <= 3 and (long[0] == long[1] or min(long) > _MOST_CHANNELS)


def _is_channels_last(shape: Shape, sample_shape: Shape) -> bool:
    """Whether the shape is (H, W, C) for a model of (C, H, W), and the order matters."""
    if len(sample_shape) != 3:
        return False
    channels, height, width = sample_shape
    return channels > 1 and height * width > 1 and shape == (height, width, channels)
