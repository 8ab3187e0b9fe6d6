"""A problem: one input set, the unsafe outputs, and for a property its exact claim."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

import numpy as np

from onnx_lippa.arrays import Float64, Floats
from onnx_lippa.spec.input_set import InputSet, StatedSet, round_down, round_up
from onnx_lippa.spec.norms.linf import LInf
from onnx_lippa.spec.norms.weighted import WeightedNorm
from onnx_lippa.spec.output_set import UnsafeSet
from onnx_lippa.spec.property import Case, Property

SEARCH_DISTANCES: Final = (10.0, 1e3, 1e6, 1e12)
"""How far an input without a bound is searched, in multiples of 1 plus its other bound."""
FARTHEST: Final = np.inf
"""Nearly to the largest numbers of the type."""
_LARGEST_SHARE: Final = 0.25
"""Largest search distance, as a share of the type's largest number."""


@dataclass(frozen=True)
class ExactClaim:
    """The exact claim that a candidate must meet: the formula of a property.

    Attributes:
        property: the property.
        stated: the inputs of the case, with its bounds as stated, and with the nearest float in
            place of bounds between which there is none.
        exact_values: the stated numbers of inputs whose bounds no float of the model's type
            meets, which the nearest float stands for.
    """

    property: Property
    stated: StatedSet
    exact_values: Mapping[int, Fraction] = field(default_factory=dict)

    def holds(self, x: Floats, outputs: Floats) -> bool:
        """Whether an input (d,) with outputs (k,) or (k + d,) meets the property."""
        return self.property.holds(x, outputs[: self.property.outputs], self.exact_values)


@dataclass(frozen=True)
class Problem:
    """The problem of one input: is there an input of the set with unsafe outputs?

    Attributes:
        index: its index in the data, which no result depends on.
        inputs: the inputs that are searched; a proof covers :attr:`stated`.
        unsafe: the unsafe outputs.
        wrong: the outputs with which the clean input counts as misclassified; a superset of the
            unsafe ones where only some classes are targets.
        claim: the exact claim of a property; None for a classifier.
        minimize: whether the nearest unsafe input is sought instead of any.
    """

    index: int
    inputs: InputSet
    unsafe: UnsafeSet
    wrong: UnsafeSet
    claim: ExactClaim | None = None
    minimize: bool = False

    @property
    def stated(self) -> StatedSet:
        """The real inputs that a proof must cover. They are only made here."""
        if self.claim is not None:
            return self.claim.stated
        one = self.inputs  # no bound is invented around a clean input
        rows = None if one.relations is None else one.relations.rows(one.largest, one.dtype)
        return StatedSet(one.center, one.norm, one.eps, one.lower, one.upper, rows=rows)


def build_inputs(
    property_: Property,
    case: Case,
    dtype: np.dtype[np.floating],
    distance: float = SEARCH_DISTANCES[0],
) -> tuple[InputSet, ExactClaim]:
    """The input set of a case, in numbers of a model's type, and its exact claim.

    The ball of the set is the box: the scale of its norm is half the width of every input. The
    set guides a search; a proof covers :attr:`ExactClaim.stated`.

    Args:
        property_: the property.
        case: the case.
        dtype: the type of the model.
        distance: how far an input without a bound is searched.
    """
    lower, upper = _bound_inputs(case, distance, float(np.finfo(dtype).max))
    low = round_up(lower, dtype).astype(np.float64)
    high = round_down(upper, dtype).astype(np.float64)
    empty = low > high
    with np.errstate(over="ignore"):  # beyond the type it is infinite
        nearest = case.lower.astype(dtype).astype(np.float64)
        low, high = np.where(empty, nearest, low), np.where(empty, nearest, high)
        middle = np.clip((low / 2 + high / 2).astype(dtype).astype(np.float64), low, high)
    norm = WeightedNorm(LInf(), _covering_scale(middle, low, high))
    outside = np.flatnonzero((low < case.lower) | (high > case.upper)).tolist()
    # A case's float64 bounds may be rounded from decimals.
    outside += np.flatnonzero((case.lower == case.upper) & ~empty).tolist()
    exact_values = property_.exact_values_of(case, outside)
    exact_values = {
        i: value for i, value in exact_values.items() if value != Fraction(float(low[i]))
    }
    stated = StatedSet(
        middle, LInf(), np.inf,
        np.where(empty, np.minimum(case.stated_lower, low), case.stated_lower),
        np.where(empty, np.maximum(case.stated_upper, high), case.stated_upper),
        (
            ~empty & (case.lower != case.stated_lower),
            ~empty & (case.upper != case.stated_upper),
        ),
    )  # fmt: skip
    return InputSet(middle, norm, 1.0, low, high, dtype), ExactClaim(
        property_, stated, exact_values
    )


def _covering_scale(middle: Float64, low: Float64, high: Float64) -> Float64:
    """Scale (d,) with which the ball of radius 1 around a point of a box contains the box."""
    with np.errstate(invalid="ignore"):  # numbers beyond the type are infinite
        scale = np.fmax(high - middle, middle - low)
    # Rounded up, so that the ends of the box are inside.
    return np.where(scale > 0, np.nextafter(scale, np.inf), scale)


def _bound_inputs(case: Case, distance: float, largest: float) -> tuple[Float64, Float64]:
    """The bounds of the case, finite ones in place of infinite ones."""
    has_lower, has_upper = np.isfinite(case.lower), np.isfinite(case.upper)
    low, high = np.where(has_lower, case.lower, 0.0), np.where(has_upper, case.upper, 0.0)
    with np.errstate(over="ignore"):
        far = distance * (1.0 + np.maximum(np.abs(low), np.abs(high)))
        far = np.minimum(far, _LARGEST_SHARE * largest)
        return (
            np.where(has_lower, low, np.minimum(low, high) - far),
            np.where(has_upper, high, np.maximum(low, high) + far),
        )
