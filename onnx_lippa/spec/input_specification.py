"""The inputs allowed around any clean input, as a user specifies them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from onnx_lippa.arrays import Float64, Floats
from onnx_lippa.errors import InputError
from onnx_lippa.spec.feature_names import (
    Amounts,
    FeatureChoice,
    PerFeature,
    by_name,
    choose_features,
)
from onnx_lippa.spec.input_set import Grid, InputSet, round_down, round_up
from onnx_lippa.spec.norms.base import Norm
from onnx_lippa.spec.norms.weighted import WeightedNorm
from onnx_lippa.spec.relations import NO_RELATIONS, Relations

_TOLERANCE: Final = 1e-9
"""Tolerance for the rounding of a quotient of a bound and a step."""


@dataclass(frozen=True)
class InputSpecification:
    """The inputs allowed around any clean input: ``||(x - center) / scale|| <= eps`` in a box.

    It consists of plain numbers and tuples, so that it compares and reads back from JSON exactly.

    Attributes:
        lower: lower bounds of the domain.
        upper: upper bounds of the domain.
        eps: radius of the ball; None where the distance is minimised.
        fixed: features that keep their clean values, regardless of bounds and grid.
        grid: step; a feature takes integer multiples of it only, any value where it is 0.
        scale: scale of each feature, at least 0, in which distances are measured; None for 1.
        only_up: features that keep their clean values or have larger ones.
        only_down: features that keep their clean values or have smaller ones.
        relations: relations between features that every allowed input keeps.
    """

    lower: PerFeature = 0.0
    upper: PerFeature = 1.0
    eps: float | None = None
    fixed: tuple[int, ...] = ()
    grid: PerFeature = 0.0
    scale: tuple[float, ...] | None = None
    only_up: tuple[int, ...] = ()
    only_down: tuple[int, ...] = ()
    relations: Relations = NO_RELATIONS

    def __post_init__(self) -> None:
        _check_domain(self.lower, self.upper)
        for name, value in (("eps", self.eps), ("scale", self.scale)):
            if value is not None:
                _check_sizes(name, value)
        _check_sizes("the step of the grid", self.grid, ", 0 where any value will do")
        for name, chosen in _CHOICES.items():
            features = getattr(self, chosen)
            if len(set(features)) < len(features) or min(features, default=0) < 0:
                raise InputError(
                    f"{name} name one twice, or a negative one: give different features from 0, "
                    "or a boolean mask"
                )
        both = set(self.only_up) & set(self.only_down)
        if both:
            raise InputError(
                f"feature {min(both)} may neither rise nor fall: name it among the fixed ones"
            )

    @classmethod
    def build(
        cls,
        d: int,
        *,
        lower: Amounts = 0.0,
        upper: Amounts = 1.0,
        eps: Amounts | None = None,
        fixed: FeatureChoice = None,
        grid: Amounts = 0.0,
        scale: Amounts | None = None,
        only_up: FeatureChoice = None,
        only_down: FeatureChoice = None,
        one_hot: Sequence[str | Sequence[str] | Sequence[int]] | None = None,
        relations: Sequence[str] | None = None,
        names: Sequence[str] = (),
    ) -> InputSpecification:
        """From a user's numbers and arrays, checked against a model of d features.

        Args:
            d: number of features.
            lower: a number, an array of any shape with one for each feature, or numbers by the
                names of features. So are all others.
            upper: the same.
            eps: a number. An array of one radius for each feature stands for a scale, with
                eps = 1.
            fixed: a boolean mask, or the indices or names of features.
            grid: a step, or an array with one for each feature.
            scale: an array with one number for each feature, or a number for all.
            only_up: features that may only rise, as ``fixed``.
            only_down: features that may only fall.
            one_hot: groups of features, of which one is 1 and the others are 0.
            relations: linear equations, as ``"total = a + 2 * b"``.
            names: (d,) names of the features; empty without names.

        Raises:
            InputError: one of them cannot be used, with the reason.
        """
        amounts = {
            name: by_name(name, value, d, names)
            for name, value in (
                ("lower", lower), ("upper", upper), ("eps", eps), ("grid", grid), ("scale", scale),
            )
            if value is not None
        }  # fmt: skip
        radius, each = amounts.get("eps"), amounts.get("scale")
        if isinstance(radius, tuple):
            _check_count("eps", radius, d)
            _check_sizes("eps", radius)
            if each is not None:
                raise InputError(
                    "eps holds one number for each feature, and there is a scale as well: give one "
                    "number as eps"
                )
            radius, each = 1.0, radius
        specification = cls(
            amounts["lower"],
            amounts["upper"],
            radius,
            choose_features("fixed", fixed, d, names),
            amounts["grid"],
            (each,) * d if isinstance(each, float) else each,
            choose_features("only_up", only_up, d, names),
            choose_features("only_down", only_down, d, names),
            Relations.build(one_hot or (), relations or (), d, names),
        )
        specification.check(d)
        return specification

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> InputSpecification:
        """From plain JSON values, those of folders without masks, grids or scales included.

        Raises:
            ValueError, TypeError, KeyError, InputError: they are no specification.
        """
        values = {
            "fixed": [], "grid": 0.0, "scale": None, "only_up": [], "only_down": [], **values
        }  # fmt: skip
        fields = {name: values[name] for name in JSON_FIELDS}
        for name, value in fields.items():
            numbers = value if isinstance(value, list) else [value]
            kinds = {int} if name in _CHOICES.values() else {int, float}
            optional = value is None and name in {"eps", "scale"}
            if not optional and not {type(one) for one in numbers} <= kinds:
                raise TypeError(f"{name} is of the wrong type")
            if any(type(one) is int and abs(one) >= 2**63 for one in numbers):
                raise ValueError(f"{name} has a number that no run can have")
            fields[name] = tuple(value) if isinstance(value, list) else value
        if isinstance(fields["eps"], tuple):
            if fields["scale"] is not None:
                raise ValueError("eps and scale both have a number for each feature")
            fields |= {"eps": 1.0, "scale": fields["eps"]}
        return cls(**fields, relations=Relations.parse(values))

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values. A ball of radius 1 is written as an eps for each feature.

        So is a folder of a version before there was a scale, whose checksums still hold.
        """
        values = {name: getattr(self, name) for name in JSON_FIELDS}
        if self.scale is not None and self.eps == 1.0:
            values |= {"eps": self.scale, "scale": None}
        kept = {name: value for name, value in values.items() if name not in LATER_FIELDS or value}
        return kept | self.relations.as_json()

    def check(self, d: int) -> None:
        """Raises InputError unless it fits a model of d features."""
        lower, upper = self.box(d)
        _check_order(lower, upper)
        moving = self.moving(d)
        steps = np.where(moving, _array("grid", self.grid, d), 0.0)
        with np.errstate(all="ignore"):
            first, last = np.ceil(lower / steps - _TOLERANCE), np.floor(upper / steps + _TOLERANCE)
        empty = np.flatnonzero((steps > 0) & (first > last))
        if empty.size:
            i = int(empty[0])
            raise InputError(
                f"feature {i} takes multiples of {steps[i]:g}, but its domain "
                f"[{lower[i]:g}, {upper[i]:g}] holds none: give wider bounds or a smaller step"
            )

    def box(self, d: int) -> tuple[Float64, Float64]:
        """Bounds (d,) of the domain."""
        return _array("lower", self.lower, d), _array("upper", self.upper, d)

    def moving(self, d: int) -> npt.NDArray[np.bool_]:
        """(d,) which features may move: not fixed, and of a scale above 0."""
        if any(feature >= d for feature in self.fixed):
            raise InputError(
                f"the fixed features name {max(self.fixed)}, but the model takes {d} features: "
                f"give features from 0 to {d - 1}"
            )
        moving = np.ones(d, dtype=np.bool_)
        moving[list(self.fixed)] = False
        for chosen in (self.only_up, self.only_down):
            if any(feature >= d for feature in chosen):
                raise InputError(
                    f"the directions name feature {max(chosen)}, but the model takes {d} features: "
                    f"give features from 0 to {d - 1}"
                )
        return moving if self.scale is None else moving & (_array("scale", self.scale, d) > 0)

    def grid_of(self, d: int) -> Grid | None:
        """The grid of the features that move, or None; one-hot features take whole numbers."""
        steps = _array("grid", self.grid, d)
        steps[self.relations.features] = 1.0
        steps = np.where(self.moving(d), steps, 0.0)
        return Grid(steps) if np.any(steps > 0) else None

    def checked_box(self, d: int) -> tuple[Float64, Float64]:
        """Bounds (d,) that clean inputs must satisfy: none for features that do not move."""
        lower, upper = self.box(d)
        moving = self.moving(d)
        return np.where(moving, lower, -np.inf), np.where(moving, upper, np.inf)

    def draw(
        self, generator: np.random.Generator, count: int, d: int, dtype: np.dtype[np.floating]
    ) -> Floats:
        """Random inputs (count, d) of domain and grid; normal where a bound is missing."""
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
        if self.relations != NO_RELATIONS:
            raise InputError("relations between features need inputs that meet them: give DATA")
        grid = self.grid_of(d)
        if grid is not None:
            points = grid.within(points, lower, upper, dtype)
        return np.clip(points.astype(dtype), round_up(lower, dtype), round_down(upper, dtype))

    def input_set(self, x: Floats, norm: Norm) -> InputSet:
        """The inputs allowed around a clean input (d,), which lies in the domain."""
        center = x.astype(np.float64).ravel()
        d, moving = center.size, self.moving(center.size)
        lower, upper = self.box(d)
        for bound, chosen in ((lower, self.only_up), (upper, self.only_down)):
            bound[list(chosen)] = center[list(chosen)]
        eps = math.inf if self.eps is None else self.eps
        if self.scale is not None:
            norm = WeightedNorm(norm, np.where(moving, _array("scale", self.scale, d), 0.0))
        elif not moving.all():
            # Steepest steps and linear distances must not use features that do not move.
            norm = WeightedNorm(norm, moving.astype(np.float64))
        return InputSet(
            center, norm, eps, np.where(moving, lower, center), np.where(moving, upper, center),
            x.dtype, self.grid_of(d), None if self.relations == NO_RELATIONS else self.relations,
        )  # fmt: skip


JSON_FIELDS: Final = (
    "lower", "upper", "eps", "fixed", "grid", "scale", "only_up", "only_down",
)  # fmt: skip
LATER_FIELDS: Final = frozenset({"scale", "only_up", "only_down"})
"""Fields that old folders lack; they are left out where they are empty."""
_CHOICES: Final = {
    "the fixed features": "fixed",
    "the features that only rise": "only_up",
    "the features that only fall": "only_down",
}
"""Fields that list features, by their names in messages."""


def _array(name: str, value: PerFeature, d: int) -> Float64:
    """A value as (d,) numbers."""
    _check_count(name, value, d)
    return np.full(d, value, dtype=np.float64)


def _check_count(name: str, value: PerFeature, d: int) -> None:
    if np.ndim(value) and np.size(value) != d:
        raise InputError(
            f"{name} holds {np.size(value)} values, but the model takes {d} features: give one "
            f"number, or {d}"
        )


def _check_sizes(name: str, value: PerFeature, advice: str = "") -> None:
    values = np.asarray(value, np.float64)
    _check_each(name, values, np.isfinite(values) & (values >= 0),
                f"give a finite number that is not negative{advice}")  # fmt: skip


def _check_each(name: str, values: Float64, valid: npt.ArrayLike, advice: str) -> None:
    wrong = np.flatnonzero(~np.asarray(valid))
    if wrong.size:
        feature = f" at feature {wrong[0]}" if values.ndim else ""
        raise InputError(f"{name} is {values.ravel()[wrong[0]]}{feature}: {advice}")


def _check_domain(lower: PerFeature, upper: PerFeature) -> None:
    if np.ndim(lower) or np.ndim(upper):
        for name, value in (("lower", lower), ("upper", upper)):
            values = np.asarray(value, np.float64)
            _check_each(name, values, ~np.isnan(values), "give a number")
    elif not np.less_equal(lower, upper):  # nor where one of them is NaN
        raise InputError(f"the domain [{lower}, {upper}] is empty: give --lower below --upper")


def _check_order(lower: Float64, upper: Float64) -> None:
    empty = np.flatnonzero((lower > upper) | (lower == np.inf) | (upper == -np.inf))
    if empty.size:
        i = int(empty[0])
        raise InputError(
            f"the domain [{lower[i]}, {upper[i]}] of feature {i} is empty: give lower bounds that "
            "are not above the upper ones"
        )
