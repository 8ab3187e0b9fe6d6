"""Proofs in rational arithmetic that linear inequalities contradict each other.

Motzkin's transposition theorem: no v has ``A v <= b``, ``C v = d`` (some rows strict) if and only
if there are multipliers, those of inequalities at least 0, with

    lambda A + mu C = 0    and    lambda b + mu d < 0,  or = 0 with a strict row of lambda > 0.

A solver's multipliers are nearly such. Their support is taken from the solver; their values are
computed anew without rounding, and checked. No solver is believed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np

from onnx_lippa.arrays import Float64
from onnx_lippa.clock import require_time
from onnx_lippa.search.exact_system import AffineSum, combine

_SHARES: Final = (1e-7, 1e-10, 1e-4)
"""Shares of the largest multiplier below which others are tried as 0."""
_GRID: Final = 1 << 24
"""Free multipliers are rounded to multiples of one over this."""
_ZERO: Final = Fraction(0)


@dataclass(frozen=True)
class Row:
    """``left <= 0``, or ``= 0``, or ``< 0``.

    Attributes:
        left: the left side.
        is_equality: whether it is an equation.
        is_strict: whether it is strict.
        is_soft: whether candidates are sought inside it, not on its edge.
    """

    left: AffineSum
    is_equality: bool = False
    is_strict: bool = False
    is_soft: bool = False


def proves_contradiction(rows: Sequence[Row], multipliers: Float64, deadline: float) -> bool:
    """Whether multipliers near given ones prove that no point meets all rows.

    Args:
        rows: the rows.
        multipliers: (rows,) approximate values; at least 0 for inequalities.
        deadline: a time of ``time.monotonic()``.

    Raises:
        OutOfTimeError: the deadline has passed.
    """
    largest = float(np.abs(multipliers).max(initial=0.0))
    if not (largest > 0 and np.isfinite(largest)):
        return False
    tried: set[tuple[int, ...]] = set()
    for share in _SHARES:
        order = np.argsort(-np.abs(multipliers), kind="stable")
        chosen = tuple(order[np.abs(multipliers[order]) > share * largest].tolist())
        if chosen in tried:
            continue
        tried.add(chosen)
        used = [rows[place] for place in chosen]
        exact = _solve(used, multipliers[list(chosen)] / largest, deadline)
        if exact is not None and _check(used, exact):
            return True
    return False


def _check(rows: Sequence[Row], multipliers: Sequence[Fraction]) -> bool:
    """Whether multipliers prove it, wherever they come from."""
    pairs = list(zip(multipliers, rows, strict=True))
    if any(multiplier < 0 and not row.is_equality for multiplier, row in pairs):
        return False
    total = combine([(multiplier, row.left) for multiplier, row in pairs])
    strict = any(multiplier > 0 and row.is_strict for multiplier, row in pairs)
    return not total.terms and (total.constant > 0 or (total.constant == 0 and strict))


def _solve(rows: Sequence[Row], near: Float64, deadline: float) -> list[Fraction] | None:
    """Multipliers near given ones whose combination has no variables."""
    equations: dict[int, dict[int, Fraction]] = {}
    for place, row in enumerate(rows):
        for variable, coefficient in row.left.terms.items():
            equations.setdefault(variable, {})[place] = coefficient
    # Rows are sorted by multiplier: the largest are solved for, the others given.
    pivots: dict[int, dict[int, Fraction]] = {}
    for equation in equations.values():
        require_time(deadline)
        left = dict(equation)
        while left:
            place = min(left)
            if place not in pivots:
                factor = left[place]
                pivots[place] = {other: value / factor for other, value in left.items()}
                break
            factor = left[place]
            for other, value in pivots[place].items():
                total = left.get(other, _ZERO) - factor * value
                if total:
                    left[other] = total
                else:
                    left.pop(other, None)
    values: list[Fraction] = [_ZERO] * len(rows)
    for place in reversed(range(len(rows))):
        if place in pivots:
            values[place] = -sum(
                (value * values[other] for other, value in pivots[place].items() if other != place),
                _ZERO,
            )
        else:
            values[place] = Fraction(round(float(near[place]) * _GRID), _GRID)
    return values if any(values) else None
