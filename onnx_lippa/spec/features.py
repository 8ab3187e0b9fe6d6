"""What may be said of each feature: its bounds, its radius, whether it moves, its grid."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from onnx_lippa.arrays import AnyArray, Float64, Floats
from onnx_lippa.errors import InputError
from onnx_lippa.spec.grid import Grid
from onnx_lippa.spec.input_set import InputSet, round_down, round_up
from onnx_lippa.spec.norms.base import Norm
from onnx_lippa.spec.norms.scaled import Scaled

PerFeature: TypeAlias = float | tuple[float, ...]
"""One number for every feature, or one for each of them."""

_TOO_FINE: Final = 1e-9
"""Rounding of a quotient of a bound and a step."""


@dataclass(frozen=True)
class Features:
    """The inputs allowed around any clean input, in the words of a user.

    Plain numbers and tuples, so that two of them compare, and read back from JSON, exactly.

    Attributes:
        lower: lower bounds of the domain.
        upper: its upper bounds.
        eps: radius of the ball; None where only the distance counts. Where there is one for each
            feature, distances are in units of them: the ball is ``||(x - center) / eps|| <= 1``.
        fixed: features that keep their clean value, whatever bounds and grid say.
        grid: steps of which a feature takes whole multiples only; 0 where it takes any value.
    """

    lower: PerFeature = 0.0
    upper: PerFeature = 1.0
    eps: PerFeature | None = None
    fixed: tuple[int, ...] = ()
    grid: PerFeature = 0.0

    def __post_init__(self) -> None:
        _check_domain(self.lower, self.upper)
        if self.eps is not None:
            _check_each("eps", self.eps, _is_size, "give a finite number that is not negative")
        _check_each(
            "the step of the grid", self.grid, _is_size,
            "give a finite number that is not negative, 0 where any value will do",
        )  # fmt: skip
        if len(set(self.fixed)) < len(self.fixed) or min(self.fixed, default=0) < 0:
            raise InputError(
                "the fixed features name one twice, or a negative one: give different features "
                "from 0, or a boolean mask"
            )

    @classmethod
    def given(
        cls,
        d: int,
        *,
        lower: npt.ArrayLike = 0.0,
        upper: npt.ArrayLike = 1.0,
        eps: npt.ArrayLike | None = None,
        fixed: Sequence[int] | AnyArray | None = None,
        grid: npt.ArrayLike = 0.0,
    ) -> Features:
        """From numbers and arrays of a user, checked for a model of d features.

        Args:
            d: number of features.
            lower: a number, or an array with one for each feature, of any shape.
            upper: likewise.
            eps: likewise.
            fixed: a boolean mask, or the features themselves.
            grid: a step, or one for each feature.

        Raises:
            InputError: one of them cannot be used, with the reason.
        """
        features = cls(
            per_feature("lower", lower),
            per_feature("upper", upper),
            None if eps is None else per_feature("eps", eps),
            () if fixed is None else _indices(fixed, d),
            per_feature("grid", grid),
        )
        features.check(d)
        return features

    def check(self, d: int) -> None:
        """Raises InputError where this does not fit a model of d features."""
        lower, upper = self.box(d)
        _check_order(lower, upper)
        moving = self.moving(d)
        steps = np.where(moving, _array("grid", self.grid, d), 0.0)
        with np.errstate(all="ignore"):
            first, last = np.ceil(lower / steps - _TOO_FINE), np.floor(upper / steps + _TOO_FINE)
        empty = np.flatnonzero((steps > 0) & (first > last))
        if empty.size:
            i = int(empty[0])
            raise InputError(
                f"feature {i} takes multiples of {steps[i]:g}, but its domain "
                f"[{lower[i]:g}, {upper[i]:g}] holds none: give wider bounds or a smaller step"
            )

    def box(self, d: int) -> tuple[Float64, Float64]:
        """The domain's bounds (d,), those of fixed features as stated."""
        return _array("lower", self.lower, d), _array("upper", self.upper, d)

    def moving(self, d: int) -> npt.NDArray[np.bool_]:
        """Which features (d,) may move at all: not fixed, and no eps of their own that is 0."""
        if any(feature >= d for feature in self.fixed):
            raise InputError(
                f"the fixed features name {max(self.fixed)}, but the model takes {d} features: "
                f"give features from 0 to {d - 1}"
            )
        moving = np.ones(d, dtype=np.bool_)
        moving[list(self.fixed)] = False
        return moving & (_array("eps", self.eps, d) > 0) if isinstance(self.eps, tuple) else moving

    def grid_of(self, d: int) -> Grid | None:
        """The grid of the features that move; None where all of them take any value."""
        steps = np.where(self.moving(d), _array("grid", self.grid, d), 0.0)
        return Grid(steps) if np.any(steps > 0) else None

    def checked_box(self, d: int) -> tuple[Float64, Float64]:
        """Bounds (d,) that clean inputs must meet: none for features that do not move."""
        lower, upper = self.box(d)
        moving = self.moving(d)
        return np.where(moving, lower, -np.inf), np.where(moving, upper, np.inf)

    def drawn(
        self, generator: np.random.Generator, count: int, d: int, dtype: np.dtype[np.floating]
    ) -> Floats:
        """Random inputs (count, d) of domain and grid: uniform, normal where a bound is missing."""
        lower, upper = self.box(d)
        bounded = np.isfinite(lower) & np.isfinite(upper)
        points = np.zeros((count, d))
        if bounded.any():
            low, high = np.where(bounded, lower, 0.0), np.where(bounded, upper, 0.0)
            points = generator.uniform(low, high, (count, d))
        if not bounded.all():
            points = np.where(bounded, points, generator.standard_normal((count, d)))
        # Neither rounding nor snapping may leave the domain.
        points = np.clip(points, lower, upper)
        grid = self.grid_of(d)
        if grid is not None:
            points = grid.within(points, lower, upper, dtype)
        return np.clip(points.astype(dtype), round_up(lower, dtype), round_down(upper, dtype))

    def input_set(self, x: Floats, norm: Norm) -> InputSet:
        """The inputs allowed around one clean input (d,), which lies in the domain."""
        center = x.astype(np.float64).ravel()
        d, moving = center.size, self.moving(center.size)
        lower, upper = self.box(d)
        eps = math.inf if self.eps is None else self.eps
        if isinstance(eps, tuple):
            norm, eps = Scaled(norm, np.where(moving, _array("eps", eps, d), 0.0)), 1.0
        elif not moving.all():
            # Steepest steps and linear distances must not count on features that do not move.
            norm = Scaled(norm, moving.astype(np.float64))
        return InputSet(
            center, norm, eps, np.where(moving, lower, center), np.where(moving, upper, center),
            x.dtype, self.grid_of(d),
        )  # fmt: skip


def per_feature(name: str, value: npt.ArrayLike) -> PerFeature:
    """A number, or one for each feature, from what a user gives.

    Raises:
        InputError: it holds no numbers.
    """
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise InputError(f"{name} is ragged: give one number for each feature") from error
    if array.dtype.kind not in "iuf":
        raise InputError(
            f"{name} holds values of type {array.dtype}: give a number, or one for each feature"
        )
    if array.ndim == 0:
        return float(array)
    return tuple(array.astype(np.float64).ravel().tolist())


def _indices(fixed: Sequence[int] | AnyArray, d: int) -> tuple[int, ...]:
    array = np.asarray(fixed)
    if array.dtype == np.bool_:
        if array.size != d:
            raise InputError(
                f"the mask of fixed features holds {array.size} values, but the model takes {d} "
                f"features: give {d}"
            )
        return tuple(np.flatnonzero(array).tolist())
    if array.size and (array.dtype.kind not in "iu" or array.ndim != 1):
        raise InputError(
            f"the fixed features have type {array.dtype} and shape {array.shape}: give a list of "
            "whole numbers, or a boolean mask"
        )
    return tuple(int(feature) for feature in array)


def _array(name: str, value: PerFeature | None, d: int) -> Float64:
    """A value as (d,) numbers."""
    if not isinstance(value, tuple):
        return np.full(d, value, dtype=np.float64)
    if len(value) != d:
        raise InputError(
            f"{name} holds {len(value)} values, but the model takes {d} features: give one number, "
            f"or {d}"
        )
    return np.array(value, dtype=np.float64)


def _is_size(value: float) -> bool:
    return math.isfinite(value) and value >= 0


def _check_each(name: str, value: PerFeature, holds: Callable[[float], bool], advice: str) -> None:
    if not isinstance(value, tuple):
        if not holds(value):
            raise InputError(f"{name} is {value}: {advice}")
        return
    for feature, one in enumerate(value):
        if not holds(one):
            raise InputError(f"{name} is {one} at feature {feature}: {advice}")


def _check_domain(lower: PerFeature, upper: PerFeature) -> None:
    if isinstance(lower, tuple) or isinstance(upper, tuple):
        for name, value in (("lower", lower), ("upper", upper)):
            _check_each(name, value, lambda one: not math.isnan(one), "give a number")
    elif not lower <= upper:  # nor where one of them is NaN
        raise InputError(f"the domain [{lower}, {upper}] is empty: give --lower below --upper")


def _check_order(lower: Float64, upper: Float64) -> None:
    empty = np.flatnonzero((lower > upper) | (lower == np.inf) | (upper == -np.inf))
    if empty.size:
        i = int(empty[0])
        raise InputError(
            f"the domain [{lower[i]}, {upper[i]}] of feature {i} is empty: give lower bounds that "
            "are not above the upper ones"
        )
