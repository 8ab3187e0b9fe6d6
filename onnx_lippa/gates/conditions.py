"""Conditions on the figures of a run, as text: ``robust_error=0.10``."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, final

from onnx_lippa.errors import InputError
from onnx_lippa.gates.outcome import GateOutcome
from onnx_lippa.gates.quantities import (
    ROBUST_ERROR,
    Quantity,
    Sample,
    Unit,
    distance_bounds,
    get_quantity,
)
from onnx_lippa.runs.finished import FinishedRun
from onnx_lippa.runs.record import Record
from onnx_lippa.runs.summary import Interval
from onnx_lippa.text import listed
from onnx_lippa.witness import Verdict

ANY_GROUP: Final = "*"
"""Stands for every group of inputs, each by itself."""
_ENDS: Final = (".lower", ".upper")
_PARTS: Final = "[EPS:]QUANTITY[.lower|.upper][@GROUP]=LIMIT, as in robust_error=0.10"


class Side(Enum):
    """On which side of a limit a gate fails; its value is the option."""

    OVER = "fail-over"
    UNDER = "fail-under"


@final
@dataclass(frozen=True)
class Condition:
    """A limit of a quantity.

    A condition holds only where it is certain: the upper bound of a quantity is held against an
    upper limit, its lower bound against a lower one, if no bound is named.

    Attributes:
        side: on which side of the limit it fails.
        quantity: what is limited.
        limit: the limit, which itself is allowed.
        end: the bound that is meant, ``lower`` or ``upper``; empty for the one that is certain.
        group: the group of inputs; empty for all inputs, :data:`ANY_GROUP` for each group.
        eps: the radius of a curve that is meant; None for each.
    """

    side: Side
    quantity: Quantity
    limit: float
    end: str = ""
    group: str = ""
    eps: float | None = None

    @classmethod
    def parse(cls, text: str, side: Side) -> Condition:
        """Parses a condition.

        Args:
            text: ``[EPS:]QUANTITY[.lower|.upper][@GROUP]=LIMIT``; the limit is a number, a
                fraction or a percentage.
            side: on which side of the limit it fails.

        Raises:
            InputError: the text is not understood.
        """
        left, equals, right = text.rpartition("=")
        head, at, group = left.strip().partition("@")
        radius, colon, name = head.rpartition(":")
        end = next((end for end in _ENDS if name.endswith(end)), "")
        limit, eps = parse_number(right), parse_number(radius)
        if not equals or limit is None or (colon and eps is None) or (at and not group):
            raise InputError(f"--{side.value} {text!r} is not understood: give {_PARTS}")
        quantity = get_quantity(name.removesuffix(end))
        if quantity.unit is Unit.SHARE and not 0 <= limit <= 1:
            raise InputError(
                f"--{side.value} {text!r} limits a share: give a number from 0 to 1, or a "
                "percentage"
            )
        return cls(side, quantity, limit, end[1:], group, eps)

    def __str__(self) -> str:
        sign = "<=" if self.side is Side.OVER else ">="
        name = f"{self.quantity.name}.{self.end}" if self.end else self.quantity.name
        where = "" if self.eps is None else f"{self.eps:g}:"
        group = f"@{self.group}" if self.group else ""
        return f"{where}{name}{group} {sign} {self.quantity.show(self.limit)}"

    def check(self, run: FinishedRun, place: int) -> list[GateOutcome]:
        """Holds the condition against a run; one outcome for each group that is meant.

        Args:
            run: the run.
            place: its place among the runs that are checked.

        Raises:
            InputError: the run has no such group, or no radius where one is needed.
        """
        eps = run.identity.features.eps
        if self.eps is not None and self.eps != eps:
            return []
        return [
            self._check(group, records, eps, place)
            for group, records in _split_groups(run, self.group, str(self))
        ]

    def _check(
        self, group: str, records: Sequence[Record], eps: float | None, place: int
    ) -> GateOutcome:
        bounds = self.quantity.measure(Sample(records, eps))
        upper = self.end == "upper" or (not self.end and self.side is Side.OVER)
        value = bounds.upper if upper else bounds.lower
        excess = value - self.limit if self.side is Side.OVER else self.limit - value
        passed = not excess > 0
        name = self.quantity.name + (f" of {group}" if group else "")
        said = f"{name} is {self._show(bounds, upper)}"
        if passed:
            word = "not over" if self.side is Side.OVER else "not under"
            said += f", {word} {self.quantity.show(self.limit)}"
        else:
            word = self.side.value.removeprefix("fail-")
            by = self.quantity.show_excess(excess) if math.isfinite(excess) else "no finite amount"
            said += f", {word} {self.quantity.show(self.limit)} by {by}"
            said += self._explain(bounds, records)
        blamed = () if passed else self._blame(records, eps, upper)
        return GateOutcome(str(self), passed, said, place, frozenset(blamed))

    def _show(self, bounds: Interval, upper: bool) -> str:
        if bounds.lower == bounds.upper:
            return self.quantity.show(bounds.upper)
        return f"at {'most' if upper else 'least'} " + self.quantity.show(
            bounds.upper if upper else bounds.lower
        )

    def _explain(self, bounds: Interval, records: Sequence[Record]) -> str:
        """What else is known, where the other bound would have met the limit."""
        if self.end or bounds.lower == bounds.upper:
            return ""
        over = self.side is Side.OVER
        other = bounds.lower if over else bounds.upper
        if (other > self.limit) if over else (other < self.limit):
            return ""
        why = ""
        if self.quantity.unit is Unit.SHARE:
            why = f"; {sum(record.verdict is Verdict.UNKNOWN for record in records)} unknown"
            if all(record.verdict is not Verdict.ROBUST for record in records):
                why += f"; nothing was proven: audit, or limit {self.quantity.name}.lower"
        word = "at least" if over else "at most"
        return f" (and {word} {self.quantity.show(other)}{why})"

    def _blame(self, records: Sequence[Record], eps: float | None, upper: bool) -> list[int]:
        """The indices of the inputs that the quantity fails for."""
        if self.quantity.unit is Unit.DISTANCE:
            bounds = {record.index: distance_bounds(record, eps) for record in records}
            ends = {index: one.upper if upper else one.lower for index, one in bounds.items()}
            over = self.side is Side.OVER
            return [
                i for i, end in ends.items() if (end > self.limit if over else end < self.limit)
            ]
        blamed = self.quantity.blamed
        if self.quantity.name == ROBUST_ERROR and upper:
            blamed |= {Verdict.UNKNOWN}
        if self.side is Side.UNDER:
            blamed = frozenset(Verdict) - blamed
        return [record.index for record in records if record.verdict in blamed]


def parse_number(text: str) -> float | None:
    """A number, a fraction (1/20) or a percentage (5%); None if it is none of these."""
    text = text.strip()
    scale = 100.0 if text.endswith("%") else 1.0
    above, slash, below = text.removesuffix("%").partition("/")
    try:
        value = float(above) / (float(below) if slash else 1.0) / scale
    except (ValueError, ZeroDivisionError):
        return None
    return value if math.isfinite(value) else None


def _split_groups(
    run: FinishedRun, wanted: str, condition: str
) -> list[tuple[str, tuple[Record, ...]]]:
    """The groups that a condition means, with their records.

    Raises:
        InputError: there is no such group, or no input.
    """
    if not run.records:
        raise InputError(f"the run has no result, so {condition} has no meaning: run it again")
    if not wanted:
        return [("", run.records)]
    members: dict[str, list[Record]] = {}
    for record in run.records:
        members.setdefault(record.group, []).append(record)
    require_group(wanted, members, condition)
    names = sorted(filter(None, members)) if wanted == ANY_GROUP else [wanted]
    return [(name, tuple(members[name])) for name in names]


def require_group(wanted: str, known: Iterable[str], condition: str) -> None:
    """Raises InputError if a condition names a group that no input belongs to."""
    names = sorted(set(known) - {""})
    if not wanted or wanted in names or (wanted == ANY_GROUP and names):
        return
    if not names:
        raise InputError(
            f"{condition} names a group, and the inputs have none: give groups, or leave out "
            f"@{wanted}"
        )
    raise InputError(f"there is no group '{wanted}': give one of {listed(names)}")
