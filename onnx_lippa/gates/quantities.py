"""The quantities that a gate can limit. A new one is one line of :data:`QUANTITIES`.

Each is a pair of bounds. What is counted has two equal ones; the robust error and the distances lie
between what was found and what was proven.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

from onnx_lippa.errors import InputError
from onnx_lippa.runs.record import Record
from onnx_lippa.runs.summary import Interval
from onnx_lippa.witness import Verdict


class Unit(Enum):
    """What a quantity counts; it says how a person reads it."""

    SHARE = "share"
    COUNT = "count"
    DISTANCE = "distance"


@dataclass(frozen=True)
class Sample:
    """Some inputs of a run.

    Attributes:
        records: their records; at least one.
        eps: radius of the run; None without one.
    """

    records: Sequence[Record]
    eps: float | None

    def count(self, *verdicts: Verdict) -> int:
        """Number of inputs with one of these verdicts."""
        return sum(record.verdict in verdicts for record in self.records)


Measure: TypeAlias = Callable[[Sample], Interval]


@dataclass(frozen=True)
class Quantity:
    """What a gate limits.

    Attributes:
        name: its name in conditions.
        unit: how it is read.
        measure: its bounds in a sample.
        blamed: the verdicts of the inputs that make it large.
    """

    name: str
    unit: Unit
    measure: Measure
    blamed: frozenset[Verdict] = frozenset()

    def require_radius(self, radii: Sequence[float | None]) -> None:
        """Raises InputError if the quantity needs a radius and a run has none."""
        if self.name == ROBUST_ERROR and None in radii:
            raise InputError(
                f"{ROBUST_ERROR} needs a radius, and the run has none: give --eps, or limit a "
                "quantile of the distance, as in distance.median"
            )

    def show(self, value: float) -> str:
        """A value as a person reads it."""
        if self.unit is Unit.SHARE:
            return f"{value:.2%}"
        return f"{value:.6g}"

    def show_excess(self, excess: float) -> str:
        """A difference of two values as a person reads it."""
        if self.unit is Unit.SHARE:
            return f"{100 * excess:.2f} percentage points"
        return f"{excess:.6g}"


ROBUST_ERROR: Final = "robust_error"
"""The one quantity that has a meaning within a radius only."""
_BROKEN: Final = (Verdict.MISCLASSIFIED, Verdict.ADVERSARIAL)


def _measure_robust_error(sample: Sample) -> Interval:
    total = len(sample.records)
    return Interval(sample.count(*_BROKEN) / total, (total - sample.count(Verdict.ROBUST)) / total)


def _counted(name: str, *verdicts: Verdict) -> Quantity:
    def measure(sample: Sample) -> Interval:
        count = sample.count(*verdicts)
        return Interval(count, count)

    return Quantity(name, Unit.COUNT, measure, frozenset(verdicts))


def _shared(name: str, *verdicts: Verdict) -> Quantity:
    def measure(sample: Sample) -> Interval:
        share = sample.count(*verdicts) / len(sample.records)
        return Interval(share, share)

    return Quantity(name, Unit.SHARE, measure, frozenset(verdicts))


QUANTITIES: Final = {
    one.name: one
    for one in (
        Quantity(ROBUST_ERROR, Unit.SHARE, _measure_robust_error, frozenset({*_BROKEN})),
        _shared("clean_error", Verdict.MISCLASSIFIED),
        _shared("adversarial_share", Verdict.ADVERSARIAL),
        _shared("robust_share", Verdict.ROBUST),
        _shared("unknown_share", Verdict.UNKNOWN),
        _counted("inputs", *Verdict),
        _counted("misclassified", Verdict.MISCLASSIFIED),
        _counted("adversarial", Verdict.ADVERSARIAL),
        _counted("robust", Verdict.ROBUST),
        _counted("unknown", Verdict.UNKNOWN),
    )
}
_QUANTILE: Final = re.compile(r"distance\.(min|median|max|q\d{1,2}(?:\.\d+)?)")
_NAMED_QUANTILES: Final = {"min": 0.0, "median": 0.5, "max": 1.0}


def get_quantity(name: str) -> Quantity:
    """The quantity of a name.

    Raises:
        InputError: there is none.
    """
    found = QUANTITIES.get(name)
    if found is not None:
        return found
    quantile = _QUANTILE.fullmatch(name)
    if quantile is None:
        known = ", ".join([*QUANTITIES, "distance.min", "distance.q10", "distance.median"])
        raise InputError(f"there is no quantity '{name}' to limit: give one of {known}")
    part = quantile[1]
    share = _NAMED_QUANTILES[part] if part in _NAMED_QUANTILES else float(part[1:]) / 100
    return Quantity(name, Unit.DISTANCE, lambda sample: _measure_distance(sample, share))


def distance_bounds(record: Record, eps: float | None) -> Interval:
    """Bounds of the distance of the nearest adversarial example of an input.

    Args:
        record: what is known of it.
        eps: the radius of the run.
    """
    upper = math.inf if record.distance is None else record.distance
    lower = math.inf if record.distance_bound is None else record.distance_bound
    if record.verdict is Verdict.ROBUST and eps is not None:
        lower = max(lower, eps)
    return Interval(min(lower, upper), upper)


def _measure_distance(sample: Sample, share: float) -> Interval:
    """The least distance that at least this share of the inputs does not exceed, in bounds."""
    bounds = [distance_bounds(record, sample.eps) for record in sample.records]
    return Interval(
        _find_quantile((one.lower for one in bounds), share),
        _find_quantile((one.upper for one in bounds), share),
    )


def _find_quantile(values: Iterable[float], share: float) -> float:
    """The inverted distribution function, which is a value that occurs; values may be infinite."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
