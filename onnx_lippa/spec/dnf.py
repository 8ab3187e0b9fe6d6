"""A formula as an ``or`` of branches: each a box of inputs and rows over the outputs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from onnx_lippa.clock import NEVER, require_time
from onnx_lippa.errors import InputError
from onnx_lippa.spec.formula import And, Comparison, Formula, Or
from onnx_lippa.spec.interval import Interval, Limit, nearest

MAX_BRANCHES: Final = 100_000
MAX_WORK: Final = 10_000_000
"""Bounds and rows copied while branches are combined: some ten seconds, some hundred megabytes."""
_MAX_REMEMBERED: Final = 100_000
_ROUNDS_PER_LOOK: Final = 1024
"""How often the clock is looked at."""

Bounds = dict[int, Interval]


@dataclass(frozen=True, slots=True)
class Branch:
    """One way to meet the formula: bounds of single inputs, and all other comparisons."""

    bounds: Bounds = field(default_factory=dict)
    rows: tuple[Comparison, ...] = ()


@dataclass(frozen=True)
class Expansion:
    """The formula as ``common and (branch or branch or ...)``.

    Attributes:
        common: what holds in every branch.
        branches: bounds in them are met with the common ones already; none where the formula
            contradicts itself.
        contradiction: what contradicts itself, where there are no branches.
    """

    common: Branch
    branches: tuple[Branch, ...]
    contradiction: str = ""


def expand(formula: Formula, deadline: float = NEVER) -> Expansion:
    """Multiplies a flattened formula out; branches whose bounds contradict are left out.

    Raises:
        InputError: there are too many branches, or bounds that no float is near to.
        OutOfTimeError: the deadline, a ``time.monotonic()``, has passed.
    """
    work = _Work(deadline)
    parts = formula.parts if isinstance(formula, And) else (formula,)
    common = work.conjunction(part for part in parts if isinstance(part, Comparison))
    if common is not None:
        work.common = common.bounds
        branches = work.product([part for part in parts if not isinstance(part, Comparison)])
        if branches:
            return Expansion(common, tuple(branches))
    return Expansion(Branch(), (), work.reason)


@dataclass
class _Work:
    """What multiplying out needs to know everywhere."""

    deadline: float
    common: Bounds = field(default_factory=dict)
    reason: str = "it is false whatever the input"
    steps: int = 0
    rounds: int = 0
    known: dict[int, tuple[int, Interval]] = field(default_factory=dict)
    met: dict[tuple[int, int], tuple[Interval, Interval, Interval]] = field(default_factory=dict)

    def branches(self, formula: Formula) -> list[Branch]:
        """The branches of any part; recursive, which is safe on a flattened formula."""
        if isinstance(formula, Or):
            found: list[Branch] = []
            for part in formula.parts:
                found += self.branches(part)
                self._spend(found, 0)
            return found
        parts = formula.parts if isinstance(formula, And) else (formula,)
        whole = self.conjunction(part for part in parts if isinstance(part, Comparison))
        if whole is None:
            return []
        others = self.product([part for part in parts if not isinstance(part, Comparison)])
        return [both for other in others if (both := self._merged(whole, other)) is not None]

    def product(self, formulas: list[Formula]) -> list[Branch]:
        """The branches of an ``and`` of formulas, in the order they are written in."""
        product = [Branch()]
        for formula in formulas:
            options, merged = self.branches(formula), []
            for one in product:
                for other in options:
                    both = self._merged(one, other)
                    if both is not None:
                        merged.append(both)
                        self._spend(merged, 0)
            product = merged
        return product

    def conjunction(self, comparisons: Iterable[Comparison]) -> Branch | None:
        """One branch of comparisons, or None where they contradict."""
        bounds: Bounds = {}
        rows: list[Comparison] = []
        for comparison in comparisons:
            if comparison.outputs or len(comparison.inputs) > 1:
                rows.append(comparison)
            elif comparison.inputs:
                index, interval = self._bound(comparison)
                known = bounds.get(index) or self.common.get(index)
                bounds[index] = interval if known is None else self._met(known, interval)
            elif not comparison.holds([], []):
                self.reason = f"a comparison of numbers{comparison.place} never holds"
                return None
        for index, interval in bounds.items():
            if self._contradicts(index, interval):
                return None
        return Branch(bounds, tuple(rows))

    def _bound(self, comparison: Comparison) -> tuple[int, Interval]:
        # The same comparison may be part of many branches, and lives as long as the formula.
        known = self.known.get(id(comparison))
        if known is None:
            known = bound_of(comparison)
            if len(self.known) < _MAX_REMEMBERED:
                self.known[id(comparison)] = known
        return known

    def _met(self, one: Interval, other: Interval) -> Interval:
        """What two intervals share; the same object for the same two, which saves memory."""
        pair = id(one), id(other)
        known = self.met.get(pair)
        if known is None:
            known = one.meet(other), one, other
            if len(self.met) < _MAX_REMEMBERED:
                self.met[pair] = known
        return known[0]

    def _merged(self, one: Branch, other: Branch) -> Branch | None:
        copied = len(one.bounds) + len(one.rows) + len(other.bounds) + len(other.rows)
        self._spend([], 1 + copied)
        if not one.bounds or not other.bounds:
            return Branch(one.bounds or other.bounds, one.rows + other.rows)
        bounds = dict(one.bounds)
        for index, interval in other.bounds.items():
            known = bounds.get(index)
            bounds[index] = interval if known is None else self._met(known, interval)
            if known is not None and self._contradicts(index, bounds[index]):
                return None
        return Branch(bounds, one.rows + other.rows)

    def _contradicts(self, index: int, interval: Interval) -> bool:
        if not interval.is_empty():
            if interval.is_beyond_float64():
                raise InputError(f"X_{index} must be {interval}, which no input is: scale it")
            return False
        self.reason = f"X_{index} must be {interval}"
        return True

    def _spend(self, found: list[Branch], steps: int) -> None:
        self.steps += steps
        self.rounds += 1
        if self.rounds % _ROUNDS_PER_LOOK == 0:
            require_time(self.deadline)
        if len(found) > MAX_BRANCHES or self.steps > MAX_WORK:
            raise InputError(
                "the property is too large once its or-parts are multiplied out, with more than "
                f"{MAX_BRANCHES} branches or {MAX_WORK} bounds in them: split it into several"
            )


def bound_of(comparison: Comparison) -> tuple[int, Interval]:
    """The input that a comparison of one input bounds, and how."""
    ((index, coefficient),) = comparison.inputs
    value = comparison.bound if coefficient == 1 else comparison.bound / coefficient
    limit = Limit(value, nearest(value), comparison.strict, comparison.line)
    if coefficient.numerator > 0:
        return index, Interval(upper=limit)
    return index, Interval(lower=limit)
