"""Stored arrays as inputs and labels of a model, and their checks against the domain."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from onnx_lippa.arrays import FLOAT32, AnyArray, Float64, Floats, InputRows, Integers, Shape, size
from onnx_lippa.data.files import Stored
from onnx_lippa.data.labels import require_numbers
from onnx_lippa.errors import InputError
from onnx_lippa.spec import Grid, InputSpecification
from onnx_lippa.spec.relations import NO_RELATIONS

_MOST_CHANNELS: Final = 4


def as_rows(stored: Stored, sample_shape: Shape) -> AnyArray:
    """Reshapes inputs of any type to rows (n, d) in the order of the model.

    Accepted shapes are (n, \\*sample_shape), the same with axes of extent 1 added or left out,
    flat samples (n, d), images of one channel for a flat model, and a single sample without batch
    axis. The last has d elements, so it is never ambiguous.

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
    """The shape without axes of extent 1."""
    return tuple(extent for extent in shape if extent != 1)


def _is_grey_for_flat(shape: Shape, sample_shape: Shape) -> bool:
    """Whether samples are images of one channel and the model takes them flattened row by row.

    A short axis that differs from the other one may hold channels, whose position in the
    flattened order is unknown.
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


_PIXELS: Final = np.arange(256, dtype=np.uint8) / 255
"""The value of each byte: a table, so that images do not pass through float64."""


def to_floats(
    rows: AnyArray, where: str, dtype: np.dtype[np.floating] = FLOAT32, first: int = 0
) -> Floats:
    """Converts inputs to the model's type. Bytes become fractions of 255.

    Args:
        rows: (n, d) inputs of any type.
        where: the file, for messages.
        dtype: float32 or float64.
        first: index of the first row in the file, for messages.

    Raises:
        InputError: not real numbers, or not finite in that type.
    """
    require_numbers(rows, where)
    if rows.dtype == np.uint8:
        return np.ascontiguousarray(_PIXELS.astype(dtype)[rows])
    with np.errstate(all="ignore"):
        converted = np.ascontiguousarray(rows, dtype=dtype)
    finite = np.isfinite(converted)
    if not finite.all():
        index, feature = divmod(int(np.argmin(finite)), rows.shape[1])
        raise InputError(
            f"input {first + index} in {where} holds {rows[index, feature]} at feature {feature}, "
            f"which is not a finite {dtype} number: remove or repair this input"
        )
    return converted


_BLOCK: Final = 1024
"""Inputs checked at once, to save memory."""


def check_domain(inputs: InputRows, lower: Float64 | float, upper: Float64 | float) -> None:
    """Checks that all inputs lie in the box, in float64 without tolerance.

    Args:
        inputs: (n, d) inputs.
        lower: lower bounds of the domain, one for all features or (d,).
        upper: upper bounds of the domain, one for all features or (d,).

    Raises:
        InputError: an input with a value outside.
    """
    features = inputs.shape[1:]
    # As arrays, the bounds are compared in float64; NumPy would round a scalar to float32.
    low = np.broadcast_to(np.asarray(lower, dtype=np.float64), features)
    high = np.broadcast_to(np.asarray(upper, dtype=np.float64), features)
    found = _first_fault(inputs, lambda rows: (rows >= low) & (rows <= high))
    if found is None:
        return
    index, feature, outside = found
    raise InputError(
        f"input {index} holds {inputs[index][feature]} at feature {feature}, outside the domain "
        f"[{low[feature]}, {high[feature]}] ({outside} of {len(inputs)} inputs lie outside it): "
        "give the right domain with --lower and --upper or scale the data"
    )


def _first_fault(
    inputs: InputRows, holds: Callable[[Floats], npt.NDArray[np.bool_]]
) -> tuple[int, int, int] | None:
    """The first input and feature for which something does not hold, and the number of inputs."""
    first, count = None, 0
    for start in range(0, len(inputs), _BLOCK):
        good = holds(inputs[start : start + _BLOCK])
        bad = np.flatnonzero(~good.all(axis=1))
        count += bad.size
        if first is None and bad.size:
            first = (start + int(bad[0]), int(np.argmin(good[bad[0]])))
    return None if first is None else (*first, count)


def check_grid(inputs: InputRows, grid: Grid) -> None:
    """Checks that all inputs lie on a grid.

    Args:
        inputs: (n, d) inputs in the model's type.
        grid: the grid.

    Raises:
        InputError: an input with a value between the multiples of its step.
    """
    found = _first_fault(inputs, lambda rows: grid.are_on(rows.astype(np.float64), inputs.dtype))
    if found is None:
        return
    index, feature, off = found
    nearest = grid.nearest(inputs[index].astype(np.float64))[feature].astype(inputs.dtype)
    raise InputError(
        f"input {index} holds {inputs[index][feature]!s} at feature {feature}, which is no "
        f"multiple of {grid.steps[feature]:g} ({off} of {len(inputs)} inputs lie off the grid): "
        f"the nearest is {nearest!s}; give the right step with --grid, 0 for features without "
        "one, or round the data"
    )


def check_inputs(inputs: InputRows, features: InputSpecification) -> None:
    """Checks clean inputs (n, d) against domain and grid, except for features that do not move.

    Raises:
        InputError: an input outside the domain or off the grid, or that misses a relation.
    """
    check_domain(inputs, *features.checked_box(inputs.shape[1]))
    grid = features.grid_of(inputs.shape[1])
    if grid is not None:
        check_grid(inputs, grid)
    for index in range(len(inputs)) if features.relations != NO_RELATIONS else ():
        fault = features.relations.fault(inputs[index])
        if fault is not None:
            raise InputError(
                f"input {index} does not meet a relation: {fault}; repair the data or the relation"
            )


def check_labels(labels: Integers, classes: int) -> None:
    """Checks that all labels are classes of the model.

    Args:
        labels: (n,) class numbers.
        classes: number k of classes.

    Raises:
        InputError: a label that is not a class.
    """
    valid = (labels >= 0) & (labels < classes)
    if not valid.all():
        index = int(np.argmin(valid))
        raise InputError(
            f"label {labels[index]} of input {index} is not a class: the model has {classes} "
            f"outputs, so give labels from 0 to {classes - 1}"
        )
