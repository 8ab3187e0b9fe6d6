"""Checks of inputs and labels against the domain and the model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from onnx_lippa.arrays import Float64, Floats, InputRows, Integers
from onnx_lippa.errors import InputError
from onnx_lippa.spec import Grid, InputSpecification

_BLOCK: Final = 1024
"""Inputs compared with a grid at once; more only cost memory."""


def check_domain(inputs: InputRows, lower: Float64 | float, upper: Float64 | float) -> None:
    """Checks that all inputs lie in the box, exactly (in float64, no tolerance).

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
    """The first input and feature for which something does not hold, and how many inputs have one.

    Some inputs are looked at together; all of them would only cost memory.
    """
    first, count = None, 0
    for start in range(0, len(inputs), _BLOCK):
        good = holds(inputs[start : start + _BLOCK])
        bad = np.flatnonzero(~good.all(axis=1))
        count += bad.size
        if first is None and bad.size:
            first = (start + int(bad[0]), int(np.argmin(good[bad[0]])))
    return None if first is None else (*first, count)


def check_grid(inputs: InputRows, grid: Grid) -> None:
    """Checks that all inputs lie on a grid, exactly.

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
    """Checks clean inputs (n, d) against domain and grid; features that do not move are free.

    Raises:
        InputError: an input outside the domain or off the grid.
    """
    check_domain(inputs, *features.checked_box(inputs.shape[1]))
    grid = features.grid_of(inputs.shape[1])
    if grid is not None:
        check_grid(inputs, grid)


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
