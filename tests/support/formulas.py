"""Random formulas, points near their bounds, and what a formula means, spelt out."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import strategies as st

from onnx_lippa.spec import And, Case, Comparison, Conjunction, Formula, Or, Property

INPUTS, OUTPUTS = 3, 2

DYADIC = st.sampled_from([Fraction(n, 4) for n in range(-6, 7)])
"""Numbers that float32 holds, few enough to tie often."""
DECIMAL = st.sampled_from(
    [Fraction(text) for text in ("0.1", "-0.1", "0.3", "1e-46", "0.7", "-1.2345678901234567890123")]
)
COEFFICIENTS = st.sampled_from([Fraction(n) for n in (1, -1, 1, -1, 2, -3)] + [Fraction(1, 2)])


def terms(count: int, least: int, most: int) -> st.SearchStrategy[tuple[tuple[int, Fraction], ...]]:
    indices = st.lists(st.integers(0, count - 1), min_size=least, max_size=most, unique=True)
    return indices.flatmap(
        lambda chosen: st.tuples(*[st.tuples(st.just(i), COEFFICIENTS) for i in chosen])
    )


def bounds(numbers: st.SearchStrategy[Fraction]) -> st.SearchStrategy[Formula]:
    """Comparisons of one input."""
    return st.builds(Comparison, terms(INPUTS, 1, 1), st.just(()), numbers, strict=st.booleans())


def rows(numbers: st.SearchStrategy[Fraction], strict: bool) -> st.SearchStrategy[Formula]:
    """Comparisons of outputs."""
    return st.builds(Comparison, st.just(()), terms(OUTPUTS, 1, 2), numbers, strict=st.just(strict))


def joint_rows(numbers: st.SearchStrategy[Fraction], strict: bool) -> st.SearchStrategy[Formula]:
    """Comparisons of inputs and outputs together, of any number of them."""
    return st.builds(
        Comparison, terms(INPUTS, 0, 3), terms(OUTPUTS, 0, 2), numbers, strict=st.just(strict)
    )


def nested(atoms: st.SearchStrategy[Formula]) -> st.SearchStrategy[Formula]:
    return st.recursive(
        atoms,
        lambda inner: st.builds(
            lambda kind, parts: kind(tuple(parts)),
            st.sampled_from([And, Or]),
            st.lists(inner, max_size=4),
        ),
        max_leaves=12,
    )


@st.composite
def points(draw: st.DrawFn, size: int) -> np.ndarray:
    """Vectors of floats on, just above and just below the numbers of the formulas."""
    dtype: Any = draw(st.sampled_from([np.float32, np.float64]))
    values = []
    for _ in range(size):
        value = dtype(float(draw(st.one_of(DYADIC, DECIMAL))))
        away = draw(st.sampled_from([0, 0, 0, -1, 1]))
        values.append(np.nextafter(value, dtype(away * np.inf)) if away else value)
    return np.array(values, dtype=dtype)


def truth(formula: Formula, x: np.ndarray, y: np.ndarray) -> bool:
    """What the formula says, by definition."""
    if isinstance(formula, And):
        return all(truth(part, x, y) for part in formula.parts)
    if isinstance(formula, Or):
        return any(truth(part, x, y) for part in formula.parts)
    total = sum(c * Fraction(float(x[i])) for i, c in formula.inputs)
    total += sum((c * Fraction(float(y[j])) for j, c in formula.outputs), Fraction(0))
    return total < formula.bound if formula.strict else total <= formula.bound


def satisfied(conjunction: Conjunction, values: np.ndarray) -> bool:
    """Whether a conjunction's rows hold, in rational arithmetic."""
    exact = [Fraction(float(value)) for value in values]
    for row, bound in zip(conjunction.matrix, conjunction.bound, strict=True):
        total = sum(Fraction(float(c)) * v for c, v in zip(row, exact, strict=True))
        if total > Fraction(float(bound)) or (conjunction.strict and total == Fraction(bound)):
            return False
    return True


def in_box(case: Case, x: np.ndarray) -> bool:
    exact = x.astype(np.float64)
    return bool(np.all(exact >= case.lower) and np.all(exact <= case.upper))


def covered(asked: Property, x: np.ndarray, y: np.ndarray) -> bool:
    """Whether some case of a property has the point."""
    both = (y, x) if asked.joint else (y,)
    values = np.concatenate([part.astype(np.float64) for part in both])
    return any(
        in_box(case, x) and any(satisfied(disjunct, values) for disjunct in case.unsafe.disjuncts)
        for case in asked.cases
    )


NUMBERS = st.one_of(DYADIC, DECIMAL)
FORMULAS = nested(st.one_of(bounds(NUMBERS), joint_rows(NUMBERS, True), joint_rows(NUMBERS, False)))
"""Any of them, with any numbers."""
