"""One case of a property as a set of inputs that a model can be given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

import numpy as np

from onnx_lippa.arrays import Float64, Floats
from onnx_lippa.spec.input_set import InputSet, round_down, round_up
from onnx_lippa.spec.norms.linf import LInf
from onnx_lippa.spec.norms.scaled import Scaled
from onnx_lippa.spec.property import Case, Property
from onnx_lippa.spec.stated import StatedSet

REACHES: Final = (10.0, 1e3, 1e6, 1e12)
"""Where an input has no bound, it is searched this far, in units of 1 plus its other bound."""
FARTHEST: Final = np.inf
"""A reach to the largest numbers of the type, or nearly so."""
_MOST: Final = 0.25
"""Share of the type's largest number that no bound made up goes beyond."""


@dataclass(frozen=True)
class Asked:
    """What is asked of a candidate: a property's exact formula.

    Attributes:
        property: the property.
        stated: the inputs of the case: its bounds as they are stated, and the floats that stand
            for bounds between which there is none.
        meant: inputs whose bounds no float of the model's type meets, and the numbers that the
            nearest one stands for there.
    """

    property: Property
    stated: StatedSet
    meant: Mapping[int, Fraction] = field(default_factory=dict)

    def holds(self, x: Floats, outputs: Floats) -> bool:
        """Whether an input (d,) with these outputs (k,) or (k + d,) is what is sought."""
        return self.property.holds(x, outputs[: self.property.outputs], self.meant)


def inputs_of(
    asked: Property, case: Case, dtype: np.dtype[np.floating], reach: float = REACHES[0]
) -> tuple[InputSet, Asked]:
    """The inputs of one case, as numbers of a model's type, and what to ask of them.

    Args:
        asked: the property.
        case: the case.
        dtype: the type of the model.
        reach: how far is searched where there is no bound.

    The ball of the set is the box itself: its norm counts half the width of every input as 1. It
    guides a search and no more: a proof covers :attr:`Asked.stated`.
    """
    lower, upper = _bounded(case, reach, float(np.finfo(dtype).max))
    low = round_up(lower, dtype).astype(np.float64)
    high = round_down(upper, dtype).astype(np.float64)
    empty = low > high
    with np.errstate(over="ignore"):  # beyond the type it is infinite
        nearest = case.lower.astype(dtype).astype(np.float64)
        low, high = np.where(empty, nearest, low), np.where(empty, nearest, high)
        middle = np.clip((low / 2 + high / 2).astype(dtype).astype(np.float64), low, high)
    norm = Scaled(LInf(), _ball_around(middle, low, high))
    outside = np.flatnonzero((low < case.lower) | (high > case.upper)).tolist()
    # A case's own float64 bounds may already be rounded from decimals that float64 lacks.
    outside += np.flatnonzero((case.lower == case.upper) & ~empty).tolist()
    meant = asked.meant_by(case, outside)
    meant = {i: value for i, value in meant.items() if value != Fraction(float(low[i]))}
    stated = StatedSet(
        middle, LInf(), np.inf,
        np.where(empty, np.minimum(case.stated_lower, low), case.stated_lower),
        np.where(empty, np.maximum(case.stated_upper, high), case.stated_upper),
        (
            ~empty & (case.lower != case.stated_lower),
            ~empty & (case.upper != case.stated_upper),
        ),
    )  # fmt: skip
    return InputSet(middle, norm, 1.0, low, high, dtype), Asked(asked, stated, meant)


def _ball_around(middle: Float64, low: Float64, high: Float64) -> Float64:
    """Units (d,) in which the ball of radius 1 around a point of a box holds the box."""
    with np.errstate(invalid="ignore"):  # numbers beyond the type are infinite
        units = np.fmax(high - middle, middle - low)
    # A difference that was rounded down would leave an end of the box outside.
    return np.where(units > 0, np.nextafter(units, np.inf), units)


def _bounded(case: Case, reach: float, largest: float) -> tuple[Float64, Float64]:
    """The case's bounds, made finite where there are none."""
    has_lower, has_upper = np.isfinite(case.lower), np.isfinite(case.upper)
    low, high = np.where(has_lower, case.lower, 0.0), np.where(has_upper, case.upper, 0.0)
    with np.errstate(over="ignore"):
        far = np.minimum(reach * (1.0 + np.maximum(np.abs(low), np.abs(high))), _MOST * largest)
        return (
            np.where(has_lower, low, np.minimum(low, high) - far),
            np.where(has_upper, high, np.maximum(low, high) + far),
        )
