"""Linear terms between the parentheses of an assertion: words, arithmetic and comparisons."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Final, TypeAlias

from onnx_lippa.errors import InputError
from onnx_lippa.spec.formula import Comparison, Formula
from onnx_lippa.spec.vnnlib.linear import ONE, Linear, checked, number

Value: TypeAlias = str | Linear | Formula
"""What stands between parentheses: a word, or what inner parentheses have become."""

ARITHMETIC: Final = frozenset({"+", "-", "*", "/"})
MAX_WORK: Final = 2_000_000
"""Terms added and multiplied: some ten seconds."""
MAX_REMEMBERED: Final = 100_000


class Terms:
    """Makes linear expressions of words and of other expressions.

    Args:
        key: finds the key of a variable by its name; see :class:`Linear`.
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
            # Nearly every comparison of a large file bounds one variable by one number.
            low, high = self._number(left), self._number(right)
            if low is None and high is not None:
                return _bound(self._key(left), ONE, high, strict, line)
            if low is not None and high is None:
                return _bound(self._key(right), -ONE, -low, strict, line)
        difference = self.linear(left, operator)
        self._add(difference, self.linear(right, operator), -ONE)
        return difference.at_most_zero(strict, line)

    def linear(self, value: Value, operator: str) -> Linear:
        """The expression a value stands for; the caller may change it.

        Raises:
            InputError: a word that is no number and not declared, or a formula.
        """
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
        """What an operator makes of its arguments.

        Raises:
            InputError: no arguments, a product of variables, or a division by a variable or 0.
        """
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
        # Into the longest one, so that deep nesting does not copy it again and again.
        parts.sort(key=lambda part: len(part.terms), reverse=True)
        for part in parts[1:]:
            self._add(parts[0], part, ONE)
        return parts[0]

    def _difference(self, parts: list[Linear]) -> Linear:
        first = parts[0]
        if len(parts) == 1:
            return self._scaled(first, -ONE)
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
                factor = checked(factor * part.constant)
        return self._scaled(product, factor)

    def _quotient(self, parts: list[Linear]) -> Linear:
        quotient = parts[0]
        for part in parts[1:]:
            if not part.is_constant():
                raise InputError("a division by a variable is not linear: divide by numbers alone")
            if not part.constant:
                raise InputError("a division by 0 has no value: correct the divisor")
            quotient = self._scaled(quotient, 1 / part.constant)
        return quotient

    def _add(self, total: Linear, part: Linear, factor: Fraction) -> None:
        self._spend(len(part.terms))
        total.add(part, factor)

    def _scaled(self, part: Linear, factor: Fraction) -> Linear:
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
