"""Linear expressions with exact coefficients, comparisons and connectives of an assertion.

An assertion that is not linear, not well-formed or too large raises an :class:`InputError`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from typing import Final, TypeAlias

from onnx_lippa.errors import InputError
from onnx_lippa.spec.formula import And, Comparison, Formula, Or
from onnx_lippa.spec.vnnlib.tokens import quote

MAX_DIGITS: Final = 1_000
"""Largest length and exponent of a number in the text."""
MAX_BITS: Final = 20_000
"""Largest length of a number that results from arithmetic."""

NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE](?P<exponent>[+-]?\d+))?", re.ASCII)

ZERO: Final = Fraction(0)
ONE: Final = Fraction(1)


@dataclass(slots=True)
class Linear:
    """``constant + sum of coefficient * variable``.

    Attributes:
        constant: the constant term.
        terms: coefficients of variables by their keys: i for input i, -1 - j for output j.
    """

    constant: Fraction = ZERO
    terms: dict[int, Fraction] = field(default_factory=dict)

    def add(self, other: Linear, factor: Fraction = ONE) -> None:
        """Adds a multiple of another expression, in position."""
        self.constant = check_length(self.constant + factor * other.constant)
        for variable, coefficient in other.terms.items():
            total = self.terms.get(variable, ZERO) + factor * coefficient
            self.terms[variable] = check_length(total)

    def scale(self, factor: Fraction) -> None:
        """Multiplies by a number, in position."""
        self.constant = check_length(self.constant * factor)
        for variable, coefficient in self.terms.items():
            self.terms[variable] = check_length(coefficient * factor)

    def is_constant(self) -> bool:
        """Whether it has no variables."""
        return not any(self.terms.values())

    def at_most_zero(self, strict: bool, line: int) -> Comparison:
        """The comparison ``self <= 0``."""
        found = sorted((key, value) for key, value in self.terms.items() if value)
        inputs = tuple((key, value) for key, value in found if key >= 0)
        outputs = tuple((-1 - key, value) for key, value in reversed(found) if key < 0)
        return Comparison(inputs, outputs, -self.constant, strict, line)


def mirror(comparison: Comparison) -> Comparison:
    """The comparison with ``>=`` in position of ``<=``."""
    return Comparison(
        tuple((index, -coefficient) for index, coefficient in comparison.inputs),
        tuple((index, -coefficient) for index, coefficient in comparison.outputs),
        -comparison.bound,
        comparison.strict,
        comparison.line,
    )


def check_length(value: Fraction) -> Fraction:
    """The number; an InputError if it is too long."""
    if value.numerator.bit_length() + value.denominator.bit_length() > MAX_BITS:
        raise InputError(f"arithmetic makes a number of more than {MAX_BITS} bits: simplify it")
    return value


def number(word: str) -> Fraction | None:
    """The exact number that a word is, or None; an InputError if it has too many digits."""
    if len(word) > MAX_DIGITS:
        raise InputError(f"{quote(word)} has more than {MAX_DIGITS} characters: shorten it")
    match = NUMBER.fullmatch(word)
    if match is None:
        return None
    exponent = match["exponent"]
    if exponent and abs(int(exponent)) > MAX_DIGITS:
        raise InputError(f"{quote(word)} has an exponent beyond {MAX_DIGITS}: correct it")
    return Fraction(word)


Value: TypeAlias = str | Linear | Formula
"""An item within parentheses: a word, or the value of inner parentheses."""

ARITHMETIC: Final = frozenset({"+", "-", "*", "/"})
MAX_WORK: Final = 2_000_000
"""Most terms added and multiplied: some ten seconds."""
MAX_REMEMBERED: Final = 100_000


class Terms:
    """Builds linear expressions.

    Args:
        key: the key of a variable by its name; see :class:`Linear`.
    """

    def __init__(self, key: Callable[[str], int]) -> None:
        self._key = key
        self._numbers: dict[str, Fraction] = {}
        self._work = 0

    def at_most(
        self, left: Value, right: Value, strict: bool, line: int, operator: str
    ) -> Comparison:
        """The comparison ``left <= right``, or ``<``."""
        if isinstance(left, str) and isinstance(right, str):
            # Most comparisons of a large file bound one variable by one number.
            low, high = self._number(left), self._number(right)
            if low is None and high is not None:
                return _bound(self._key(left), ONE, high, strict, line)
            if low is not None and high is None:
                return _bound(self._key(right), -ONE, -low, strict, line)
        difference = self.linear(left, operator)
        self._add(difference, self.linear(right, operator), -ONE)
        return difference.at_most_zero(strict, line)

    def linear(self, value: Value, operator: str) -> Linear:
        """The expression of a value, which must not be a formula; the caller may change it."""
        if isinstance(value, Linear):
            return value
        if not isinstance(value, str):
            raise InputError(
                f"{operator} takes numbers and variables but has a formula in it: compare numbers, "
                "and join formulas with and, or, not"
            )
        constant = self._number(value)
        if constant is not None:
            return Linear(constant)
        return Linear(terms={self._key(value): ONE})

    def arithmetic(self, operator: str, values: Sequence[Value]) -> Linear:
        """Applies an operator to at least one value; the result must be linear."""
        least = 2 if operator == "/" else 1
        if len(values) < least:
            raise InputError(f"{operator} has {len(values)} arguments: give it {least} at least")
        parts = [self.linear(value, operator) for value in values]
        if operator == "+":
            return self._sum(parts)
        if operator == "-":
            return self._difference(parts)
        if operator == "*":
            return self._product(parts)
        return self._quotient(parts)

    def _sum(self, parts: list[Linear]) -> Linear:
        # Into the longest one, which deep nesting would copy repeatedly otherwise.
        parts.sort(key=lambda part: len(part.terms), reverse=True)
        for part in parts[1:]:
            self._add(parts[0], part, ONE)
        return parts[0]

    def _difference(self, parts: list[Linear]) -> Linear:
        first = parts[0]
        if len(parts) == 1:
            return self._scale(first, -ONE)
        for part in parts[1:]:
            self._add(first, part, -ONE)
        return first

    def _product(self, parts: list[Linear]) -> Linear:
        varying = [part for part in parts if not part.is_constant()]
        if len(varying) > 1:
            raise InputError(
                "a product of two variables is not linear: multiply a variable by numbers alone"
            )
        factor = ONE
        product = varying[0] if varying else Linear(ONE)
        for part in parts:
            if part is not product:
                factor = check_length(factor * part.constant)
        return self._scale(product, factor)

    def _quotient(self, parts: list[Linear]) -> Linear:
        quotient = parts[0]
        for part in parts[1:]:
            if not part.is_constant():
                raise InputError("a division by a variable is not linear: divide by numbers alone")
            if not part.constant:
                raise InputError("a division by 0 has no value: correct the divisor")
            quotient = self._scale(quotient, 1 / part.constant)
        return quotient

    def _add(self, total: Linear, part: Linear, factor: Fraction) -> None:
        self._spend(len(part.terms))
        total.add(part, factor)

    def _scale(self, part: Linear, factor: Fraction) -> Linear:
        self._spend(len(part.terms))
        part.scale(factor)
        return part

    def _spend(self, terms: int) -> None:
        self._work += 1 + terms
        if self._work > MAX_WORK:
            raise InputError(
                f"the arithmetic so far takes more than {MAX_WORK} steps: multiply sums out or "
                "split the property"
            )

    def _number(self, word: str) -> Fraction | None:
        if word[0] not in "0123456789.-+":
            return None
        known = self._numbers.get(word)
        if known is not None:
            return known
        found = number(word)
        if found is not None and len(self._numbers) < MAX_REMEMBERED:
            self._numbers[word] = found
        return found


def _bound(key: int, coefficient: Fraction, bound: Fraction, strict: bool, line: int) -> Comparison:
    if key >= 0:
        return Comparison(((key, coefficient),), (), bound, strict, line)
    return Comparison((), ((-1 - key, coefficient),), bound, strict, line)


CONNECTIVES: Final = frozenset({"and", "or", "not", "=>"})
COMPARISONS: Final = frozenset({"<=", ">=", "<", ">", "=", "==", "!=", "distinct"})

_ARGUMENTS: Final = {"not": 1, "=>": 2}

MAX_COMPARISONS: Final = 1_000_000
"""Each takes a few hundred bytes."""


class Assertions:
    """Builds formulas in negation normal form."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._made = 0

    def formula(self, value: Value, operator: str, negated: bool = False) -> Formula:
        """The formula of a value; only ``true`` and ``false`` are still to be negated."""
        if isinstance(value, Comparison | And | Or):
            return value
        if isinstance(value, Linear):
            raise InputError(f"{operator} takes formulas but has a number in it: compare it first")
        if value not in {"true", "false"}:
            raise InputError(f"{operator} takes formulas but has {quote(value)} in it: correct it")
        return And(()) if (value == "true") != negated else Or(())

    def connective(self, operator: str, values: Sequence[Value], negated: bool) -> Formula:
        """Applies a connective to formulas in negation normal form."""
        wanted = _ARGUMENTS.get(operator, max(len(values), 1))
        if len(values) != wanted:
            raise InputError(
                f"the number of formulas in {operator} is {len(values)}: give it {wanted}"
            )
        parts = tuple(
            self.formula(value, operator, negated != flips(operator, position))
            for position, value in enumerate(values)
        )
        if operator == "not":
            return parts[0]
        return And(parts) if (operator == "and") != negated else Or(parts)

    def comparison(
        self, operator: str, values: Sequence[Value], negated: bool, line: int
    ) -> Formula:
        """A comparison; for more than two values, of all neighbours."""
        if len(values) < 2:
            raise InputError(
                f"{operator} compares at least two values but has {len(values)}: add another"
            )
        if operator in {"!=", "distinct"}:
            if len(values) > 2:
                raise InputError(f"{operator} is supported for two values: write one for each pair")
            operator, negated = "=", not negated
        parts = tuple(self._compare(operator, *pair, negated, line) for pair in pairwise(values))
        if len(parts) == 1:
            return parts[0]
        return Or(parts) if negated else And(parts)

    def _compare(
        self, operator: str, left: Value, right: Value, negated: bool, line: int
    ) -> Formula:
        self._made += 1
        if self._made > MAX_COMPARISONS:
            raise InputError(
                f"there are more than {MAX_COMPARISONS} different comparisons, the most that is "
                "supported: split the property into several"
            )
        if operator in {"=", "=="}:
            one = self._terms.at_most(left, right, negated, line, operator)
            both = (one, mirror(one))
            return Or(both) if negated else And(both)
        if operator in {">=", ">"}:
            left, right = right, left
        strict = operator in {"<", ">"}
        if negated:
            left, right, strict = right, left, not strict
        return self._terms.at_most(left, right, strict, line, operator)


def flips(operator: str, position: int) -> bool:
    """Whether a connective negates the argument at a position."""
    return operator == "not" or (operator == "=>" and position == 0)
